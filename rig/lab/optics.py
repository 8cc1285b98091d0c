"""A lens with Brown distortion, without resampling: every vertex is moved to where the lens shows it.

Exact at vertices; between them as good as faces are small (see rig.lab.surface).
"""

import cv2
import numpy as np

from rig.contracts import Intrinsics
from rig.errors import RigError
from rig.lab.settings import LabCamera

UNDISTORT_UNTIL = (cv2.TERM_CRITERIA_EPS + cv2.TERM_CRITERIA_COUNT, 100, 1e-12)
MAX_FOLD_PX = 0.01
BEYOND_FRAME = 1.15  # times the farthest corner's radius; faces that reach farther out are not drawn


class Optics:
    """`camera` is the pinhole camera that sees bent points where the lens shows the true ones."""

    def __init__(self, camera: LabCamera):
        self.lens = lens = camera.lens
        self.camera = Intrinsics(camera.width_px, camera.height_px, lens.fx_px, lens.fy_px, lens.cx_px, lens.cy_px)
        self._blur_px = camera.blur_px
        self._reach = BEYOND_FRAME * _farthest(camera)
        _require_unfolded(camera, self._reach)

    def bend(self, points_camera: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Points (N, 3) at their own depth but where the lens shows them, and which (N,) bool it can show."""
        depth_m = points_camera[:, 2:]
        radius = np.linalg.norm(points_camera[:, :2], axis=1) / np.maximum(depth_m[:, 0], 1e-9)
        seen = (depth_m[:, 0] > 0) & (radius < self._reach)
        pixels = self.lens.project(np.where(seen[:, None], points_camera, [0.0, 0.0, 1.0]), np.eye(4))
        lens = self.lens
        shown = (pixels - [lens.cx_px, lens.cy_px]) / [lens.fx_px, lens.fy_px]
        return np.where(seen[:, None], np.c_[shown * depth_m, depth_m], [0.0, 0.0, 1.0]), seen

    def blurred(self, light: np.ndarray) -> np.ndarray:
        """As a point spreads over the sensor."""
        return cv2.GaussianBlur(light, (0, 0), self._blur_px) if self._blur_px else light


def _farthest(camera: LabCamera) -> float:
    """The largest distance from the axis, on the plane z = 1, that the frame shows."""
    across, down = np.arange(camera.width_px), np.arange(camera.height_px)
    edges = [(across, 0 * across), (across, 0 * across + down[-1]), (0 * down, down), (0 * down + across[-1], down)]
    pixels = np.concatenate([np.stack(edge, axis=-1) for edge in edges]).astype(float)
    lens = camera.lens
    ideal = cv2.undistortPoints(pixels[:, None], lens.matrix, lens.distortion, criteria=UNDISTORT_UNTIL)[:, 0]
    back = lens.project(np.c_[ideal, np.ones(len(ideal))], np.eye(4))
    if not np.abs(back - pixels).max() <= MAX_FOLD_PX:  # NaN, too
        raise _folded()
    return float(np.linalg.norm(ideal, axis=1).max())


def _require_unfolded(camera: LabCamera, reach: float) -> None:
    """Farther from the axis must be farther out in the picture, in every direction."""
    radius, around = np.meshgrid(np.linspace(0, reach, 200), np.linspace(0, 2 * np.pi, 36))
    rays = np.stack([radius * np.cos(around), radius * np.sin(around), np.ones_like(radius)], axis=-1)
    lens = camera.lens
    pixels = lens.project(rays.reshape(-1, 3), np.eye(4)) - [lens.cx_px, lens.cy_px]
    if not (np.diff(np.linalg.norm(pixels, axis=1).reshape(radius.shape), axis=1) > 0).all():
        raise _folded()


def _folded() -> RigError:
    return RigError(
        "the lens folds the picture over", where="lab camera", expected="smaller k1, k2, p1, p2, k3, or a longer focus"
    )
