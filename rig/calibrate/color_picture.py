"""One picture of a colour response: every patch as observed and as predicted, side by side."""

import cv2
import numpy as np

from rig.calibrate.color_chart import Chart
from rig.calibrate.color_fit import Fit

CELL_PX, PATCH_PX = 60, 52
INK, PAPER = (40, 40, 40), (255, 255, 255)


def draw(chart: Chart, seen: np.ndarray, fit: Fit) -> np.ndarray:
    """(H, W, 3) uint8 RGB. Left half of a patch: observed; right: predicted without having seen it; its Delta-E below."""
    columns, rows = chart.cells
    picture = np.full((rows * CELL_PX + 34, columns * CELL_PX, 3), PAPER, np.uint8)
    cells = np.floor(chart.centres_mm / chart.cell_mm).astype(int)
    pairs = zip(cells, _eight_bit(seen), _eight_bit(fit.held_out), fit.held_out_delta_e, strict=True)
    for (column, row), observed, predicted, error in pairs:
        left, top = column * CELL_PX + 4, row * CELL_PX + 2
        picture[top : top + PATCH_PX - 10, left : left + PATCH_PX // 2] = observed
        picture[top : top + PATCH_PX - 10, left + PATCH_PX // 2 : left + PATCH_PX] = predicted
        _write(picture, f"{error:.1f}", (left + 14, top + PATCH_PX + 2), 0.36)
    words = f"observed | predicted, Delta-E below: median {np.median(fit.held_out_delta_e):.1f}, "
    words += f"95 % within {np.quantile(fit.held_out_delta_e, 0.95):.1f}; polynomial of degree {fit.response.degree}"
    _write(picture, words, (8, rows * CELL_PX + 22), 0.5)
    return picture


def _eight_bit(colors: np.ndarray) -> np.ndarray:
    return np.rint(255 * np.clip(colors, 0, 1)).astype(np.uint8)


def _write(picture: np.ndarray, words: str, at: tuple[int, int], scale: float) -> None:
    cv2.putText(picture, words, at, cv2.FONT_HERSHEY_SIMPLEX, scale, INK, 1, cv2.LINE_AA)
