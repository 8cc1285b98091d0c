"""From where a camera sees an object, in the words of trials: the inverse of `rig.geometry.orbit_camera`.

Azimuth, elevation and distance are those of the camera's place in the object frame. Roll is the camera's turn about the
line to the object; an object beside the image centre is first brought there by the smallest turn of the camera.
"""

import math
from dataclasses import dataclass

import numpy as np
from scipy.spatial.transform import Rotation

from rig.contracts import Intrinsics, Transform
from rig.geometry import orbit_camera


@dataclass(frozen=True)
class Angles:
    azimuth_deg: float
    elevation_deg: float
    roll_deg: float
    distance_m: float


def angles_of(object_from_camera: Transform) -> Angles:
    """Of a camera that is not at the object's origin; azimuth and roll within -180 .. 180."""
    x, y, z = place_m = object_from_camera[:3, 3]
    distance_m = float(np.linalg.norm(place_m))
    azimuth_deg = math.degrees(math.atan2(y, x))
    elevation_deg = math.degrees(math.asin(np.clip(z / distance_m, -1, 1)))
    unrolled = orbit_camera(azimuth_deg, elevation_deg, 0, distance_m)[:3, :3]
    turned = unrolled.T @ _centred(object_from_camera[:3, :3], -place_m / distance_m)
    return Angles(azimuth_deg, elevation_deg, math.degrees(math.atan2(turned[1, 0], turned[0, 0])), distance_m)


def _centred(rotation: np.ndarray, towards: np.ndarray) -> np.ndarray:
    """The rotation, then the smallest turn that brings its third axis to `towards` (a unit vector)."""
    forward = rotation[:, 2]
    axis, cosine = np.cross(forward, towards), float(forward @ towards)
    sine = float(np.linalg.norm(axis))
    if sine < 1e-12:
        return rotation
    return Rotation.from_rotvec(axis / sine * math.atan2(sine, cosine)).as_matrix() @ rotation


def field_of_view_deg(camera: Intrinsics) -> float:
    """Vertical."""
    return math.degrees(2 * math.atan(camera.height_px / 2 / camera.fy_px))
