"""Photographs of a board by a camera whose every number is known: the second road of calibration and pose.

Nothing here asks OpenCV about lenses: distortion and its inverse are written out, and the light of every pixel is the
mean of a fine grid of rays sent to the board's plane.
"""

from dataclasses import dataclass

import cv2
import numpy as np

from rig.calibrate.board import Board
from rig.calibrate.layout import pattern_mm
from rig.calibrate.lens import Lens
from rig.contracts import Transform
from rig.geometry import invert

PX_PER_MM = 4
WHITE_MM = 10.0  # paper around the pattern
GREY = 110.0  # the room behind the board
PAPER, INK = 215.0, 35.0  # 8-bit values
RAYS = 3  # a pixel's side
BLOCK = 4096  # points


@dataclass(frozen=True)
class SimulatedCamera:
    width_px: int
    height_px: int
    lens: Lens
    noise_std: float = 0.01  # of the full scale
    blur_px: float = 0.5  # standard deviation of the optics' point spread


def distort(lens: Lens, ideal: np.ndarray) -> np.ndarray:
    """Brown's distortion of points (..., 2) on the plane z = 1."""
    return np.stack(_distorted(lens, ideal[..., 0], ideal[..., 1]), axis=-1)


def _distorted(lens: Lens, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    r2 = x * x + y * y
    radial = 1 + r2 * (lens.k1 + r2 * (lens.k2 + r2 * lens.k3))
    along_x = x * radial + 2 * lens.p1 * x * y + lens.p2 * (r2 + 2 * x * x)
    along_y = y * radial + lens.p1 * (r2 + 2 * y * y) + 2 * lens.p2 * x * y
    return along_x, along_y


def undistort(lens: Lens, distorted: np.ndarray, steps: int = 25) -> np.ndarray:
    """The points that `distort` brings to these, by fixed-point iteration: a block at a time, which the cache holds."""
    ideal = distorted.reshape(-1, 2).copy()
    for start in range(0, len(ideal), BLOCK):
        block = ideal[start : start + BLOCK]
        to_x, to_y = block.T.copy()
        x, y = to_x.copy(), to_y.copy()
        for _ in range(steps):
            got_x, got_y = _distorted(lens, x, y)
            x += to_x - got_x
            y += to_y - got_y
        block[:, 0], block[:, 1] = x, y
    return ideal.reshape(distorted.shape)


def rays_of(camera: SimulatedCamera) -> np.ndarray:
    """(RAYS H, RAYS W, 2) directions on the plane z = 1, RAYS x RAYS to a pixel, spread evenly about its centre."""
    u, v = (
        (np.arange(side * RAYS) + 0.5) / RAYS - 0.5  # integers are pixel centres
        for side in (camera.width_px, camera.height_px)
    )
    lens = camera.lens
    x, y = np.meshgrid((u - lens.cx_px) / lens.fx_px, (v - lens.cy_px) / lens.fy_px)
    return undistort(lens, np.stack([x, y], axis=-1))


def print_of(board: Board) -> np.ndarray:
    """(H, W) float32 picture of the printed board with white around it, PX_PER_MM pixels a millimetre."""
    width_mm, height_mm = (side + 2 * WHITE_MM for side in board.size_mm)
    fine = 2 * PX_PER_MM  # drawn twice as fine, then averaged: edges between pixels become grey
    page = np.full((round(height_mm * fine), round(width_mm * fine)), PAPER, np.float32)
    for left, top, width, height in pattern_mm(board):
        rows, columns = (
            (round((WHITE_MM + a) * fine), round((WHITE_MM + a + b) * fine)) for a, b in ((top, height), (left, width))
        )
        page[slice(*rows), slice(*columns)] = INK
    return _block_mean(page, 2)


def photograph(
    camera: SimulatedCamera, rays: np.ndarray, board: Board, printed: np.ndarray, camera_from_board: Transform, rng
) -> np.ndarray:
    """(H, W, 3) uint8 image of the board at a pose. `rays` from `rays_of`, `printed` from `print_of`."""
    board_from_camera = invert(camera_from_board)
    directions = rays @ board_from_camera[:3, :2].T + board_from_camera[:3, 2]
    reach = -board_from_camera[2, 3] / directions[..., 2]
    x_m, y_m = (board_from_camera[axis, 3] + reach * directions[..., axis] for axis in (0, 1))
    column = (1000 * x_m + WHITE_MM) * PX_PER_MM - 0.5
    row = (board.size_mm[1] - 1000 * y_m + WHITE_MM) * PX_PER_MM - 0.5
    column[reach <= 0] = -1e6  # the plane is behind the camera
    seen = cv2.remap(
        printed,
        np.clip(column, -1e4, 3e4).astype(np.float32),
        np.clip(row, -1e4, 3e4).astype(np.float32),
        cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_CONSTANT,
        borderValue=GREY,
    )
    light = _block_mean(seen, RAYS)
    if camera.blur_px:
        light = cv2.GaussianBlur(light, (0, 0), camera.blur_px)
    noisy = light + rng.normal(0, 255 * camera.noise_std, light.shape)
    return np.repeat(np.clip(np.rint(noisy), 0, 255).astype(np.uint8)[:, :, None], 3, axis=2)


def _block_mean(picture: np.ndarray, side: int) -> np.ndarray:
    height, width = picture.shape[0] // side, picture.shape[1] // side
    blocks = picture[: height * side, : width * side].reshape(height, side, width, side)
    return blocks.mean(axis=(1, 3), dtype=np.float32)


def pose_of(
    board: Board, tilt_deg: float, towards_deg: float, roll_deg: float, centre_ray: np.ndarray, distance_m: float
) -> Transform:
    """camera_from_board of a board whose middle lies along `centre_ray` (2,), `distance_m` deep.

    Untilted and unrolled, the board is upright and parallel to the image. Tilt turns it about a line in its own plane,
    at `towards_deg` from its +x; roll turns it in its plane.
    """
    upright = np.diag([1.0, -1.0, -1.0])  # board +y is up, +z towards the camera
    about = np.radians(towards_deg)
    axis = np.array([np.cos(about), np.sin(about), 0.0])
    tilt, roll = (cv2.Rodrigues(vector)[0] for vector in (np.radians(tilt_deg) * axis, np.radians([0, 0, roll_deg])))
    camera_from_board = np.eye(4)
    camera_from_board[:3, :3] = upright @ tilt @ roll
    middle_m = np.array([*board.size_mm, 0.0]) / 2000
    centre_m = distance_m * np.array([*centre_ray, 1.0])
    camera_from_board[:3, 3] = centre_m - camera_from_board[:3, :3] @ middle_m
    return camera_from_board
