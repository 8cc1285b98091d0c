"""A real lens for rendered frames: drawn by a pinhole camera that sees a little more, then bent as the lens bends."""

from dataclasses import dataclass

import cv2
import numpy as np

from rig.calibrate.profile import CameraProfile
from rig.contracts import Intrinsics
from rig.errors import CalibrationError

UNDISTORT_UNTIL = (cv2.TERM_CRITERIA_EPS + cv2.TERM_CRITERIA_COUNT, 100, 1e-10)
MAX_FOLD_PX = 0.01  # between a pixel and where the lens shows its ray: more, and the lens folds the picture over
MAX_TIMES = 3.0  # sides of the pinhole's frame over the camera's own: beyond, the lens is no lens


@dataclass(frozen=True, eq=False)
class LensMap:
    """`pinhole` is the camera without distortion, its frame moved by whole pixels to hold all that the lens shows."""

    pinhole: Intrinsics
    pixels: np.ndarray  # (H, W, 2) float32, where in the pinhole's frame each of the camera's pixels looks

    def bend(self, image: np.ndarray) -> np.ndarray:
        """(H, W, C) frame of the camera, from the pinhole's; uint8 or float32."""
        return cv2.remap(image, self.pixels, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)

    def straight(self, row: int, column: int) -> tuple[float, float, float]:
        """Row and column in the pinhole's frame of what a pixel of the camera sees, and how many times as wide it is there."""
        u, v = map(float, self.pixels[row, column])
        steps = np.stack([self._step(row, column, axis) for axis in (0, 1)])
        return v, u, float(np.sqrt(abs(np.linalg.det(steps))))

    def _step(self, row: int, column: int, axis: int) -> np.ndarray:
        """(2,) from one pixel to the next of its row or column, about this one."""
        place, most = (row, column)[axis], self.pixels.shape[axis] - 1
        low, high = max(place - 1, 0), min(place + 1, most)
        line = self.pixels[:, column] if axis == 0 else self.pixels[row]
        return (line[high] - line[low]).astype(np.float64) / max(high - low, 1)


def lens_map(profile: CameraProfile) -> LensMap:
    """Raises CalibrationError where the lens cannot be undone over its frame."""
    lens, width, height = profile.lens, profile.width_px, profile.height_px
    pixels = np.stack(np.meshgrid(np.arange(width), np.arange(height)), axis=-1).reshape(-1, 1, 2).astype(np.float64)
    ideal = cv2.undistortPoints(pixels, lens.matrix, lens.distortion, criteria=UNDISTORT_UNTIL)[:, 0]
    back = lens.project(np.c_[ideal, np.ones(len(ideal))], np.eye(4))
    if not np.abs(back - pixels[:, 0]).max() <= MAX_FOLD_PX:  # NaN, too
        raise CalibrationError("the profile's distortion cannot be undone over its frame", hint="calibrate again")
    straight = ideal * [lens.fx_px, lens.fy_px] + [lens.cx_px, lens.cy_px]
    low, high = np.floor(straight.min(axis=0) - 0.01), np.ceil(straight.max(axis=0) + 0.01)
    size = high - low + 1
    if not (size <= MAX_TIMES * np.array([width, height])).all():
        got = f"a pinhole frame of {size[0]:.0f} x {size[1]:.0f} for {width} x {height} pixels"
        raise CalibrationError("the profile's distortion is too strong to render through", got=got)
    pinhole = Intrinsics(int(size[0]), int(size[1]), lens.fx_px, lens.fy_px, lens.cx_px - low[0], lens.cy_px - low[1])
    return LensMap(pinhole, (straight - low).reshape(height, width, 2).astype(np.float32))
