"""The smallest sphere around a mesh, at any number of vertices."""

import contextlib
from functools import lru_cache

import numpy as np
import trimesh
from scipy.spatial import QhullError

from rig.scene.builtin.charts import enclosing_centre

FEW_POINTS = 50_000  # beyond which trimesh's way, over all pairs on the hull, takes hours on a smooth surface
ADDED = 64  # points at a time
EXCESS = 1e-3  # of the radius, that a sphere of many points, or of points in a plane, may be too large


def bounding_sphere(points: np.ndarray) -> tuple[np.ndarray, float]:
    """Centre and radius of the sphere around points (N, 3); nothing is outside."""
    center, radius = _sphere_of(points.tobytes(), points.dtype.str)
    return center.copy(), radius


@lru_cache(maxsize=8)
def _sphere_of(points: bytes, dtype: str) -> tuple[np.ndarray, float]:
    """The last few are kept: a run builds its scenes again and again, and this is most of the time it takes."""
    points = np.unique(np.frombuffer(points, dtype).reshape(-1, 3), axis=0)
    if len(points) <= FEW_POINTS and np.ptp(points, axis=0).min() > 0:
        with contextlib.suppress(ValueError, QhullError):  # of points in one plane
            center, radius = trimesh.nsphere.minimum_nsphere(trimesh.PointCloud(points))[:2]
            return np.asarray(center), float(radius)
    return _around_many(points)


def _around_many(points: np.ndarray) -> tuple[np.ndarray, float]:
    """By a few outermost points, and whatever their sphere leaves out."""
    core = points[_extremes(points)]
    while True:
        center = enclosing_centre(core)
        away, radius = np.linalg.norm(points - center, axis=1), np.linalg.norm(core - center, axis=1).max()
        if away.max() <= radius * (1 + EXCESS):
            return center, float(away.max())
        core = np.unique(np.concatenate([core, points[np.argsort(away)[-ADDED:]]]), axis=0)


def _extremes(points: np.ndarray) -> np.ndarray:
    """Indices of the outermost points along axes and diagonals."""
    directions = np.stack(np.meshgrid(*3 * [[-1.0, 0.0, 1.0]]), axis=-1).reshape(-1, 3)
    return np.unique([np.argmax(points @ one) for one in directions])
