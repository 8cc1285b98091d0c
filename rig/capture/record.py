"""What a session's files say: its header, its passes, one row a frame, and what was undone or noted afterwards."""

import re
from typing import Annotated, Literal

import numpy as np
from pydantic import AfterValidator, AwareDatetime, Field

from rig.calibrate.board import Board
from rig.calibrate.profile import CameraProfile
from rig.contracts import Transform
from rig.errors import RigError
from rig.scene.config import NAME
from rig.settings import Section, validated

SCHEMA = 1
MAX_NOTE = 500  # characters
TRIGGERS = ("continuous", "key", "turntable")


class SessionError(RigError):
    """A session folder is not usable, or does not fit what was asked."""


def _rigid(rows):
    matrix = np.array(rows)
    rotation = matrix[:3, :3]
    orthonormal = np.allclose(rotation.T @ rotation, np.eye(3), atol=1e-6) and np.linalg.det(rotation) > 0
    if not (orthonormal and np.array_equal(matrix[3], [0, 0, 0, 1])):
        raise ValueError("no rigid transform: expected a rotation, a translation and 0 0 0 1")
    return rows


def require_name(name: str, where: str) -> str:
    """A name that files and folders may bear."""
    if not re.fullmatch(NAME.strip("^$"), name):
        expected = "a letter or digit, then letters, digits, spaces and .()-_, at most 100"
        raise SessionError("not a name", where=where, got=repr(name), expected=expected)
    return name


Name = Annotated[str, Field(pattern=NAME)]
Finite = Annotated[float, Field(allow_inf_nan=False)]
_Row = tuple[Finite, Finite, Finite, Finite]
Rigid = Annotated[tuple[_Row, _Row, _Row, _Row], AfterValidator(_rigid)]  # a Transform, row by row


def rows_of(transform: Transform) -> tuple:
    return tuple(tuple(map(float, row)) for row in transform)


class CameraRecord(Section):
    """A camera as it was opened. `asked` and `got` are settings; what is asked is not always what one gets."""

    source: str  # without user, password and query of a URL
    asked: dict[str, float]
    got: dict[str, float]


class Pass(Section):
    """One go round the object: what was on it, how it stood on the board, which camera looked."""

    name: Name
    artefact: Name
    board_from_object: Rigid
    camera: CameraRecord
    started: AwareDatetime


class Header(Section):
    """session.json. `scene` is a resolved scene config, as run.json keeps it; None where only the name is known."""

    schema_: int = Field(SCHEMA, alias="schema", ge=SCHEMA, le=SCHEMA)
    rig: str
    started: AwareDatetime
    object: Name
    scene: dict | None
    board: Board
    profile: CameraProfile
    passes: tuple[Pass, ...] = ()

    def pass_named(self, name: str) -> Pass | None:
        return next((one for one in self.passes if one.name == name), None)


class PoseRecord(Section):
    """Where the board was, and from where the object was seen (rig.capture.angles)."""

    camera_from_board: Rigid
    rms_px: Finite
    azimuth_deg: Finite
    elevation_deg: Finite
    roll_deg: Finite
    distance_m: Finite


class Row(Section):
    """One frame that was taken. `pose` is None where `no_pose` says why; `blur_px` is None without a board in sight."""

    frame: int = Field(ge=0)
    time: AwareDatetime
    pass_: Name = Field(alias="pass")
    artefact: Name
    trigger: Literal[TRIGGERS]
    hash: str = Field(pattern="^[0-9a-f]{16}$")  # rig.images.content_hash, trials' frame_hash
    n_corners: int = Field(ge=0)
    pose: PoseRecord | None
    no_pose: str = ""
    blur_px: Finite | None
    mean_frac: Finite
    over_frac: Finite
    under_frac: Finite

    @property
    def file(self) -> str:
        return f"frames/{self.frame:06d}.png"


class Undo(Section):
    undo: int
    time: AwareDatetime


class Note(Section):
    """`frame` is the last one taken when it was written; None before the first."""

    note: str = Field(min_length=1, max_length=MAX_NOTE)
    frame: int | None
    time: AwareDatetime


Event = Row | Undo | Note


def event_of(document: object, where: str) -> Event:
    """A line of frames.jsonl. Raises SessionError naming the key."""
    if not isinstance(document, dict):
        raise SessionError("not a row", where=where, got=type(document).__name__)
    kind = Undo if "undo" in document else Note if "note" in document else Row
    return validated(kind, document, where, SessionError)
