"""Viewpoints beside a viewpoint: everything of a view stays as it was but where the camera stands."""

import dataclasses

import numpy as np
from scipy.spatial.transform import Rotation

from rig.contracts import View
from rig.geometry import direction, orbit_camera


def neighbour(view: View, angle_deg: float, bearing_deg: float) -> View:
    """The view from a camera moved by `angle_deg` on its sphere, about the object's centre.

    Bearing 0 moves it to its own right, 90 up in its own image. The camera turns by that angle and no further: what is
    seen does not also spin, as it would near a pole if roll stayed fixed.
    """
    if angle_deg == 0:
        return view
    turned_deg = turned(*(view.values[name] for name in _ANGLES), angle_deg, bearing_deg)
    values = {**view.values, **dict(zip(_ANGLES, turned_deg, strict=True))}
    return dataclasses.replace(view, id=f"{view.id} +{angle_deg:g} to {bearing_deg:g}", values=values)


_ANGLES = ("azimuth_deg", "elevation_deg", "roll_deg")


def turned(azimuth_deg, elevation_deg, roll_deg, angle_deg, bearing_deg) -> tuple[float, float, float]:
    """(azimuth, elevation, roll) of a camera turned about the world's origin towards a bearing in its own image."""
    axes = orbit_camera(azimuth_deg, elevation_deg, roll_deg, 1.0)[:3, :3]
    right, down, forward = axes.T
    bearing_rad = np.radians(bearing_deg)
    towards = np.cos(bearing_rad) * right - np.sin(bearing_rad) * down
    rotation = Rotation.from_rotvec(np.radians(angle_deg) * np.cross(-forward, towards))
    right, _, forward = rotation.apply(axes.T)
    position = -forward
    azimuth_rad = np.arctan2(position[1], position[0])
    elevation_rad = np.arctan2(position[2], np.hypot(position[0], position[1]))
    level_right = np.array([-np.sin(azimuth_rad), np.cos(azimuth_rad), 0.0])
    roll_rad = np.arctan2(right @ np.cross(forward, level_right), right @ level_right)
    return tuple(float(angle) for angle in np.degrees([azimuth_rad, elevation_rad, roll_rad]))


def ring(view: View, angle_deg: float, bearings_deg: np.ndarray) -> list[View]:
    """The view's neighbours at one angle; at 0 there is only the view itself."""
    return [view] if angle_deg == 0 else [neighbour(view, angle_deg, float(bearing)) for bearing in bearings_deg]


def angle_between_deg(a: View, b: View) -> float:
    """Great-circle angle between where two cameras stand."""
    towards = [direction(view.values["azimuth_deg"], view.values["elevation_deg"]) for view in (a, b)]
    return float(np.degrees(np.arctan2(np.linalg.norm(np.cross(*towards)), np.dot(*towards))))
