"""Pure maths on contracts. The only file with an axis flip or a half pixel.

World: metres, right-handed, +z up; azimuth counter-clockwise from +x seen from above, elevation up from the horizon.
Camera: +x right, +y down, +z forward (OpenCV). Pixels: integer = pixel centre.
"""

import math

import numpy as np

from rig.contracts import Intrinsics, Transform

GL_FROM_CV = np.diag([1.0, -1.0, -1.0, 1.0])  # OpenGL's camera looks along -z with +y up
WORLD_FROM_Y_UP = np.array([[1.0, 0, 0, 0], [0, 0, -1, 0], [0, 1, 0, 0], [0, 0, 0, 1]])  # glTF and most OBJ files


def intrinsics_from_fov(width_px: int, height_px: int, fov_deg: float) -> Intrinsics:
    """A camera with square pixels and vertical field of view `fov_deg`, its axis through the image centre."""
    focal_px = height_px / 2 / math.tan(math.radians(fov_deg) / 2)
    return Intrinsics(width_px, height_px, focal_px, focal_px, (width_px - 1) / 2, (height_px - 1) / 2)


def orbit_camera(
    azimuth_deg: float,
    elevation_deg: float,
    roll_deg: float,
    distance_m: float,
    offset_m: tuple[float, float] = (0.0, 0.0),
) -> Transform:
    """world_from_camera of a camera that looks at the world origin from a point on a sphere.

    Roll turns the camera about its axis, +x towards +y (the scene appears to turn counter-clockwise).
    `offset_m` moves the origin by that much right and down in the camera's own axes.
    """
    azimuth_rad, elevation_rad, roll_rad = np.radians([azimuth_deg, elevation_deg, roll_deg])
    right = np.array([-np.sin(azimuth_rad), np.cos(azimuth_rad), 0.0])  # defined at the poles, too
    forward = -direction(azimuth_deg, elevation_deg)
    down = np.cross(forward, right)
    rolled_right = np.cos(roll_rad) * right + np.sin(roll_rad) * down
    rolled_down = np.cos(roll_rad) * down - np.sin(roll_rad) * right
    world_from_camera = np.eye(4)
    world_from_camera[:3, :3] = np.stack([rolled_right, rolled_down, forward], axis=1)
    world_from_camera[:3, 3] = -distance_m * forward - offset_m[0] * rolled_right - offset_m[1] * rolled_down
    return world_from_camera


def direction(azimuth_deg: float, elevation_deg: float) -> np.ndarray:
    """Unit vector from the origin towards an azimuth and elevation, in the world frame."""
    azimuth_rad, elevation_rad = np.radians(azimuth_deg), np.radians(elevation_deg)
    horizontal = np.cos(elevation_rad)
    return np.stack(
        [horizontal * np.cos(azimuth_rad), horizontal * np.sin(azimuth_rad), np.sin(elevation_rad)], axis=-1
    )


def invert(into_from_of: Transform) -> Transform:
    """of_from_into of a rigid transform."""
    rotation, translation = into_from_of[:3, :3], into_from_of[:3, 3]
    inverse = np.eye(4)
    inverse[:3, :3] = rotation.T
    inverse[:3, 3] = -rotation.T @ translation
    return inverse


def apply(into_from_of: Transform, points: np.ndarray) -> np.ndarray:
    """Move points (..., 3) from one frame into another."""
    return points @ into_from_of[:3, :3].T + into_from_of[:3, 3]


def project(camera: Intrinsics, points_camera: np.ndarray) -> np.ndarray:
    """Pixels (..., 2) of points (..., 3) in the camera frame."""
    x, y, z = np.moveaxis(points_camera, -1, 0)
    return np.stack([camera.fx_px * x / z + camera.cx_px, camera.fy_px * y / z + camera.cy_px], axis=-1)


def finer_camera(camera: Intrinsics, times: int) -> Intrinsics:
    """The same picture with so many pixels to each side of one."""
    cx_px, cy_px = (times * (centre_px + 0.5) - 0.5 for centre_px in (camera.cx_px, camera.cy_px))
    size_px = times * camera.width_px, times * camera.height_px
    return Intrinsics(*size_px, times * camera.fx_px, times * camera.fy_px, cx_px, cy_px)


def centered_square_camera(camera: Intrinsics, points_camera: np.ndarray) -> tuple[np.ndarray, float]:
    """Points moved so that a camera with square pixels and its axis through the image centre sees `camera`'s image.

    Returns the points (..., 3), still in the OpenCV camera frame, and that plain camera's vertical field of view (rad).
    """
    x, y, z = np.moveaxis(points_camera, -1, 0)
    shift_x_px, shift_y_px = camera.cx_px - (camera.width_px - 1) / 2, camera.cy_px - (camera.height_px - 1) / 2
    sheared_x = (camera.fx_px * x + shift_x_px * z) / camera.fy_px
    sheared = np.stack([sheared_x, y + shift_y_px / camera.fy_px * z, z], axis=-1)
    return sheared, 2 * math.atan(camera.height_px / 2 / camera.fy_px)


def texels_from_uv(uv, width_px, height_px):
    """Texture coordinates (..., 2), v up, to (column, row) texel positions; integers are texel centres, row 0 on top."""
    column = uv[..., 0] * width_px - 0.5
    row = (1 - uv[..., 1]) * height_px - 0.5
    return column, row


def pixel_rays(camera: Intrinsics) -> np.ndarray:
    """(H, W, 3) directions in the camera frame through every pixel's centre, with z = 1."""
    u, v = np.meshgrid(np.arange(camera.width_px), np.arange(camera.height_px))
    return np.stack([(u - camera.cx_px) / camera.fx_px, (v - camera.cy_px) / camera.fy_px, np.ones(u.shape)], axis=-1)


def panorama_pixels(directions: np.ndarray, width_px: int, height_px: int, yaw_deg: float = 0.0) -> np.ndarray:
    """(..., 2) pixels of world directions (..., 3) in an equirectangular image, zenith on top; columns wrap."""
    x, y, z = np.moveaxis(directions, -1, 0)
    azimuth_turns = (np.arctan2(y, x) - math.radians(yaw_deg)) / (2 * math.pi)
    elevation_rad = np.arctan2(z, np.hypot(x, y))
    u = (-azimuth_turns % 1.0) * width_px - 0.5  # azimuth grows counter-clockwise: to the left in the image
    v = (0.5 - elevation_rad / math.pi) * height_px - 0.5
    return np.stack([u, v], axis=-1)
