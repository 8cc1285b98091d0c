"""A lens with Brown distortion: a wider pinhole picture, bent by one precomputed map."""

import math

import cv2
import numpy as np

from rig.contracts import Intrinsics
from rig.errors import RigError
from rig.geometry import project
from rig.lab.settings import LabCamera

UNDISTORT_UNTIL = (cv2.TERM_CRITERIA_EPS + cv2.TERM_CRITERIA_COUNT, 100, 1e-12)
MAX_FOLD_PX = 0.01
MAX_WIDER = 3.0  # times the frame's side
MARGIN_PX = 2


class Optics:
    """`pinhole` is what has to be rendered; `bend` makes of it what the sensor sees."""

    def __init__(self, camera: LabCamera):
        self._blur_px = camera.blur_px
        rays = _rays(camera)
        self.pinhole = _wide_enough(camera, rays)
        columns, rows = np.moveaxis(project(self.pinhole, rays).astype(np.float32), -1, 0)
        self._map = cv2.convertMaps(columns, rows, cv2.CV_16SC2)

    def bend(self, pinhole_light: np.ndarray) -> np.ndarray:
        """(H, W, 3) float32 linear light on the sensor."""
        seen = cv2.remap(pinhole_light, *self._map, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        return cv2.GaussianBlur(seen, (0, 0), self._blur_px) if self._blur_px else seen


def _rays(camera: LabCamera) -> np.ndarray:
    """(H, W, 3) directions with z = 1 that the lens brings to every pixel's centre."""
    lens = camera.lens
    pixels = np.stack(np.meshgrid(np.arange(camera.width_px), np.arange(camera.height_px)), axis=-1).astype(float)
    flat = pixels.reshape(-1, 1, 2)
    ideal = cv2.undistortPoints(flat, lens.matrix, lens.distortion, criteria=UNDISTORT_UNTIL)
    rays = np.concatenate([ideal[:, 0], np.ones((len(ideal), 1))], axis=1)
    back = lens.project(rays, np.eye(4))
    worst_px = float(np.abs(back - flat[:, 0]).max())
    if not worst_px <= MAX_FOLD_PX:  # NaN, too
        raise RigError("the lens folds the picture over", where="lab camera", got="k1 k2 p1 p2 k3 too large")
    return rays.reshape(*pixels.shape[:2], 3)


def _wide_enough(camera: LabCamera, rays: np.ndarray) -> Intrinsics:
    """The smallest pinhole picture, as fine as the sensor at its centre, that holds all rays."""
    lens = camera.lens
    low_px, high_px = (np.floor(edge) for edge in _extent_px(lens, rays))
    width_px, height_px = (math.ceil(side) + 2 * MARGIN_PX + 1 for side in high_px - low_px)
    if width_px > MAX_WIDER * camera.width_px or height_px > MAX_WIDER * camera.height_px:
        raise RigError("the lens sees too much at the sides", where="lab camera", got=f"{width_px} x {height_px} px")
    centre = np.array([lens.cx_px, lens.cy_px]) - low_px + MARGIN_PX
    return Intrinsics(width_px, height_px, lens.fx_px, lens.fy_px, *centre)


def _extent_px(lens, rays: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    ideal_px = rays[..., :2] * [lens.fx_px, lens.fy_px] + [lens.cx_px, lens.cy_px]
    return ideal_px.min(axis=(0, 1)), ideal_px.max(axis=(0, 1))
