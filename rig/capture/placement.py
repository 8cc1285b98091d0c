"""How an object stands on its board."""

import numpy as np

from rig.calibrate.board import Board
from rig.capture.record import SessionError
from rig.contracts import Mesh, Transform

EXPECTED = (
    "x,y or x,y,z in mm from the print's lower left corner, then degrees about the board's normal: 100,137.5,0,90"
)


def placed(board: Board, mesh: Mesh | None, text: str | None) -> Transform:
    """board_from_object: its lowest point on the print's middle, its axes the board's, unless `text` says otherwise.

    `text` is "x,y", "x,y,z" or "x,y,z,turn": x, y, z where the lowest point's level meets the object's own vertical
    axis. Without a mesh the lowest point is the object's origin.
    """
    x_mm, y_mm, z_mm, turn_deg = _numbers(text) if text else (*np.array(board.size_mm) / 2, 0.0, 0.0)
    lowest_m = 0.0 if mesh is None else float(mesh.vertices_m[:, 2].min())
    angle = np.radians(turn_deg)
    board_from_object = np.eye(4)
    board_from_object[:2, :2] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    board_from_object[:3, 3] = [x_mm / 1000, y_mm / 1000, z_mm / 1000 - lowest_m]
    return board_from_object


def _numbers(text: str) -> tuple[float, float, float, float]:
    try:
        numbers = [float(part) for part in text.split(",")]
    except ValueError:
        numbers = []
    if not (2 <= len(numbers) <= 4 and np.isfinite(numbers).all() and np.abs(numbers).max() <= 1e5):
        raise SessionError("not a place on the board", where="--object-at", got=text, expected=EXPECTED)
    x_mm, y_mm, z_mm, turn_deg = (*numbers, *(0.0,) * (4 - len(numbers)))
    return x_mm, y_mm, z_mm, turn_deg
