"""Meshes in light: what the sensor receives of them, through `rig.render`'s rasteriser and texture lookup.

All in linear light, textures too: unlike the renderer of sweeps, which filters colours as stored, this is a camera.
"""

from dataclasses import dataclass, replace

import cv2
import numpy as np
import torch
import trimesh

from rig.contracts import Intrinsics, Mesh, Transform
from rig.geometry import apply, finer_camera, project
from rig.images import srgb_to_linear
from rig.lab.optics import Optics
from rig.render.gbuffer import MAX_LOD, rasterize
from rig.render.texture import MipAtlas

BORDER_PX = 2  # beyond the outermost vertices
SOFTER_LOD = 0.5  # the texels mixed span a whole pixel: without, edges alias, and corners are found 0.15 px off
MAX_FACES = 400_000
TILE = 2 ** int(MAX_LOD)  # texels: sides that are whole multiples stay aligned on every mip level


@dataclass(frozen=True)
class Lamp:
    """`towards` is a unit vector in the camera frame."""

    ambient: float
    directional: float
    towards: np.ndarray


class Surface:
    """A mesh and its reflectance (H, W, 3), linear, laid over its texture coordinates.

    Faces are cut until no edge is longer than `max_edge_m`, for straight edges to follow the lens's bend.
    `samples` a pixel's side: more than one smooths silhouettes.
    """

    def __init__(self, mesh: Mesh, reflectance: np.ndarray, max_edge_m: float, samples: int = 1):
        self.mesh, self._samples = _with_small_faces(mesh, max_edge_m), samples
        self._flat = bool((mesh.normals == mesh.normals[0]).all())
        self._atlas = MipAtlas(torch.from_numpy(np.ascontiguousarray(reflectance.transpose(2, 0, 1), np.float32)))

    def shine(self, canvas: np.ndarray, optics: Optics, camera_from_surface: Transform, lamp: Lamp) -> None:
        """Paint the light it reflects over `canvas` (H, W, 3). What is painted later is in front."""
        points, seen = optics.bend(apply(camera_from_surface, self.mesh.vertices_m))
        faces = self.mesh.faces[seen[self.mesh.faces].all(axis=1)]
        window, near = _window(optics.camera, points[seen])
        if not len(faces) or min(near.width_px, near.height_px) <= 0:
            return
        coarse, near = (near.width_px, near.height_px), finer_camera(near, self._samples)
        seen = rasterize(replace(self.mesh, vertices_m=points, faces=faces), near, np.eye(4), normals=not self._flat)
        reflected = self._atlas.sample(torch.from_numpy(seen.uv), torch.from_numpy(seen.lod + SOFTER_LOD)).numpy()
        received = self._received(seen.normals, camera_from_surface, lamp)
        fine = cv2.resize(canvas[window], (near.width_px, near.height_px), interpolation=cv2.INTER_NEAREST)
        fine.reshape(-1, 3)[seen.pixels] = reflected * received[:, None]
        canvas[window] = fine if self._samples == 1 else cv2.resize(fine, coarse, interpolation=cv2.INTER_AREA)

    def _received(self, normals: np.ndarray | None, camera_from_surface: Transform, lamp: Lamp) -> np.ndarray:
        """(P,) light at the pixels of these normals, or (1,) all over a flat surface."""
        to_lamp = (camera_from_surface[:3, :3].T @ lamp.towards).astype(np.float32)
        facing = (self.mesh.normals[:1].astype(np.float32) if normals is None else normals) @ to_lamp
        return lamp.ambient + lamp.directional * np.clip(facing, 0, None)


def _window(camera: Intrinsics, points_camera: np.ndarray) -> tuple[tuple[slice, slice], Intrinsics]:
    """The part of the picture that these points span, as a camera of its own."""
    if not len(points_camera):
        return (slice(0), slice(0)), replace(camera, width_px=0, height_px=0)
    pixels = project(camera, points_camera)
    low = np.maximum(np.floor(pixels.min(axis=0)) - BORDER_PX, 0).astype(int)
    high = np.minimum(np.ceil(pixels.max(axis=0)) + BORDER_PX + 1, [camera.width_px, camera.height_px]).astype(int)
    width_px, height_px = (int(side) for side in high - low)
    near = Intrinsics(width_px, height_px, camera.fx_px, camera.fy_px, camera.cx_px - low[0], camera.cy_px - low[1])
    return (slice(low[1], high[1]), slice(low[0], high[0])), near


def _with_small_faces(mesh: Mesh, max_edge_m: float) -> Mesh:
    """The same surface, every face cut into four until edges are short."""
    while _longest_edge_m(mesh) > max_edge_m and 4 * len(mesh.faces) <= MAX_FACES:
        vertices_m, faces, along = trimesh.remesh.subdivide(
            mesh.vertices_m, mesh.faces, vertex_attributes={"uv": mesh.uv, "normals": mesh.normals}
        )
        mesh = replace(mesh, vertices_m=vertices_m, faces=faces.astype(np.int32), **along)
    return mesh


def _longest_edge_m(mesh: Mesh) -> float:
    corners = mesh.vertices_m[mesh.faces]
    return float(np.linalg.norm(corners - np.roll(corners, 1, axis=1), axis=2).max())


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
