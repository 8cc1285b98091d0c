import re
from pathlib import PureWindowsPath

from hypothesis import given, settings
from hypothesis import strategies as st

from rig.interop.names import MAX_CHARS, safe_names


@settings(max_examples=40)
@given(st.lists(st.text(max_size=200), max_size=20))
def test_any_names_become_different_plain_short_ones(names):
    safe = safe_names(names)
    assert set(safe) == set(names)
    assert len(set(safe.values())) == len(set(names))
    for name in safe.values():
        assert re.fullmatch(r"[a-z0-9_-]+", name)
        assert len(name) <= MAX_CHARS + len("_-01234567")
        assert not PureWindowsPath(name).is_reserved()


def test_what_file_systems_confuse_stays_apart():
    names = ["Crane", "crane", "caf\u00e9", "cafe\u0301", "a/b", "a:b", "CON", "../up", "", ".", "x" * 300, "x" * 301]
    assert len(set(safe_names(names).values())) == len(names)


def test_plain_names_stay_as_they_are():
    assert safe_names(["clean", "adversarial-2", "control_random"])["adversarial-2"] == "adversarial-2"


def test_a_name_that_looks_like_another_s_replacement_stays_apart():
    replaced = safe_names(["Crane", "crane"])["Crane"]
    names = ["Crane", "crane", replaced]
    assert len(set(safe_names(names).values())) == 3
