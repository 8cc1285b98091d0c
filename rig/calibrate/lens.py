"""A lens in numbers."""

from typing import Annotated

import cv2
import numpy as np
from pydantic import Field

from rig.contracts import Transform
from rig.settings import Section

Finite = Annotated[float, Field(allow_inf_nan=False)]


class Lens(Section):
    """Pinhole and Brown distortion (OpenCV's first five coefficients), or each one's standard deviation."""

    fx_px: Finite
    fy_px: Finite
    cx_px: Finite
    cy_px: Finite
    k1: Finite = 0.0
    k2: Finite = 0.0
    p1: Finite = 0.0
    p2: Finite = 0.0
    k3: Finite = 0.0

    @property
    def matrix(self) -> np.ndarray:
        return np.array([[self.fx_px, 0, self.cx_px], [0, self.fy_px, self.cy_px], [0, 0, 1]])

    @property
    def distortion(self) -> np.ndarray:
        return np.array([self.k1, self.k2, self.p1, self.p2, self.k3])

    def project(self, points: np.ndarray, camera_from: Transform) -> np.ndarray:
        """(N, 2) pixels of points (N, 3), which `camera_from` brings into the camera frame."""
        rvec = cv2.Rodrigues(camera_from[:3, :3])[0]
        points = np.ascontiguousarray(points, dtype=np.float64)
        return cv2.projectPoints(points, rvec, camera_from[:3, 3], self.matrix, self.distortion)[0].reshape(-1, 2)
