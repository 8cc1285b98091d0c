"""Triangles to pixels with OpenCV's rasteriser: float precision, no OpenGL context, bit-equal over threads and repeats.

The one place outside `render`'s pyrender reference that speaks OpenGL's camera convention.
"""

from functools import lru_cache

import cv2
import numpy as np

from rig.contracts import Intrinsics
from rig.geometry import GL_FROM_CV, apply, centered_square_camera


def interpolate(points_camera: np.ndarray, faces: np.ndarray, attributes: np.ndarray, camera: Intrinsics) -> np.ndarray:
    """Perspective-correct (H, W, 3) float32 of three attributes a vertex; zero where nothing is seen.

    Faces that look away from the camera are culled; every vertex must be in front of it.
    """
    points, fov_rad = centered_square_camera(camera, points_camera)
    near_m, far_m = 0.5 * float(points[:, 2].min()), 2 * float(points[:, 2].max())
    image = np.zeros((camera.height_px, camera.width_px, 3), np.float32)
    depth = np.full(image.shape[:2], far_m, np.float32)
    vertices, corners = _columns(apply(GL_FROM_CV, points), np.float32), _columns(faces, np.int32)
    colors = _columns(attributes, np.float32)
    cv2.triangleRasterize(vertices, corners, colors, image, depth, np.eye(4), fov_rad, near_m, far_m, _settings())
    return image


def depth_map(points_camera: np.ndarray, faces: np.ndarray, camera: Intrinsics) -> np.ndarray:
    """(H, W) float32 metres along the camera's axis to the nearest face; far beyond the object where nothing is seen."""
    points, fov_rad = centered_square_camera(camera, points_camera)
    near_m, far_m = 0.5 * float(points[:, 2].min()), 2 * float(points[:, 2].max())
    depth = np.full((camera.height_px, camera.width_px), far_m, np.float32)
    vertices, corners = _columns(apply(GL_FROM_CV, points), np.float32), _columns(faces, np.int32)
    cv2.triangleRasterizeDepth(vertices, corners, depth, np.eye(4), fov_rad, near_m, far_m)
    return depth


def _columns(rows: np.ndarray, dtype: type) -> np.ndarray:
    return np.ascontiguousarray(rows, dtype).reshape(-1, 1, 3)


@lru_cache(maxsize=1)
def _settings() -> "cv2.TriangleRasterizeSettings":
    settings = cv2.TriangleRasterizeSettings()
    settings.setShadingType(cv2.RASTERIZE_SHADING_SHADED)
    settings.setCullingMode(cv2.RASTERIZE_CULLING_CW)
    return settings
