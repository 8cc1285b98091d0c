"""Figures other people published for these photographs (../shared/assets/calibration/NOTICE.md)."""

import cv2
import numpy as np
import pytest

from rig.calibrate.board import make_board
from rig.calibrate.camera import calibrate_camera
from rig.calibrate.detect import detect
from rig.calibrate.lens import Lens
from rig.calibrate.pose import solve_pose
from rig.calibrate.profile import read_profile
from rig.errors import CalibrationError
from rig.images import read_image

CHESSBOARD = make_board("test", kind="chessboard", squares=(10, 7), square_mm=25.0)


def opencv_lens(path) -> tuple[Lens, cv2.FileStorage]:
    file = cv2.FileStorage(str(path), cv2.FILE_STORAGE_READ)
    matrix, distortion = file.getNode("camera_matrix").mat(), file.getNode("distortion_coefficients").mat().ravel()
    values = [matrix[0, 0], matrix[1, 1], matrix[0, 2], matrix[1, 2], *distortion]
    return Lens(**dict(zip(Lens.model_fields, map(float, values), strict=True))), file


@pytest.fixture(scope="module")
def calibrated(photographs, tmp_path_factory):
    out = tmp_path_factory.mktemp("camera") / "left.toml"
    calibrate_camera(sorted(photographs.glob("left[01]*.jpg")), CHESSBOARD, out)
    return out


def test_thirteen_chessboards_reproduce_the_published_intrinsics(calibrated, photographs):
    profile = read_profile(calibrated)
    published, file = opencv_lens(photographs / "left_intrinsics.yml")
    published_rms_px = file.getNode("avg_reprojection_error").real()
    assert profile.quality.views == 13
    assert profile.quality.rms_px <= 0.45
    assert profile.quality.held_out_rms_px <= 0.45
    # The same views and corners: standard deviations are as the residuals. Theirs holds one view of 1.18 px.
    both = np.hypot(1, published_rms_px / profile.quality.rms_px)
    for name, value in published.model_dump().items():
        deviation = getattr(profile.standard_deviation, name) * both
        assert abs(getattr(profile.lens, name) - value) <= 3 * deviation, name


def test_a_profile_is_refused_at_another_resolution(calibrated):
    assert read_profile(calibrated, (640, 480)).width_px == 640
    with pytest.raises(CalibrationError, match="got 1280 x 720; expected 640 x 480"):
        read_profile(calibrated, (1280, 720))


def test_a_real_charuco_photograph_gives_all_corners_and_a_close_pose(photographs):
    board = make_board("test", squares=(5, 7), square_mm=40.0, marker_mm=20.0, dictionary="6X6_250")
    seen = detect(board, read_image(photographs / "choriginal.jpg"))
    lens, _ = opencv_lens(photographs / "tutorial_camera_charuco.yml")
    assert len(seen.ids) == 24
    assert solve_pose(seen.points_m(board), seen.corners_px, lens)[0].rms_px <= 0.3
