"""frames.jsonl: one line an event, only ever appended to. A line counts once it is on disk, its line feed included."""

import contextlib
import json
import os
from pathlib import Path

from rig.capture.record import Event, SessionError, event_of


def read_journal(path: Path) -> list[Event]:
    """All whole lines; what a kill left of a last one was never acknowledged."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return []
    except OSError as error:
        raise SessionError(f"cannot read ({error.strerror})", where=path) from error
    lines = content.split(b"\n")[:-1]
    return [event_of(_parsed(line, path, number), f"{path} line {number}") for number, line in enumerate(lines, 1)]


def _parsed(line: bytes, path: Path, number: int) -> object:
    try:
        return json.loads(line)
    except ValueError as error:
        raise SessionError("not valid JSON", where=f"{path} line {number}") from error


class Journal:
    """Open for appending. What a kill left of a last line is cut off first."""

    def __init__(self, path: Path):
        self._path = path
        try:
            self._file = path.open("ab")
            content = path.read_bytes()
            self._file.truncate(content.rfind(b"\n") + 1)
        except OSError as error:
            raise SessionError(f"cannot write ({error.strerror})", where=path) from error

    def append(self, event: Event) -> None:
        """Returns once the line is on disk. Raises SessionError (full disk); then nothing was appended."""
        line = event.model_dump_json(by_alias=True).encode() + b"\n"
        before = os.fstat(self._file.fileno()).st_size
        try:
            os.write(self._file.fileno(), line)
            if os.fstat(self._file.fileno()).st_size != before + len(line):
                raise OSError(0, "only part of a line fitted")
            os.fsync(self._file.fileno())
        except OSError as error:
            with contextlib.suppress(OSError):
                self._file.truncate(before)
            raise SessionError(
                f"cannot write ({error.strerror})", where=self._path, hint="nothing was half-written"
            ) from error

    def close(self) -> None:
        self._file.close()
