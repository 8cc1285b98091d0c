"""A mesh laid out anew, so that no two faces share a texel, with its texture carried over (xatlas)."""

import dataclasses
from pathlib import Path

import cv2
import numpy as np
import trimesh
from PIL import Image
from scipy.ndimage import distance_transform_edt

from rig.contracts import Mesh
from rig.errors import SceneError
from rig.geometry import texels_from_uv
from rig.runs import write_atomically
from rig.scene.layout import drawn_by_face, layout_of
from rig.scene.mesh import read_mesh

PADDING_TEXELS = 4  # between islands
LEAST_TEXELS, MOST_TEXELS = 256, 8192


def unwrap(path: Path, out: Path, texture_path: Path | None = None, size_px: int | None = None) -> tuple[Path, Mesh]:
    """Write `out`/NAME.glb with a square texture of `size_px`, by default as fine as the one it comes from.

    Raises SceneError where the mesh cannot be read or xatlas is not installed.
    """
    mesh = read_mesh(path, texture_path, up="z")  # the file's own axes
    size_px = size_px or int(np.clip(max(mesh.texture.shape[:2]), LEAST_TEXELS, MOST_TEXELS))
    found = laid_out(mesh, size_px)
    target = out / f"{path.stem}.glb"
    content = trimesh.exchange.gltf.export_glb(trimesh.Scene(_solid(found)), include_normals=True)
    return write_atomically(target, lambda partial: partial.write_bytes(content)), found


def laid_out(mesh: Mesh, size_px: int) -> Mesh:
    """The same surface with the same colours on a new layout; vertices are split along its new seams."""
    vertex, faces, uv = _parametrized(mesh, size_px)
    blank = np.zeros((size_px, size_px, 3), np.uint8)
    bare = Mesh(mesh.vertices_m[vertex], faces, uv, mesh.normals[vertex], blank, mesh.materials)
    return dataclasses.replace(bare, texture=_carried_over(mesh.texture, mesh.uv[vertex], bare))


def _parametrized(mesh: Mesh, size_px: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    try:
        import xatlas
    except ImportError as error:
        raise SceneError("unwrapping needs xatlas", hint="pip install 'physical-rig[unwrap]'") from error
    atlas = xatlas.Atlas()
    atlas.add_mesh(mesh.vertices_m.astype(np.float32), mesh.faces.astype(np.uint32))
    packing = xatlas.PackOptions()
    packing.resolution, packing.padding, packing.bilinear = size_px, PADDING_TEXELS, True
    atlas.generate(pack_options=packing)
    if atlas.atlas_count != 1:
        raise SceneError("the islands do not fit on one texture", got=f"{size_px} texels", hint="give a larger --size")
    vertex, faces, uv = atlas[0]
    return vertex, faces.astype(np.int32), uv.astype(float)


def _carried_over(texture: np.ndarray, uv: np.ndarray, new: Mesh) -> np.ndarray:
    """A texture's colours on the new layout, whose vertices had `uv` (N, 2) before; beside islands, the nearest's."""
    corners = np.concatenate([uv, np.ones((len(uv), 1))], axis=1)[new.faces]
    before = drawn_by_face(new, corners, new.texture.shape[:2])[..., :2].astype(float)
    height, width = texture.shape[:2]
    column, row = texels_from_uv(before, width, height)
    padded = np.pad(texture, ((1, 1), (1, 1), (0, 0)), mode="wrap")  # textures repeat
    places = (column % width + 1).astype(np.float32), (row % height + 1).astype(np.float32)
    colors = cv2.remap(padded, *places, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    nearest = distance_transform_edt(~layout_of(new).used, return_distances=False, return_indices=True)
    return colors[tuple(nearest)]


def _solid(mesh: Mesh) -> trimesh.Trimesh:
    material = trimesh.visual.material.PBRMaterial(
        baseColorTexture=Image.fromarray(mesh.texture), metallicFactor=0.0, roughnessFactor=1.0
    )
    visual = trimesh.visual.TextureVisuals(uv=mesh.uv, material=material)
    return trimesh.Trimesh(mesh.vertices_m, mesh.faces, vertex_normals=mesh.normals, visual=visual, process=False)
