"""A session as the sweep stage reads it."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from rig.capture.angles import field_of_view_deg
from rig.capture.journal import read_journal
from rig.capture.record import Event, Header, Note, Row, SessionError, Undo
from rig.contracts import Frame, Transform, View
from rig.geometry import apply
from rig.images import content_hash, read_rgb
from rig.settings import validated

HEADER, JOURNAL = "session.json", "frames.jsonl"


@dataclass(frozen=True)
class Captured:
    """A session's header and events; images are read one by one."""

    path: Path
    header: Header
    events: tuple[Event, ...]

    @property
    def name(self) -> str:
        return self.path.name

    @cached_property
    def undone(self) -> frozenset[int]:
        return frozenset(event.undo for event in self.events if isinstance(event, Undo))

    @cached_property
    def rows(self) -> tuple[Row, ...]:
        """Frames that count: taken and not undone, in order."""
        return tuple(row for row in self.all_rows if row.frame not in self.undone)

    @property
    def all_rows(self) -> tuple[Row, ...]:
        return tuple(event for event in self.events if isinstance(event, Row))

    @property
    def notes(self) -> tuple[Note, ...]:
        return tuple(event for event in self.events if isinstance(event, Note))

    def board_from_object(self, row: Row) -> Transform:
        return np.array(self.header.pass_named(row.pass_).board_from_object)

    def camera_from_object(self, row: Row) -> Transform | None:
        """None where the frame has no pose."""
        return None if row.pose is None else np.array(row.pose.camera_from_board) @ self.board_from_object(row)

    def image(self, row: Row) -> np.ndarray:
        """(H, W, 3) uint8. Raises CorruptImage or SessionError where the file is not what the camera gave."""
        path = self.path / row.file
        image = read_rgb(path)
        if content_hash(image) != row.hash:
            raise SessionError("the picture is not the one that was taken", where=path, hint="its file was changed")
        return image

    def view_id(self, row: Row) -> str:
        return f"{self.name}-{row.frame:06d}"

    def frame(self, row: Row) -> Frame:
        """The frame of a row, as every later stage takes it."""
        return Frame(self.image(row), self.view(row), "capture", self.name)

    def view(self, row: Row) -> View:
        return View(self.view_id(row), "eval", self.values(row), seed=0)

    def frames(self) -> Iterator[tuple[Row, Frame]]:
        return ((row, self.frame(row)) for row in self.rows)

    def values(self, row: Row) -> dict[str, float | None]:
        """A view's values by the names that trials have; None where the frame has no pose, or no board in sight.

        `offset_x_frac` and `offset_y_frac` need the scene's radius.
        """
        pose, camera_from_object = row.pose, self.camera_from_object(row)
        offset = [None, None]
        if pose is not None and self.header.scene is not None:
            origin_m = apply(camera_from_object, np.zeros(3))
            offset = [float(origin_m[axis]) / self.header.scene["object"]["radius_m"] for axis in (0, 1)]
        return {
            "azimuth_deg": pose and pose.azimuth_deg,
            "elevation_deg": pose and pose.elevation_deg,
            "roll_deg": pose and pose.roll_deg,
            "distance_m": pose and pose.distance_m,
            "offset_x_frac": offset[0],
            "offset_y_frac": offset[1],
            "fov_deg": field_of_view_deg(self.header.profile.intrinsics),
            "blur_px": row.blur_px,
            "mean_frac": row.mean_frac,
            "over_frac": row.over_frac,
            "under_frac": row.under_frac,
        }


def read_session(path: Path) -> Captured:
    """A session folder, also one that is being written. Raises SessionError with one line."""
    header = read_header(path)
    captured = Captured(path, header, tuple(read_journal(path / JOURNAL)))
    passes = {one.name: one.artefact for one in header.passes}
    frames = [row.frame for row in captured.all_rows]
    for row in captured.all_rows:
        if passes.get(row.pass_) != row.artefact:
            got = f"pass {row.pass_} with artefact {row.artefact}"
            raise SessionError("a frame's pass is not in session.json", where=path / JOURNAL, got=got)
    if sorted(set(frames)) != frames:
        raise SessionError("frame numbers do not rise", where=path / JOURNAL)
    return captured


def read_header(path: Path) -> Header:
    try:
        text = (path / HEADER).read_text(encoding="utf-8")
    except (FileNotFoundError, NotADirectoryError) as error:
        raise SessionError("not a session folder", where=path, expected=f"a folder with a {HEADER}") from error
    except (OSError, UnicodeDecodeError) as error:
        raise SessionError(f"cannot read {HEADER} ({error})", where=path) from error
    return validated(Header, _document(text, path), str(path / HEADER), SessionError)


def _document(text: str, path: Path) -> dict:
    try:
        document = json.loads(text)
    except ValueError as error:
        raise SessionError(f"{HEADER} is not valid JSON", where=path) from error
    if not isinstance(document, dict):
        raise SessionError(f"{HEADER} holds no table", where=path)
    return document


def table_of(captured: Captured) -> list[dict]:
    """frames.parquet: every row, undone ones flagged, with the notes written at it."""
    notes: dict[int, list[str]] = {}
    for note in captured.notes:
        notes.setdefault(note.frame, []).append(note.note)
    return [
        row.model_dump(by_alias=True, exclude={"pose"})
        | _flat_pose(row)
        | {"file": row.file, "undone": row.frame in captured.undone, "note": "\n".join(notes.get(row.frame, []))}
        for row in captured.all_rows
    ]


def _flat_pose(row: Row) -> dict:
    names = ("rms_px", "azimuth_deg", "elevation_deg", "roll_deg", "distance_m")
    flat = {name: row.pose and getattr(row.pose, name) for name in names}
    return flat | {"camera_from_board": None if row.pose is None else np.ravel(row.pose.camera_from_board).tolist()}
