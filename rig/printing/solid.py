"""The painted object as files for 3D colour printing, at a stated size."""

import numpy as np
import trimesh
from PIL import Image
from trimesh.exchange.gltf import export_glb
from trimesh.exchange.obj import export_obj
from trimesh.visual.material import PBRMaterial, SimpleMaterial
from trimesh.visual.texture import TextureVisuals

from rig.contracts import Mesh
from rig.geometry import WORLD_FROM_Y_UP, apply, invert

MM_PER_M = 1000.0


def longest_side_m(mesh: Mesh) -> float:
    """Of the box along the object's axes."""
    return float(np.ptp(mesh.vertices_m, axis=0).max())


def glb_of(mesh: Mesh, texture: np.ndarray, size_mm: float) -> bytes:
    """glTF's unit is the metre, its +y is up. `size_mm` is the longest side."""
    image = Image.fromarray(texture)
    material = PBRMaterial(baseColorTexture=image, metallicFactor=0.0, roughnessFactor=1.0)
    scale = size_mm / MM_PER_M / longest_side_m(mesh)
    return export_glb(trimesh.Scene(_solid(mesh, material, scale)), include_normals=True)


def obj_of(mesh: Mesh, texture: np.ndarray, size_mm: float, name: str) -> dict[str, bytes]:
    """name.obj with its material and texture. OBJ has no unit: millimetres, as printers read it; +y is up."""
    material = SimpleMaterial(image=Image.fromarray(texture), name=name, diffuse=[255] * 3, ambient=[255] * 3)
    solid = _solid(mesh, material, size_mm / longest_side_m(mesh))
    header = f"millimetres; longest side {size_mm:g} mm"
    text, beside = export_obj(
        solid, include_normals=True, return_texture=True, mtl_name=f"{name}.mtl", header=header, digits=6
    )
    return {f"{name}.obj": text.encode(), **beside}


def _solid(mesh: Mesh, material, scale: float) -> trimesh.Trimesh:
    y_up_from_object = invert(WORLD_FROM_Y_UP)
    return trimesh.Trimesh(
        vertices=apply(y_up_from_object, mesh.vertices_m) * scale,
        faces=mesh.faces,
        vertex_normals=mesh.normals @ y_up_from_object[:3, :3].T,
        visual=TextureVisuals(uv=mesh.uv, material=material),
        process=False,
    )
