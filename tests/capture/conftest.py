"""A camera profile whose numbers are known, a board, photographs of it, and sessions of them."""

import functools
import sys
from datetime import UTC, datetime
from pathlib import Path

import cv2
import numpy as np
import pytest

import rig
from rig.calibrate.board import make_board
from rig.calibrate.lens import Lens
from rig.calibrate.profile import CameraProfile, Quality
from rig.calibrate.simulated import SimulatedCamera, photograph, pose_of, print_of, rays_of
from rig.capture.record import CameraRecord, Pass, rows_of
from rig.capture.session import new_header

sys.path.insert(0, str(Path(__file__).parent))  # mjpeg, browser
LENS = Lens(fx_px=612, fy_px=609, cx_px=326, cy_px=235, k1=-0.12, k2=0.06, p1=0.001, p2=-0.0008)
NONE = Lens(fx_px=1, fy_px=1, cx_px=1, cy_px=1)


@pytest.fixture(scope="session")
def board():
    return make_board("test", squares=(8, 11), square_mm=25.0, marker_mm=18.0, dictionary="5X5_100")


@pytest.fixture(scope="session")
def profile(board) -> CameraProfile:
    quality = Quality(rms_px=0.2, held_out_rms_px=0.2, views=10, dropped_views=0, corners=700)
    values = {"date": datetime(2026, 11, 23, tzinfo=UTC), "rig": rig.__version__, "opencv": cv2.__version__}
    lenses = {"lens": LENS, "standard_deviation": NONE, "quality": quality, "board": board, "views": ()}
    return CameraProfile(schema=1, width_px=640, height_px=480, **values, **lenses)


@pytest.fixture(scope="session")
def photograph_at(board):
    """photograph_at(azimuth_deg) -> image, camera_from_board: the board on a turntable, seen from 45 degrees above."""
    rays, printed = rays_of(SimulatedCamera(640, 480, LENS)), print_of(board)

    @functools.cache
    def shoot(azimuth_deg, tilt_deg=45.0, distance_m=0.55, seed=0, blur_px=0.5):
        camera = SimulatedCamera(640, 480, LENS, blur_px=blur_px)
        # Tilt is about a line at right angles to the sight's azimuth, so the camera stands over the board at that azimuth.
        camera_from_board = pose_of(board, tilt_deg, azimuth_deg + 90, 0, np.zeros(2), distance_m)
        rng = np.random.default_rng(seed)
        return photograph(camera, rays, board, printed, camera_from_board, rng), camera_from_board

    return shoot


@pytest.fixture
def header(board, profile):
    return new_header("turtle", None, board, profile)


@pytest.fixture(scope="session")
def one_pass():
    def make(name="clean-1", artefact="clean", board_from_object=np.eye(4)):
        camera = CameraRecord(source="folder", asked={}, got={})
        placed = rows_of(board_from_object)
        return Pass(name=name, artefact=artefact, board_from_object=placed, camera=camera, started=datetime.now(UTC))

    return make


@pytest.fixture
def row_of():
    """What a frame's row says besides its number, for frames that were never looked at."""

    def make(image, pass_name="clean-1", artefact="clean", **changed):
        from rig.images import content_hash

        values = {"time": datetime.now(UTC), "pass": pass_name, "artefact": artefact, "trigger": "key"}
        values |= {"hash": content_hash(image), "n_corners": 0, "pose": None, "no_pose": "no board", "blur_px": None}
        return values | {"mean_frac": 0.5, "over_frac": 0.0, "under_frac": 0.0} | changed

    return make
