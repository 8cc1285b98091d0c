"""How good a frame is: sharpness in pixels, exposure in shares of the full scale."""

from dataclasses import dataclass

import cv2
import numpy as np

from rig.calibrate.board import Board
from rig.calibrate.detect import Detection

REACH_FRAC = 0.12  # of a square, to each side of an edge: markers lie farther inside
LEVEL_FRAC = 0.45  # of a square, along the edge's normal: well inside the black and the white square
STEP_PX = 0.25
MIN_EDGES = 6
PIXEL_VARIANCE = 1 / (2 * np.pi)  # of the normal spread whose step is as steep as that of a pixel's own width


@dataclass(frozen=True)
class Exposure:
    """`mean_frac` of grey; shares of pixels with a channel at 255, and of those with all channels at 0."""

    mean_frac: float
    over_frac: float
    under_frac: float


def exposure_of(image: np.ndarray) -> Exposure:
    red, green, blue = cv2.split(image)
    brightest = cv2.max(cv2.max(red, green), blue)
    mean = cv2.mean(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY))[0]
    over, under = (cv2.countNonZero(cv2.compare(brightest, level, cv2.CMP_EQ)) for level in (255, 0))
    return Exposure(mean / 255, over / brightest.size, under / brightest.size)


def blur_px(board: Board, seen: Detection, image: np.ndarray) -> float | None:
    """Standard deviation of the point spread across the board's edges, the worse of its two directions.

    Edges between squares are averaged, aligned by their corners; a step of height c blurred by a normal spread s has the
    slope c / (s sqrt(2 pi)) in its middle. What a pixel itself averages is taken off. Markers bound what can be
    told: beyond about 0.15 of a square's side it is too low. None where too few edges are seen.
    """
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).astype(np.float32)
    found = [_spread_px(grey, *edges) for edges in _edges(board, seen)]
    if any(spread is None for spread in found):
        return None
    return max(found)


def _edges(board: Board, seen: Detection) -> list[tuple[np.ndarray, np.ndarray]]:
    """Of each direction: middles (E, 2) of the edges between neighbouring corners, and their vectors (E, 2)."""
    columns, rows = board.corners_shape
    grid = np.full((rows, columns, 2), np.nan)
    grid[seen.ids // columns, seen.ids % columns] = seen.corners_px
    edges = []
    for axis in (0, 1):
        starts, ends = (grid[:-1], grid[1:]) if axis == 0 else (grid[:, :-1], grid[:, 1:])
        middles, along = ((starts + ends) / 2).reshape(-1, 2), (ends - starts).reshape(-1, 2)
        whole = np.isfinite(along).all(axis=1)
        edges.append((middles[whole], along[whole]))
    return edges


def _spread_px(grey: np.ndarray, middles: np.ndarray, along: np.ndarray) -> float | None:
    if len(middles) < MIN_EDGES:
        return None
    side_px = np.linalg.norm(along, axis=1)
    normals = np.stack([-along[:, 1], along[:, 0]], axis=1) / side_px[:, None]
    reach_px = max(1.0, REACH_FRAC * float(np.median(side_px)))
    offsets_px = np.arange(-reach_px, reach_px + STEP_PX / 2, STEP_PX)
    profiles = _sampled(grey, middles, normals, offsets_px[None, :])
    levels = _sampled(grey, middles, normals, LEVEL_FRAC * side_px[:, None] * np.array([[-1.0, 1.0]]))
    low_high = _levels(levels)
    if low_high is None:
        return None
    rising = np.where(profiles[:, -1:] > profiles[:, :1], profiles, profiles[:, ::-1])
    slope = float(np.gradient(rising.mean(axis=0), STEP_PX).max())
    variance = ((low_high[1] - low_high[0]) / (max(slope, 1e-6) * np.sqrt(2 * np.pi))) ** 2
    return float(np.sqrt(max(variance - PIXEL_VARIANCE, 0)))


def _levels(levels: np.ndarray) -> tuple[float, float] | None:
    """Ink and paper; markers lie in white squares, so paper is the brighter end of what is seen there."""
    low, high = np.percentile(levels, [10, 95])
    return (float(low), float(high)) if high - low > 20 else None


def _sampled(grey: np.ndarray, middles: np.ndarray, normals: np.ndarray, offsets_px: np.ndarray) -> np.ndarray:
    """(E, S) grey at so many pixels along each edge's normal."""
    places = middles[:, None, :] + offsets_px[:, :, None] * normals[:, None, :]
    u, v = (np.ascontiguousarray(places[..., axis], np.float32) for axis in (0, 1))
    return cv2.remap(grey, u, v, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
