"""hashes.sha256 of a run: which parts were written, and what they held then.

A line a part, as `sha256sum` writes and checks them, appended and synced before the part gets its name: a part without a
line was not written by this run. Parts that the run itself removes get a line, too. The last line about a part counts; a
line that a kill cut short says nothing. They show accidents and edits, not a forger who rewrites run.json as well.
"""

import hashlib
import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

NAME = "hashes.sha256"
FOLDERS = ("trials", "corruptions", "pose", "pixel")
REMOVED = "-" * 64  # in place of a hash
_LINE = re.compile(r"(?P<digest>[0-9a-f]{64}|-{64})  (?P<part>.+)")


@dataclass(frozen=True)
class Compared:
    """Parts by what became of them since they were written; `unlisted` ones were written by something else."""

    n_same: int
    edited: tuple[str, ...]
    missing: tuple[str, ...]
    unlisted: tuple[str, ...]


def is_part(name: str) -> bool:
    return name.split("/")[0] in FOLDERS


def record(folder: Path, name: str, content: Path) -> None:
    """`content` holds what is about to become the part."""
    _append(folder, [f"{_digest(content)}  {_listed(name)}\n"])


def record_removed(folder: Path, names: Iterable[str]) -> None:
    _append(folder, [f"{REMOVED}  {_listed(name)}\n" for name in names])


def live_lines(folder: Path) -> bytes:
    """The file as it should be once a run is finished: parts that were removed, and lines replaced, left out."""
    return "".join(f"{digest}  {part}\n" for part, digest in sorted(_stored(folder).items())).encode()


def compare(folder: Path) -> Compared:
    """Parts that are there against what was written."""
    stored = _stored(folder)
    present = {_listed(path.relative_to(folder).as_posix()): path for path in _parts(folder)}
    same = {part for part, path in present.items() if stored.get(part) == _digest(path)}
    return Compared(
        len(same),
        tuple(sorted(part for part in present if part in stored and part not in same)),
        tuple(sorted(stored.keys() - present.keys())),
        tuple(sorted(present.keys() - stored.keys())),
    )


def _stored(folder: Path) -> dict[str, str]:
    """Hashes by part, without removed ones."""
    path, found = folder / NAME, {}
    lines = path.read_bytes().decode("utf-8", "replace").split("\n")[:-1] if path.exists() else []
    for line in map(_LINE.fullmatch, lines):
        if line:
            found[line["part"]] = line["digest"]
    return {part: digest for part, digest in found.items() if digest != REMOVED}


def _append(folder: Path, lines: list[str]) -> None:
    with (folder / NAME).open("ab+") as file:
        if file.tell():
            file.seek(-1, os.SEEK_END)
            lines = lines if file.read(1) == b"\n" else ["\n", *lines]  # a kill cut the last line short
        file.write("".join(lines).encode())
        file.flush()
        os.fsync(file.fileno())


def _parts(folder: Path) -> list[Path]:
    return [path for name in FOLDERS for path in folder.glob(f"{name}/*.parquet")]


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _listed(name: str) -> str:
    return name.replace("\n", "\\n")  # a line each, whatever images are called
