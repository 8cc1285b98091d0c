"""Run folders: whole files or none, one config a run, everything needed to go on after a kill.

Written whole under a temporary name, then renamed: a reader never sees half a file.
"""

import contextlib
import datetime
import hashlib
import importlib.metadata
import json
import os
import platform
import subprocess
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch

import rig
from rig import part_hashes
from rig.contracts import Artefact
from rig.errors import RunError
from rig.images import encode_png, read_image

Progress = Callable[[int, int, str], None]  # done, total, what

SCHEMA = 1
PACKAGES = (
    "numpy",
    "torch",
    "onnx",
    "onnxruntime-gpu",
    "onnxruntime",
    "opencv-python",
    "trimesh",
    "pyrender",
    "kornia",
)


class RunFolder:
    """A run on disk. `state` is run.json; call `save` after changing it."""

    def __init__(self, path: Path, state: dict):
        self.path = path
        self.state = state

    @classmethod
    def open(cls, path: Path) -> "RunFolder":
        """An existing run. Raises RunError where there is none, or run.json is not one of ours."""
        try:
            state = json.loads((path / "run.json").read_text(encoding="utf-8"))
        except FileNotFoundError as error:
            raise RunError("not a run folder", where=path, expected="a folder with a run.json") from error
        except (OSError, ValueError) as error:
            raise RunError(f"cannot read run.json ({error})", where=path) from error
        if not isinstance(state, dict) or state.get("schema") != SCHEMA:
            found = state.get("schema") if isinstance(state, dict) else type(state).__name__
            raise RunError("run.json is of another version", where=path, got=found, expected=f"schema {SCHEMA}")
        return cls(path, state)

    @classmethod
    def start(cls, path: Path, command: list[str], config: dict, seed: int) -> "RunFolder":
        """A new run, or the same one again: an existing folder must hold the same config and seed."""
        config = json.loads(json.dumps(config))  # as run.json will give it back
        if (path / "run.json").exists():
            run = cls.open(path)
            _require_same(run.state["config"] | {"seed": run.state["seed"]}, config | {"seed": seed}, path)
            return run
        if path.exists() and (not path.is_dir() or any(path.iterdir())):
            raise RunError("folder is not empty and holds no run", where=path, hint="choose another --out")
        state = {
            "schema": SCHEMA,
            "rig": rig.__version__,
            "command": command,
            "status": "running",
            "started": _now(),
            "finished": None,
            "seed": seed,
            "config": config,
            "versions": _versions(),
            "git": _git_revision(),
            "machine": _machine(),
            "parts": {"hashes": part_hashes.NAME, "sha256": None},
            "resources": {"seconds": 0.0, "cpu_seconds": 0.0, "gradients": 0, "queries": 0},
        }
        run = cls(path, state)
        run.save()
        return run

    def save(self) -> None:
        self.write("run.json", json.dumps(self.state, indent=1, ensure_ascii=False).encode())

    def finish(self) -> None:
        """Done: the list of its parts is closed, and its own hash stands in run.json."""
        if self._lists_parts and (self.path / part_hashes.NAME).exists():
            lines = part_hashes.live_lines(self.path)
            self.write(part_hashes.NAME, lines)
            self.state["parts"] |= {"sha256": hashlib.sha256(lines).hexdigest()}
        self.state |= {"status": "done", "finished": _now()}
        self.save()

    @property
    def _lists_parts(self) -> bool:
        """Not so for runs begun before rig did."""
        return "parts" in self.state

    def spend(self, **resources: float) -> None:
        for name, amount in resources.items():
            self.state["resources"][name] += amount

    def write(self, name: str, content: bytes) -> Path:
        return write_atomically(self.path / name, lambda partial: partial.write_bytes(content))

    def write_table(self, name: str, rows: list[dict], schema: pa.Schema | None = None) -> Path:
        columns = {name: None for row in rows for name in row}  # a row may lack what another has
        table = pa.Table.from_pylist([columns | row for row in rows], schema=schema)

        def write(partial: Path) -> None:
            pq.write_table(table, partial)
            if self._lists_parts and part_hashes.is_part(name):
                part_hashes.record(self.path, name, partial)

        return write_atomically(self.path / name, write)

    def remove_parts(self, names: Iterable[str]) -> None:
        """Parts whose rows stand elsewhere now; those that are not there are left out."""
        there = [name for name in names if (self.path / name).exists()]
        if self._lists_parts and there:
            part_hashes.record_removed(self.path, there)
        for name in there:
            (self.path / name).unlink()

    def write_arrays(self, name: str, arrays: dict[str, np.ndarray]) -> Path:
        def write(partial: Path) -> None:
            with partial.open("wb") as file:
                np.savez(file, **arrays)

        return write_atomically(self.path / name, write)

    def read_arrays(self, name: str) -> dict[str, np.ndarray] | None:
        """Arrays written before, or None where there are none yet."""
        path = self.path / name
        if not path.exists():
            return None
        with np.load(path, allow_pickle=False) as arrays:
            return dict(arrays)

    def read_rows(self, name: str) -> list[dict]:
        return pq.read_table(self.path / name).to_pylist()

    def save_artefact(self, artefact: Artefact) -> Artefact:
        """Write the 8-bit texture and its description, and return what the files say."""
        folder = f"artefacts/{artefact.name}"
        self.write(f"{folder}/texture.png", encode_png(artefact.texture))
        self.write(f"{folder}/artefact.json", json.dumps(dict(artefact.details), indent=1).encode())
        return self.artefact(artefact.name)

    def artefact(self, name: str) -> Artefact:
        folder = self.path / "artefacts" / name
        try:
            details = json.loads((folder / "artefact.json").read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise RunError(f"cannot read artefact.json ({error})", where=folder) from error
        return Artefact(name, read_image(folder / "texture.png"), details)

    def has_artefact(self, name: str) -> bool:
        return (self.path / "artefacts" / name / "artefact.json").exists()


def write_atomically(path: Path, write: Callable[[Path], object]) -> Path:
    """Let `write` fill a temporary file beside `path`, then rename. Raises RunError (full disk, no permission)."""
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write(partial)
        with partial.open("rb") as file:
            os.fsync(file.fileno())
        os.replace(partial, path)
    except OSError as error:
        with contextlib.suppress(OSError):
            partial.unlink()
        raise RunError(
            f"cannot write ({error.strerror or error})", where=path, hint="nothing was half-written"
        ) from error
    return path


def _require_same(existing: dict, asked: dict, path: Path) -> None:
    differing = [key for key in _flat(existing) | _flat(asked) if _flat(existing).get(key) != _flat(asked).get(key)]
    if differing:
        key = sorted(differing)[0]
        raise RunError(
            "holds another run",
            where=path,
            got=f"{key} = {_flat(asked).get(key)}",
            expected=_flat(existing).get(key),
            hint="choose another --out, or repeat the command that made it",
        )


def _flat(tree: dict, prefix: str = "") -> dict:
    leaves = {}
    for key, value in tree.items():
        name = f"{prefix}{key}"
        leaves |= _flat(value, f"{name}.") if isinstance(value, dict) else {name: value}
    return leaves


def _now() -> str:
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")


def _versions() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def _git_revision() -> str | None:
    command = ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty", "--abbrev=12"]
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=10, check=True).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return None


def _machine() -> dict:
    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else None
    return {"cpu": _cpu_name(), "cores": os.cpu_count(), "gpu": gpu, "platform": platform.platform()}


def _cpu_name() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())
