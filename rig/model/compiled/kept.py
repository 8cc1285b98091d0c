"""Derived graphs are kept per user, so that a model's are derived once: by content, card, library versions, rules."""

import contextlib
import dataclasses
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path

import onnx
import onnxruntime

from rig.model.cache import cache_folder
from rig.model.compiled.engine import Derived
from rig.model.compiled.layout import block_size
from rig.model.deployed import DeployedModel

MAX_KEPT = 24  # models; the one used longest ago goes first
GRAPHS = ("forward", "backward")


def derived_once(model: DeployedModel, derive: Callable[[], Derived]) -> Derived:
    """What was kept of this model, else what `derive` finds; a cache that cannot be read or written changes nothing."""
    folder = cache_folder("gradients") / _key(model)
    found = _read(folder)
    if found is None:
        found = derive()
        with contextlib.suppress(OSError):
            _write(found, folder)
            _forget_oldest(folder.parent)
    return found


def _key(model: DeployedModel) -> str:
    parts = [model.sha256, repr(model.card), onnx.__version__, onnxruntime.__version__, str(block_size()), _rules()]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


@cache
def _rules() -> str:
    """A hash of the code that derives graphs."""
    digest = hashlib.sha256()
    for file in sorted(Path(__file__).parents[1].rglob("*.py")):
        digest.update(file.read_bytes())
    return digest.hexdigest()


def _read(folder: Path) -> Derived | None:
    try:
        record = json.loads((folder / "graphs.json").read_text(encoding="utf-8"))
        graphs = {name: (folder / f"{name}.onnx").read_bytes() for name in GRAPHS}
        os.utime(folder)
    except (OSError, ValueError):
        return None
    hashes = record.pop("sha256")
    return Derived(**graphs, **record) if hashes == _hashes(graphs) else None


def _write(found: Derived, folder: Path) -> None:
    """The whole folder at once, so that no reader finds half of it."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    record = dataclasses.asdict(found)
    graphs = {name: record.pop(name) for name in GRAPHS}
    with tempfile.TemporaryDirectory(prefix=".new-", dir=folder.parent) as temporary:
        whole = Path(temporary) / "whole"
        whole.mkdir()
        for name, content in graphs.items():
            (whole / f"{name}.onnx").write_bytes(content)
        (whole / "graphs.json").write_text(json.dumps(record | {"sha256": _hashes(graphs)}), encoding="utf-8")
        shutil.rmtree(folder, ignore_errors=True)  # what is there could not be read
        whole.rename(folder)


def _hashes(graphs: dict[str, bytes]) -> dict[str, str]:
    return {name: hashlib.sha256(content).hexdigest() for name, content in graphs.items()}


def _forget_oldest(root: Path) -> None:
    kept = sorted((path for path in root.iterdir() if path.name[0] != "."), key=lambda path: path.stat().st_mtime)
    for folder in kept[:-MAX_KEPT]:
        shutil.rmtree(folder, ignore_errors=True)
