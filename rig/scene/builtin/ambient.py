"""Soft light baked into a texture: how much of a sky each vertex sees, brighter above than below."""

import cv2
import numpy as np

from rig.contracts import Mesh
from rig.geometry import apply, direction, intrinsics_from_fov, invert, orbit_camera, project
from rig.raster import depth_map

DIRECTIONS = 64
MAP_PX = 160
DISTANCE_M = 40.0  # far enough that the light's rays are nearly parallel
FOV_DEG = 2 * np.degrees(np.arcsin(1.02 / DISTANCE_M))
BIAS_M = 0.02


def ambient_light(mesh: Mesh, from_above: float) -> np.ndarray:
    """Brightness (N,) at the vertices of a mesh in the unit sphere; 1 where a level surface sees the whole upper sky.

    The sky's brightness is 1 + from_above * (sine of the elevation).
    """
    total = np.zeros(len(mesh.vertices_m))
    for azimuth_deg, elevation_deg in _sky():
        towards = direction(azimuth_deg, elevation_deg)
        facing = np.maximum(mesh.normals @ towards, 0)
        seen = _seen(mesh, azimuth_deg, elevation_deg)
        total += facing * seen * (1 + from_above * towards[2])
    full = DIRECTIONS * (1 / 4 + from_above / 6)  # the mean of max(z, 0) (1 + k z) over the sphere
    return total / full


def _sky() -> np.ndarray:
    """(azimuth, elevation) in degrees, evenly over the sphere (a Fibonacci lattice)."""
    i = np.arange(DIRECTIONS)
    return np.stack([(i * 137.50776405) % 360, np.degrees(np.arcsin(1 - (2 * i + 1) / DIRECTIONS))], axis=1)


def _seen(mesh: Mesh, azimuth_deg: float, elevation_deg: float) -> np.ndarray:
    """1 where a vertex (N,) is seen from a direction, 0 where something hides it, by a depth map."""
    camera = intrinsics_from_fov(MAP_PX, MAP_PX, FOV_DEG)
    in_camera = apply(invert(orbit_camera(azimuth_deg, elevation_deg, 0, DISTANCE_M)), mesh.vertices_m)
    columns, rows = project(camera, in_camera).astype(np.float32).T
    nearest = cv2.remap(depth_map(in_camera, mesh.faces, camera), columns, rows, cv2.INTER_LINEAR).ravel()
    return (in_camera[:, 2] < nearest + BIAS_M).astype(float)
