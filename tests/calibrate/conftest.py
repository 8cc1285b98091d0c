"""Real photographs where ../shared is, and a camera whose every number is known."""

from pathlib import Path

import numpy as np
import pytest

from rig.calibrate.board import make_board
from rig.calibrate.lens import Lens
from rig.calibrate.simulated import SimulatedCamera, photograph, pose_of, print_of, rays_of

SHARED = Path(__file__).parents[3] / "shared" / "assets" / "calibration"
LENS = Lens(fx_px=612, fy_px=609, cx_px=326, cy_px=235, k1=-0.12, k2=0.06, p1=0.001, p2=-0.0008)


@pytest.fixture(scope="session")
def photographs() -> Path:
    if not SHARED.exists():
        pytest.skip(f"needs the real photographs in {SHARED}")
    return SHARED


@pytest.fixture(scope="session")
def board():
    return make_board("test", squares=(8, 11), square_mm=25.0, marker_mm=18.0, dictionary="5X5_100")


@pytest.fixture(scope="session")
def camera() -> SimulatedCamera:
    return SimulatedCamera(640, 480, LENS)


@pytest.fixture(scope="session")
def take(board, camera):
    """take(tilt_deg, towards_deg, roll_deg, centre_ray, distance_m) -> image, camera_from_board."""
    rays, printed = rays_of(camera), print_of(board)

    def shoot(*placed, seed=0):
        camera_from_board = pose_of(board, *placed)
        return photograph(
            camera, rays, board, printed, camera_from_board, np.random.default_rng(seed)
        ), camera_from_board

    return shoot
