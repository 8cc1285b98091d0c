"""Meshes and textures from OBJ, GLB and PLY files, and from code."""

from pathlib import Path

import numpy as np
import trimesh

from rig.contracts import Mesh
from rig.errors import SceneError
from rig.geometry import WORLD_FROM_Y_UP, apply
from rig.images import read_image

MESH_SUFFIXES = (".obj", ".glb", ".gltf", ".ply")


def read_mesh(path: Path, texture_path: Path | None = None, up: str = "y") -> Mesh:
    """A textured triangle mesh in the object frame (+z up), in the file's own length unit.

    Raises SceneError when the file is missing, broken, empty, without UVs, or has no texture of its own
    and `texture_path` is None.
    """
    geometry = _load(path)
    uv = getattr(geometry.visual, "uv", None)
    if uv is None or len(uv) != len(geometry.vertices):
        raise SceneError("mesh has no UV coordinates", where=path, hint="unwrap it, in Blender or with xatlas")
    if not (np.isfinite(geometry.vertices).all() and np.isfinite(uv).all()):
        raise SceneError("mesh has vertices or UVs that are not finite numbers", where=path)
    texture = read_image(texture_path) if texture_path else _own_texture(geometry, path)
    into_z_up = WORLD_FROM_Y_UP if up == "y" else np.eye(4)
    return Mesh(
        vertices_m=apply(into_z_up, np.asarray(geometry.vertices, float)),
        faces=np.asarray(geometry.faces, np.int32),
        uv=np.asarray(uv, float),
        normals=np.asarray(geometry.vertex_normals, float) @ into_z_up[:3, :3].T,
        texture=texture,
    )


def _load(path: Path) -> trimesh.Trimesh:
    if path.suffix.lower() not in MESH_SUFFIXES:
        raise SceneError("not a mesh file", where=path, expected=" ".join(MESH_SUFFIXES))
    if not path.is_file():
        raise SceneError("mesh file not found", where=path)
    try:
        geometry = trimesh.load_mesh(path)
        if isinstance(geometry, trimesh.Scene):
            geometry = geometry.to_mesh()
    except Exception as error:  # trimesh's loaders raise whatever a broken file makes them trip over
        raise SceneError(f"cannot load the mesh ({type(error).__name__}: {error})", where=path) from error
    if not isinstance(geometry, trimesh.Trimesh) or len(geometry.faces) == 0:
        raise SceneError("mesh has no triangles", where=path)
    return geometry


def _own_texture(geometry: trimesh.Trimesh, path: Path) -> np.ndarray:
    material = getattr(geometry.visual, "material", None)
    image = getattr(material, "baseColorTexture", None) or getattr(material, "image", None)
    if image is None:
        raise SceneError("mesh has no texture image", where=path, hint='name one with texture = "..." in [object]')
    return np.asarray(image.convert("RGB"))


def normalized(mesh: Mesh, radius_m: float) -> Mesh:
    """The mesh moved and scaled so that its bounding sphere is centred at the origin with `radius_m`."""
    sphere = trimesh.nsphere.minimum_nsphere(trimesh.PointCloud(np.unique(mesh.vertices_m, axis=0)))
    center, radius = np.asarray(sphere[0]), float(sphere[1])
    if not radius > 0:
        raise SceneError("mesh has no extent")
    vertices_m = (mesh.vertices_m - center) * (radius_m / radius)
    return Mesh(vertices_m, mesh.faces, mesh.uv, mesh.normals, mesh.texture)
