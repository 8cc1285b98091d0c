"""Where a board is: camera_from_board from one image, with the mirrored twin solution of a plane ruled out.

A plane seen nearly without perspective fits two poses about equally well (Schweighofer and Pinz, PAMI 2006); both are
found (IPPE: Collins and Bartoli, IJCV 2014), both refined, and told apart by how much better one explains the corners.
"""

from dataclasses import dataclass

import cv2
import numpy as np

from rig.calibrate.board import Board
from rig.calibrate.detect import Detection
from rig.calibrate.lens import Lens
from rig.calibrate.profile import CameraProfile
from rig.contracts import Transform
from rig.errors import CalibrationError

MAX_RMS_PX = 1.0
MIN_LOG_LIKELIHOOD_RATIO = 7.0  # the other pose is a thousand times less likely
CORNER_SD_FLOOR_PX = 0.05  # corners are not found better than this, however small their residuals happen to be
SAME_POSE_DEG = 2.0  # closer than this, the two solutions are one
REFINE_UNTIL = (cv2.TERM_CRITERIA_EPS + cv2.TERM_CRITERIA_COUNT, 50, 1e-10)


class PoseError(CalibrationError):
    """No pose that can be trusted, in one image."""


@dataclass(frozen=True)
class BoardPose:
    """`camera_from_board` in metres; `rms_px` is the reprojection error over `n_corners`."""

    camera_from_board: Transform
    rms_px: float
    n_corners: int


def estimate_pose(
    board: Board, seen: Detection, profile: CameraProfile, max_rms_px: float = MAX_RMS_PX, where: str = "image"
) -> BoardPose:
    """A board's pose. Raises PoseError where the corners do not fit the board or fit it both ways round."""
    profile.require_size(*seen.size_px, where=where)
    solutions = solve_pose(seen.points_m(board), seen.corners_px, profile.lens)
    best = solutions[0]
    if not best.rms_px <= max_rms_px:
        raise PoseError(
            "the board's corners do not fit its pose",
            where=where,
            got=f"{best.rms_px:.2f} px rms",
            expected=f"at most {max_rms_px:g} px",
            hint="another board, another camera or a bent print?",
        )
    require_unambiguous(solutions, where)
    return best


def require_unambiguous(solutions: list[BoardPose], where: str) -> None:
    """Raises PoseError where another of these poses is nearly as likely as the first."""
    best, *others = solutions
    for other in others:
        if _turn_deg(best, other) > SAME_POSE_DEG and _log_likelihood_ratio(best, other) < MIN_LOG_LIKELIHOOD_RATIO:
            raise PoseError(
                "the board could be tilted either way",
                where=where,
                got=f"{best.rms_px:.2f} and {other.rms_px:.2f} px rms, {_turn_deg(best, other):.0f} degrees apart",
                hint="bring the board nearer, or tilt it more",
            )


def solve_pose(points_m: np.ndarray, corners_px: np.ndarray, lens: Lens) -> list[BoardPose]:
    """Both poses of a plane, refined, the better first. points_m (N, 3) with z = 0, corners_px (N, 2)."""
    points_m, pixels = (np.ascontiguousarray(array, dtype=np.float64) for array in (points_m, corners_px))
    try:
        _, rvecs, tvecs, _ = cv2.solvePnPGeneric(
            points_m, pixels, lens.matrix, lens.distortion, flags=cv2.SOLVEPNP_IPPE
        )
    except cv2.error as error:
        raise PoseError("the corners seen determine no pose") from error
    solutions = [_refined(points_m, pixels, lens, rvec, tvec) for rvec, tvec in zip(rvecs, tvecs, strict=True)]
    in_front = [pose for pose in solutions if _faces_camera(pose.camera_from_board)]
    if not in_front:
        raise PoseError("the corners fit only a board seen from behind", hint="is the image mirrored?")
    return sorted(in_front, key=lambda pose: pose.rms_px)


def _refined(points_m, corners_px, lens: Lens, rvec, tvec) -> BoardPose:
    rvec, tvec = cv2.solvePnPRefineLM(
        points_m, corners_px, lens.matrix, lens.distortion, rvec.copy(), tvec.copy(), REFINE_UNTIL
    )
    projected = cv2.projectPoints(points_m, rvec, tvec, lens.matrix, lens.distortion)[0].reshape(-1, 2)
    rms_px = float(np.sqrt(((projected - corners_px) ** 2).sum(axis=1).mean()))
    camera_from_board = np.eye(4)
    camera_from_board[:3, :3] = cv2.Rodrigues(rvec)[0]
    camera_from_board[:3, 3] = np.ravel(tvec)
    return BoardPose(camera_from_board, rms_px, len(points_m))


def _faces_camera(camera_from_board: Transform) -> bool:
    """Whether the board is in front of the camera, its printed side (+z) towards it."""
    rotation, translation = camera_from_board[:3, :3], camera_from_board[:3, 3]
    return translation[2] > 0 and rotation[:, 2] @ translation < 0


def _turn_deg(pose: BoardPose, other: BoardPose) -> float:
    """Angle of the rotation between two poses."""
    between = pose.camera_from_board[:3, :3].T @ other.camera_from_board[:3, :3]
    return float(np.degrees(np.arccos(np.clip((np.trace(between) - 1) / 2, -1, 1))))


def _log_likelihood_ratio(best: BoardPose, other: BoardPose) -> float:
    """How much more likely the best pose is, for normal errors of the size its own residuals have."""
    variance = max(best.rms_px**2 / 2, CORNER_SD_FLOOR_PX**2)  # of one coordinate
    return best.n_corners * (other.rms_px**2 - best.rms_px**2) / (2 * variance)
