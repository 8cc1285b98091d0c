"""Intrinsics from views of a board: outliers dropped by rule, uncertainty, and error on views kept out of the fit.

Zhang, "A flexible new technique for camera calibration", PAMI 2000, as implemented by OpenCV.
"""

from dataclasses import dataclass

import cv2
import numpy as np

from rig.calibrate.board import Board
from rig.calibrate.detect import Detection
from rig.calibrate.lens import Lens
from rig.calibrate.pose import solve_pose
from rig.contracts import Transform
from rig.errors import CalibrationError

MIN_VIEWS = 6
OUTLIER_FACTOR = 3.0  # a view is dropped whose rms is more than this times the median view's
MIN_TURN_DEG = 10.0  # between the two views whose board planes differ most; parallel planes leave the focal length open
MAX_FOCAL_SD_FRAC = 0.02
FOLDS = 5
PARAMETERS = tuple(Lens.model_fields)


@dataclass(frozen=True)
class Fit:
    """`views` are indices into the detections given; the lists beside it are in its order."""

    lens: Lens
    standard_deviation: Lens
    rms_px: float
    views: tuple[int, ...]
    view_rms_px: tuple[float, ...]
    camera_from_board: tuple[Transform, ...]


def calibrate(board: Board, detections: list[Detection]) -> Fit:
    """A camera from all views but outliers. Raises CalibrationError where views are too few or too alike."""
    kept = list(range(len(detections)))
    while True:
        _require_views(len(kept), len(detections))
        fit = _fit(board, detections, kept)
        _require_different(fit)
        limit_px = OUTLIER_FACTOR * float(np.median(fit.view_rms_px))
        remaining = [view for view, rms_px in zip(fit.views, fit.view_rms_px, strict=True) if rms_px <= limit_px]
        if len(remaining) == len(kept):
            return fit
        kept = remaining


def _fit(board: Board, detections: list[Detection], views: list[int]) -> Fit:
    points = [detections[view].points_m(board).astype(np.float32) for view in views]
    pixels = [detections[view].corners_px.astype(np.float32) for view in views]
    try:
        rms_px, matrix, distortion, rvecs, tvecs, deviations, _, view_rms_px = cv2.calibrateCameraExtended(
            points, pixels, detections[0].size_px, None, None
        )
    except cv2.error as error:
        raise CalibrationError("the views do not determine a camera", hint=TILT_HINT) from error
    values = [matrix[0, 0], matrix[1, 1], matrix[0, 2], matrix[1, 2], *np.ravel(distortion)[:5]]
    standard_deviations = np.ravel(deviations)[: len(PARAMETERS)]
    if not np.isfinite([rms_px, *values, *standard_deviations]).all():
        raise CalibrationError("the views do not determine a camera", hint=TILT_HINT)
    return Fit(
        lens=_lens(values),
        standard_deviation=_lens(standard_deviations),
        rms_px=float(rms_px),
        views=tuple(views),
        view_rms_px=tuple(np.ravel(view_rms_px).tolist()),
        camera_from_board=tuple(transform_of(rvec, tvec) for rvec, tvec in zip(rvecs, tvecs, strict=True)),
    )


TILT_HINT = "photograph the board tilted by 20 to 50 degrees, each time towards another side"


def _lens(values) -> Lens:
    return Lens(**dict(zip(PARAMETERS, map(float, values), strict=True)))


def transform_of(rvec: np.ndarray, tvec: np.ndarray) -> Transform:
    transform = np.eye(4)
    transform[:3, :3] = cv2.Rodrigues(rvec)[0]
    transform[:3, 3] = np.ravel(tvec)
    return transform


def _require_views(kept: int, given: int) -> None:
    if kept < MIN_VIEWS:
        dropped = f" after {given - kept} outliers were dropped" if kept < given else ""
        raise CalibrationError("too few views of the board", got=f"{kept}{dropped}", expected=f"at least {MIN_VIEWS}")


def _require_different(fit: Fit) -> None:
    normals = np.array([transform[:3, 2] for transform in fit.camera_from_board])
    turn_deg = float(np.degrees(np.arccos(np.clip(normals @ normals.T, -1, 1))).max())
    if turn_deg < MIN_TURN_DEG:
        expected = f"tilts that differ by {MIN_TURN_DEG:g} degrees or more"
        raise CalibrationError("all views are alike", got=f"{turn_deg:.1f} degrees", expected=expected, hint=TILT_HINT)
    focal_sd_frac = fit.standard_deviation.fx_px / fit.lens.fx_px
    if not 0 <= focal_sd_frac <= MAX_FOCAL_SD_FRAC:
        raise CalibrationError(
            "the views leave the focal length open",
            got=f"{fit.lens.fx_px:.0f} px with a standard deviation of {fit.standard_deviation.fx_px:.0f} px",
            expected=f"at most {MAX_FOCAL_SD_FRAC:.0%}",
            hint=TILT_HINT,
        )


def held_out_rms_px(board: Board, detections: list[Detection], views: tuple[int, ...]) -> float:
    """Error on views the camera was not fitted to: each view is left out once, in one of five folds.

    Such a view's pose comes from every second of its corners and the error is counted on the others, so that neither
    lens nor pose has seen the corners it is judged by.
    """
    squares = []
    for fold in range(FOLDS):
        left_out = views[fold::FOLDS]
        lens = _fit(board, detections, [view for view in views if view not in left_out]).lens
        squares += [_unseen_squares(board, detections[view], lens) for view in left_out]
    return float(np.sqrt(np.concatenate(squares).mean()))


def _unseen_squares(board: Board, seen: Detection, lens: Lens) -> np.ndarray:
    """(N,) squared distances in pixels at the odd-numbered corners seen."""
    points_m = seen.points_m(board)
    camera_from_board = solve_pose(points_m[::2], seen.corners_px[::2], lens)[0].camera_from_board
    projected_px = lens.project(points_m[1::2], camera_from_board)
    return ((projected_px - seen.corners_px[1::2]) ** 2).sum(axis=1)
