"""One picture of a calibration: where in the frame the corners lie, and how far each is from its reprojection."""

import cv2
import numpy as np

from rig.calibrate.board import Board
from rig.calibrate.coverage import corners_by_part
from rig.calibrate.detect import Detection
from rig.calibrate.fit import Fit
from rig.calibrate.profile import CameraProfile

PANEL_PX = 640  # width of each half
MAGNIFIED = 40  # residual arrows, in pixels of the photograph
GREY, INK, USED, DROPPED, ARROW = (225, 225, 225), (40, 40, 40), (30, 90, 200), (215, 60, 50), (200, 90, 20)


def draw(board: Board, detections: list[Detection], fit: Fit, profile: CameraProfile) -> np.ndarray:
    """(H, W, 3) uint8 RGB: coverage on the left, residuals on the right, figures below."""
    halves = [_coverage(detections, fit), _residuals(board, detections, fit)]
    gap = np.full((halves[0].shape[0], 8, 3), 255, np.uint8)
    panels = np.hstack([halves[0], gap, halves[1]])
    return np.vstack([panels, _caption(profile, panels.shape[1])])


def _panel(size_px: tuple[int, int]) -> tuple[np.ndarray, float]:
    """An empty frame with its thirds, and how many of its pixels make one of the photograph."""
    width, height = size_px
    scale = PANEL_PX / width
    panel = np.full((round(height * scale), PANEL_PX, 3), 255, np.uint8)
    for third in (1, 2):
        cv2.line(panel, (third * PANEL_PX // 3, 0), (third * PANEL_PX // 3, panel.shape[0]), GREY)
        cv2.line(panel, (0, third * panel.shape[0] // 3), (PANEL_PX, third * panel.shape[0] // 3), GREY)
    cv2.rectangle(panel, (0, 0), (PANEL_PX - 1, panel.shape[0] - 1), GREY)
    return panel, scale


def _coverage(detections: list[Detection], fit: Fit) -> np.ndarray:
    panel, scale = _panel(detections[0].size_px)
    for number, seen in enumerate(detections):
        for corner_px in seen.corners_px:
            cv2.circle(panel, _at(corner_px, scale), 2, USED if number in fit.views else DROPPED, -1, cv2.LINE_AA)
    counts = corners_by_part([detections[view] for view in fit.views])
    for (row, column), count in np.ndenumerate(counts):
        _write(panel, str(count), (column * PANEL_PX // 3 + 6, row * panel.shape[0] // 3 + 18))
    return panel


def _residuals(board: Board, detections: list[Detection], fit: Fit) -> np.ndarray:
    panel, scale = _panel(detections[0].size_px)
    for view, camera_from_board in zip(fit.views, fit.camera_from_board, strict=True):
        seen = detections[view]
        for found_px, expected_px in zip(
            seen.corners_px, fit.lens.project(seen.points_m(board), camera_from_board), strict=True
        ):
            end_px = found_px + MAGNIFIED * (expected_px - found_px)
            cv2.line(panel, _at(found_px, scale), _at(end_px, scale), ARROW, 1, cv2.LINE_AA)
    _write(panel, f"residuals x {MAGNIFIED}", (6, 18))
    return panel


def _at(pixel: np.ndarray, scale: float) -> tuple[int, int]:
    column, row = np.rint(pixel * scale).astype(int).tolist()
    return column, row


def _caption(profile: CameraProfile, width: int) -> np.ndarray:
    lens, deviation, quality = profile.lens, profile.standard_deviation, profile.quality
    lines = [
        f"fx {lens.fx_px:.1f} +- {deviation.fx_px:.1f}, fy {lens.fy_px:.1f} +- {deviation.fy_px:.1f}, "
        f"cx {lens.cx_px:.1f} +- {deviation.cx_px:.1f}, cy {lens.cy_px:.1f} +- {deviation.cy_px:.1f} px",
        f"rms {quality.rms_px:.2f} px, held out {quality.held_out_rms_px:.2f} px; {quality.views} views (blue), "
        f"{quality.dropped_views} dropped (red), {quality.corners} corners",
        *(quality.missing or ("frame and tilts are covered",)),
    ]
    caption = np.full((22 * len(lines) + 8, width, 3), 255, np.uint8)
    for number, line in enumerate(lines):
        _write(caption, line, (6, 20 + 22 * number))
    return caption


def _write(picture: np.ndarray, words: str, at: tuple[int, int]) -> None:
    cv2.putText(picture, words, at, cv2.FONT_HERSHEY_SIMPLEX, 0.5, INK, 1, cv2.LINE_AA)
