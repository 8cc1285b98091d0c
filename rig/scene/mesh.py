"""Meshes and textures from OBJ, GLB and PLY files, and from code."""

import dataclasses
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import trimesh

from rig.contracts import Mesh
from rig.errors import SceneError
from rig.geometry import WORLD_FROM_Y_UP, apply
from rig.images import read_image
from rig.scene.bounding import bounding_sphere
from rig.scene.outward import outward_faces, outward_normals

MESH_SUFFIXES = (".obj", ".glb", ".gltf", ".ply")
MOST_FACES = 4_000_000


def read_mesh(path: Path, texture_path: Path | None = None, up: str = "y") -> Mesh:
    """A textured triangle mesh in the object frame (+z up), in the file's own length unit.

    Closed meshes that are inside out are turned, and normals that are missing or point inwards are made anew
    (`rig.scene.findings` says so). Raises SceneError when the file is missing, broken, empty, too large, without UVs, or
    has no texture of its own and `texture_path` is None.
    """
    parts = read_parts(path)
    geometry = trimesh.util.concatenate([part.geometry for part in parts])  # packs the textures of several materials
    uv = getattr(geometry.visual, "uv", None)
    if uv is None or len(uv) != len(geometry.vertices):
        raise SceneError("mesh has no UV coordinates", where=path, hint="unwrap it: rig scene unwrap MESH --out DIR")
    if not (np.isfinite(geometry.vertices).all() and np.isfinite(uv).all()):
        raise SceneError("mesh has vertices or UVs that are not finite numbers", where=path)
    texture = read_image(texture_path) if texture_path else own_texture(geometry, path)
    into_z_up = WORLD_FROM_Y_UP if up == "y" else np.eye(4)
    vertices = np.asarray(geometry.vertices, float)
    faces = outward_faces(vertices, np.asarray(geometry.faces, np.int32))
    normals = outward_normals(vertices, faces, np.concatenate([part.normals for part in parts]))
    return Mesh(
        vertices_m=apply(into_z_up, vertices),
        faces=faces,
        uv=np.asarray(uv, float),
        normals=normals @ into_z_up[:3, :3].T,
        texture=texture,
        materials=np.concatenate([np.full(len(part.geometry.faces), part.material) for part in parts]),
    )


@dataclass(frozen=True)
class Part:
    """One mesh of a file, in place, with one material."""

    material: str
    geometry: trimesh.Trimesh
    normals: np.ndarray  # (N, 3) as the file gives them; made from the faces where it gives none
    has_normals: bool


def read_parts(path: Path) -> list[Part]:
    """What a file holds, as it says it. Raises SceneError where that is no mesh, or too much of one."""
    if path.suffix.lower() not in MESH_SUFFIXES:
        raise SceneError("not a mesh file", where=path, expected=" ".join(MESH_SUFFIXES))
    if not path.is_file():
        raise SceneError("mesh file not found", where=path)
    try:
        parts = _parts(trimesh.load_scene(path))
    except Exception as error:  # trimesh's loaders raise whatever a broken file makes them trip over
        raise SceneError(f"cannot load the mesh ({type(error).__name__}: {error})", where=path) from error
    n_faces = sum(len(part.geometry.faces) for part in parts)
    if n_faces == 0:
        raise SceneError("mesh has no triangles", where=path)
    if n_faces > MOST_FACES:
        got, expected = f"{n_faces:,} faces", f"at most {MOST_FACES:,}"
        raise SceneError("mesh is too large", where=path, got=got, expected=expected, hint="decimate it, in Blender")
    return parts


def _parts(scene: trimesh.Scene) -> list[Part]:
    """trimesh's own `dump` drops the file's normals."""
    found = []
    for node in scene.graph.nodes_geometry:
        scene_from_part, name = scene.graph[node]
        given = scene.geometry[name]
        if not isinstance(given, trimesh.Trimesh):
            continue
        has_normals = "vertex_normals" in given._cache  # loaders put them there; otherwise they are made when asked for
        geometry = given.copy().apply_transform(scene_from_part)
        kept = np.asarray(given.vertex_normals, float) @ np.linalg.inv(scene_from_part[:3, :3])
        normals = kept if has_normals else np.asarray(geometry.vertex_normals, float)
        material = getattr(getattr(given.visual, "material", None), "name", None) or "unnamed"
        found.append(Part(str(material), geometry, normals, has_normals))
    return found


def own_texture(geometry: trimesh.Trimesh, path: Path) -> np.ndarray:
    material = getattr(geometry.visual, "material", None)
    image = getattr(material, "baseColorTexture", None) or getattr(material, "image", None)
    if image is None:
        raise SceneError("mesh has no texture image", where=path, hint='name one with texture = "..." in [object]')
    return np.asarray(image.convert("RGB"))


def normalized(mesh: Mesh, radius_m: float) -> Mesh:
    """The mesh moved and scaled so that its bounding sphere is centred at the origin with `radius_m`."""
    center, radius = bounding_sphere(mesh.vertices_m)
    if not radius > 0:
        raise SceneError("mesh has no extent")
    return dataclasses.replace(mesh, vertices_m=(mesh.vertices_m - center) * (radius_m / radius))
