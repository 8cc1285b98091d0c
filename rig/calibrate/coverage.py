"""Which part of the frame and which tilt the views of a board leave uncovered, in words a photographer can follow."""

import itertools

import numpy as np

from rig.calibrate.detect import Detection
from rig.contracts import Transform

COLUMNS, ROWS = ("left", "middle", "right"), ("upper", "centre", "lower")
MIN_CORNERS_IN_PART = 10
MIN_TILT_DEG = 15.0  # towards each side, in at least one view


def corners_by_part(detections: list[Detection]) -> np.ndarray:
    """(3, 3) numbers of corners in the thirds of the frame, rows first."""
    width, height = detections[0].size_px
    corners_px = np.concatenate([seen.corners_px for seen in detections])
    column, row = (
        np.clip((3 * (corners_px[:, axis] + 0.5) / side).astype(int), 0, 2) for axis, side in ((0, width), (1, height))
    )
    counts = np.zeros((3, 3), int)
    np.add.at(counts, (row, column), 1)
    return counts


def tilt_deg(camera_from_board: Transform) -> float:
    """Angle between the board's plane and the image plane."""
    return float(np.degrees(np.arccos(np.clip(-camera_from_board[2, 2], -1, 1))))


def missing(detections: list[Detection], camera_from_board: list[Transform]) -> list[str]:
    """What further views should show; empty where frame and tilts are covered."""
    counts = corners_by_part(detections)
    parts = [
        f"no board in the {ROWS[row]} {COLUMNS[column]} of the frame"
        for row, column in itertools.product(range(3), range(3))
        if counts[row, column] < MIN_CORNERS_IN_PART
    ]
    return parts + _missing_tilts(camera_from_board)


def _missing_tilts(camera_from_board: list[Transform]) -> list[str]:
    """A printed side that looks to the right has its left edge nearer to the camera."""
    normals = np.array([transform[:3, 2] for transform in camera_from_board])
    sine = np.sin(np.radians(MIN_TILT_DEG))
    seen = {
        "left": normals[:, 0].max() > sine,
        "right": normals[:, 0].min() < -sine,
        "upper": normals[:, 1].max() > sine,
        "lower": normals[:, 1].min() < -sine,
    }
    return [f"no view tilted with the board's {side} edge nearer" for side, covered in seen.items() if not covered]
