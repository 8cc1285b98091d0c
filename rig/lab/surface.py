"""Meshes in light: what a pinhole picture of the desk receives, through `rig.render`'s rasteriser and texture lookup.

All in linear light, textures too: unlike the renderer of sweeps, which filters colours as stored, this is a camera.
"""

from dataclasses import dataclass

import numpy as np
import torch

from rig.contracts import Intrinsics, Mesh, Transform
from rig.geometry import apply, invert, project
from rig.images import srgb_to_linear
from rig.render.gbuffer import rasterize
from rig.render.texture import MipAtlas

BORDER_PX = 2  # beyond the outermost vertices


@dataclass(frozen=True)
class Lamp:
    """`towards` is a unit vector in the camera frame."""

    ambient: float
    directional: float
    towards: np.ndarray


class Surface:
    """A mesh and its reflectance (H, W, 3), linear, laid over its texture coordinates."""

    def __init__(self, mesh: Mesh, reflectance: np.ndarray):
        self.mesh = mesh
        self._atlas = MipAtlas(torch.from_numpy(np.ascontiguousarray(reflectance.transpose(2, 0, 1), np.float32)))

    def shine(self, canvas: np.ndarray, camera: Intrinsics, camera_from_surface: Transform, lamp: Lamp) -> None:
        """Paint the light it reflects over `canvas` (H, W, 3). What is painted later is in front."""
        window, near = _window(camera, apply(camera_from_surface, self.mesh.vertices_m))
        if near.width_px <= 0 or near.height_px <= 0:
            return
        seen = rasterize(self.mesh, near, invert(camera_from_surface), normals=True)
        reflected = self._atlas.sample(torch.from_numpy(seen.uv), torch.from_numpy(seen.lod)).numpy()
        to_lamp = (camera_from_surface[:3, :3].T @ lamp.towards).astype(np.float32)
        received = lamp.ambient + lamp.directional * np.clip(seen.normals @ to_lamp, 0, None)
        rows, columns = np.divmod(seen.pixels, near.width_px)
        canvas[window][rows, columns] = reflected * received[:, None]


def _window(camera: Intrinsics, points_camera: np.ndarray) -> tuple[tuple[slice, slice], Intrinsics]:
    """The part of the picture that these points span, as a camera of its own."""
    pixels = project(camera, points_camera)
    low = np.maximum(np.floor(pixels.min(axis=0)) - BORDER_PX, 0).astype(int)
    high = np.minimum(np.ceil(pixels.max(axis=0)) + BORDER_PX + 1, [camera.width_px, camera.height_px]).astype(int)
    width_px, height_px = (int(side) for side in high - low)
    near = Intrinsics(width_px, height_px, camera.fx_px, camera.fy_px, camera.cx_px - low[0], camera.cy_px - low[1])
    return (slice(low[1], high[1]), slice(low[0], high[0])), near


def rectangle(left_m: float, bottom_m: float, right_m: float, top_m: float, texture: np.ndarray) -> Mesh:
    """A sheet in the plane z = 0, its printed side towards +z."""
    corners = np.array([[left_m, bottom_m, 0], [right_m, bottom_m, 0], [right_m, top_m, 0], [left_m, top_m, 0]])
    return Mesh(
        vertices_m=corners,
        faces=np.array([[0, 1, 2], [0, 2, 3]], np.int32),
        uv=np.array([[0.0, 0], [1, 0], [1, 1], [0, 1]]),
        normals=np.tile([0.0, 0, 1], (4, 1)),
        texture=texture,
    )


def linear_of(image: np.ndarray) -> np.ndarray:
    """(H, W, 3) float32 linear light of an 8-bit image."""
    return srgb_to_linear(torch.from_numpy(image.astype(np.float32) / 255)).numpy()
