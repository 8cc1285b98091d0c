"""A board's corners in a photograph, to a fraction of a pixel; and when there is no board, why that may be."""

from dataclasses import dataclass

import cv2
import numpy as np
import torch

from rig.calibrate.board import DICTIONARIES, Board
from rig.images import srgb_to_linear

MIN_CORNERS = 8  # two for each number of a board's homography
# Half a side of the window in which a chessboard's corners are refined, as a share of the least gap between corners:
# the window must not reach the next corner.
REFINE_FRAC, MAX_REFINE_PX = 0.35, 11
REFINE_UNTIL = (cv2.TERM_CRITERIA_EPS + cv2.TERM_CRITERIA_COUNT, 40, 1e-3)

_LINEAR = srgb_to_linear(torch.arange(256) / 255).numpy()
WHITE_PERCENTILE = 99  # of the image's values: what becomes white


@dataclass(frozen=True)
class Detection:
    """What is seen of a board in one image. Integer pixels are pixel centres."""

    ids: np.ndarray  # (N,) int64, rows of Board.corners_m
    corners_px: np.ndarray  # (N, 2) float64, (column, row)
    size_px: tuple[int, int]  # width and height of the image

    def points_m(self, board: Board) -> np.ndarray:
        """(N, 3) float64, the same corners in the board frame."""
        return board.corners_m[self.ids]


def detect(board: Board, image: np.ndarray) -> Detection | None:
    """A board's corners in an (H, W, 3) uint8 RGB image; None where too few are seen, or all in one line."""
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    found = _charuco(board, grey) if board.kind == "charuco" else _chessboard(board, grey)
    if found is None or len(found[0]) < MIN_CORNERS:
        return None
    ids, corners_px = found
    columns, rows = ids % board.corners_shape[0], ids // board.corners_shape[0]
    if len(set(columns)) < 2 or len(set(rows)) < 2:
        return None
    return Detection(ids, corners_px, (image.shape[1], image.shape[0]))


def _charuco(board: Board, grey: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
    """In linear light, and as encoded where the board is too dark for that beside something bright."""
    found = _interpolated(board, _linear(grey))
    return _interpolated(board, grey) if found is None or len(found[0]) < MIN_CORNERS else found


def _interpolated(board: Board, grey: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
    """OpenCV interpolates between markers and refines on the squares' corners, so no half pixel is missing.

    A corner counts only between two markers that are seen: one beside a single marker may be covered by the object.
    """
    reading = cv2.aruco.DetectorParameters()
    reading.errorCorrectionRate = 1.0  # all that the dictionary can correct; other boards' markers are not looked for
    detector = cv2.aruco.CharucoDetector(board.aruco_board, cv2.aruco.CharucoParameters(), reading)
    corners_px, ids, _, _ = detector.detectBoard(grey)
    if ids is None or len(ids) == 0:
        return None
    return ids.reshape(-1).astype(np.int64), corners_px.reshape(-1, 2).astype(np.float64)


def _linear(grey: np.ndarray) -> np.ndarray:
    """The image in linear light, as 8 bits up to its own white.

    A sensor sums light before it is encoded, so that white spreads over black where a marker's cells are few pixels
    wide. In linear light they are as wide as printed, and about twice as many markers are read.
    """
    white = _LINEAR[max(1, int(np.percentile(grey[::4, ::4], WHITE_PERCENTILE)))]
    return cv2.LUT(grey, np.clip(np.rint(255 * _LINEAR / white), 0, 255).astype(np.uint8))


def _chessboard(board: Board, grey: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
    columns, rows = board.corners_shape
    flags = cv2.CALIB_CB_ADAPTIVE_THRESH + cv2.CALIB_CB_NORMALIZE_IMAGE + cv2.CALIB_CB_FAST_CHECK
    found, corners_px = cv2.findChessboardCorners(grey, (columns, rows), flags=flags)
    if not found:
        return None
    half = int(min(MAX_REFINE_PX, max(2, REFINE_FRAC * _least_gap_px(corners_px.reshape(rows, columns, 2)))))
    refined = cv2.cornerSubPix(grey, corners_px.copy(), (half, half), (-1, -1), REFINE_UNTIL)
    grid = refined.reshape(rows, columns, 2).astype(np.float64)
    if _runs_backwards(grid):
        grid = grid[:, ::-1]
    return np.arange(rows * columns), grid.reshape(-1, 2)


def _least_gap_px(grid: np.ndarray) -> float:
    return min(np.linalg.norm(np.diff(grid, axis=axis), axis=-1).min() for axis in (0, 1))


def _runs_backwards(grid: np.ndarray) -> bool:
    """Whether columns and rows turn the other way than on the print (+column to +row is clockwise as seen)."""
    along, down = grid[0, -1] - grid[0, 0], grid[-1, 0] - grid[0, 0]
    return along[0] * down[1] - along[1] * down[0] < 0


def why_unseen(board: Board, images: list[np.ndarray]) -> str:
    """A guess, in words, at why no board was found in any of these images."""
    if any(detect(board, np.ascontiguousarray(image[:, ::-1])) for image in images):
        return "the images are mirrored: switch the camera's mirroring off"
    if board.kind == "chessboard":
        return "are all inner corners visible, with white around the board? columns x rows counts inner corners"
    others = [name for name in DICTIONARIES if name != board.dictionary and _has_markers(name, images)]
    if others:
        return f"markers of another dictionary are: {' or '.join(others[:3])}"
    if any(_marker_ids(board.dictionary, image) for image in images):
        return "its markers are, but not in this layout: check squares and legacy"
    return "is it in the picture, sharp and evenly lit?"


def _has_markers(dictionary: str, images: list[np.ndarray]) -> bool:
    """At least four: a single one may be chance."""
    return any(len(_marker_ids(dictionary, image)) >= 4 for image in images)


def _marker_ids(dictionary: str, image: np.ndarray) -> set[int]:
    detector = cv2.aruco.ArucoDetector(cv2.aruco.getPredefinedDictionary(DICTIONARIES[dictionary]))
    ids = detector.detectMarkers(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY))[1]
    return set() if ids is None else set(np.ravel(ids).tolist())
