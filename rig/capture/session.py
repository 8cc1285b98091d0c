"""A session folder being written: append-only, one writer, a frame counts once it is on disk."""

import fcntl
import os
import threading
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

import rig
from rig.calibrate.board import Board
from rig.calibrate.profile import CameraProfile
from rig.capture.journal import Journal, read_journal
from rig.capture.read import HEADER, JOURNAL, Captured, read_header, table_of
from rig.capture.record import Header, Note, Pass, Row, SessionError, Undo, require_name
from rig.images import encode_png
from rig.runs import write_atomically
from rig.settings import validated

LOCK = ".lock"


def new_header(object_name: str, scene: dict | None, board: Board, profile: CameraProfile) -> Header:
    values = {"schema": 1, "rig": rig.__version__, "started": _now(), "object": object_name, "scene": scene}
    return validated(Header, values | {"board": board, "profile": profile}, "rig capture", SessionError)


class Session:
    """Open it with `open_session`, and `close` it: that writes frames.parquet. Safe to call from several threads."""

    def __init__(self, path: Path, header: Header, lock):
        self.path = path
        self.header = header
        self._lock_file = lock
        self._events = read_journal(path / JOURNAL)
        self._journal = Journal(path / JOURNAL)
        self._next = 1 + max([-1, *(row.frame for row in self.rows), *map(_number, (path / "frames").glob("*.png"))])
        self._writing = threading.Lock()

    @property
    def rows(self) -> list[Row]:
        """All rows, undone ones too."""
        return [event for event in self._events if isinstance(event, Row)]

    @property
    def kept(self) -> list[Row]:
        undone = {event.undo for event in self._events if isinstance(event, Undo)}
        return [row for row in self.rows if row.frame not in undone]

    @property
    def notes(self) -> list[Note]:
        return [event for event in self._events if isinstance(event, Note)]

    def begin(self, one: Pass) -> Pass:
        """Start a pass, or go on with it. Raises SessionError where one of that name was another."""
        known = self.header.pass_named(one.name)
        if known is None:
            self.header = self.header.model_copy(update={"passes": (*self.header.passes, one)})
            _write_header(self.path, self.header)
            return one
        for key in ("artefact", "board_from_object"):
            if getattr(known, key) != getattr(one, key):
                raise SessionError(
                    f"pass {one.name} has another {key}",
                    where=self.path,
                    got=getattr(one, key),
                    expected=getattr(known, key),
                    hint="name a new pass with --pass",
                )
        return known

    def append(self, image: np.ndarray, **row) -> Row:
        """Write a frame, then its row. Once this returns, no kill loses it. Raises SessionError or RunError."""
        with self._writing:
            taken = validated(Row, {"frame": self._next, **row}, "frame", SessionError)
            png = encode_png(image)
            path = write_atomically(self.path / taken.file, lambda partial: partial.write_bytes(png))
            try:
                self._journal.append(taken)
            except SessionError:
                path.unlink()
                raise
            self._events.append(taken)
            self._next += 1
            return taken

    def undo(self, pass_name: str) -> Row | None:
        """Flag the last frame of this pass that is still kept; its file and its row stay."""
        with self._writing:
            last = next((row for row in reversed(self.kept) if row.pass_ == pass_name), None)
            if last is not None:
                self._add(Undo(undo=last.frame, time=_now()))
            return last

    def note(self, text: str) -> Note:
        with self._writing:
            frame = self.kept[-1].frame if self.kept else None
            values = {"note": text.strip(), "frame": frame, "time": _now()}
            return self._add(validated(Note, values, "note", SessionError))

    def _add(self, event):
        self._journal.append(event)
        self._events.append(event)
        return event

    def close(self) -> None:
        """Write frames.parquet whole, for other tools, and let the next writer in."""
        try:
            on_disk = Captured(self.path, self.header, tuple(read_journal(self.path / JOURNAL)))
            table = pa.Table.from_pylist(table_of(on_disk))
            write_atomically(self.path / "frames.parquet", lambda partial: pq.write_table(table, partial))
        finally:
            self._journal.close()
            self._lock_file.close()


def open_session(path: Path, header: Header) -> Session:
    """A new session, or the same one again: object, scene, board and camera profile must be the same."""
    if (path / HEADER).exists():
        lock = _lock(path)
        try:
            known = read_header(path)
            _require_same(known, header, path)
            return Session(path, known, lock)
        except BaseException:
            lock.close()
            raise
    if path.exists() and (not path.is_dir() or any(found.name != LOCK for found in path.iterdir())):
        raise SessionError("folder is not empty and holds no session", where=path, hint="choose another --out")
    require_name(path.absolute().name, "--out")
    lock = _lock(path)
    (path / "frames").mkdir(exist_ok=True)
    _write_header(path, header)
    return Session(path, header, lock)


def _write_header(path: Path, header: Header) -> None:
    text = header.model_dump_json(by_alias=True, indent=1)
    write_atomically(path / HEADER, lambda partial: partial.write_text(text, encoding="utf-8"))


def _lock(path: Path):
    """Held until the file is closed or the process ends, however it ends."""
    try:
        path.mkdir(parents=True, exist_ok=True)
        file = (path / LOCK).open("a+")
    except OSError as error:
        raise SessionError(f"cannot write ({error.strerror})", where=path) from error
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        file.seek(0)
        writer = file.read().strip()
        file.close()
        raise SessionError("another rig capture is writing this session", where=path, got=writer) from error
    file.truncate(0)
    file.write(f"process {os.getpid()}")
    file.flush()
    return file


def _require_same(known: Header, asked: Header, path: Path) -> None:
    for key in ("object", "scene", "board", "profile"):
        if known.model_dump(mode="json")[key] != asked.model_dump(mode="json")[key]:
            raise SessionError(
                f"holds a session of another {key}",
                where=path,
                got=asked.object if key == "object" else None,
                expected=known.object if key == "object" else None,
                hint="choose another --out",
            )


def _number(png: Path) -> int:
    """Of a frame whose row was never written, too: no file is ever written over."""
    return int(png.stem) if png.stem.isdecimal() else -1


def _now() -> datetime:
    return datetime.now(UTC)
