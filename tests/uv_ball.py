"""A ball in a GLB: 620 faces, a layout that follows a grid, a texture of smooth noise."""

import numpy as np
import trimesh
from PIL import Image


def ball(path, change=lambda vertices, faces, uv: (vertices, faces, uv), normals=None, texture_px=64):
    """A UV sphere in a GLB, its layout a grid; `change` spoils it."""
    n = 12
    s, t = np.meshgrid(np.linspace(0, 1, 2 * n + 1), np.linspace(0.02, 0.98, n + 1))
    around, down = 2 * np.pi * s, np.pi * t
    points = np.stack([np.cos(around) * np.sin(down), np.sin(around) * np.sin(down), np.cos(down)], axis=-1)
    vertices, uv = points.reshape(-1, 3).round(6), np.stack([s, 1 - t], axis=-1).reshape(-1, 2)
    a = (np.arange(n)[:, None] * (2 * n + 1) + np.arange(2 * n)).ravel()
    b, c, d = a + 1, a + 2 * n + 2, a + 2 * n + 1
    faces = np.concatenate([np.stack([a, d, c], 1), np.stack([a, c, b], 1)])
    caps = np.array([[0, i, i + 1] for i in range(1, 2 * n - 1)])
    faces = np.concatenate([faces, caps, (len(vertices) - 1) - caps])
    vertices, faces, uv = change(vertices, faces, uv)
    pixels = np.random.default_rng(0).integers(0, 255, (4, 4, 3), np.uint8)
    image = Image.fromarray(pixels).resize((texture_px, texture_px), Image.Resampling.BICUBIC)
    material = trimesh.visual.material.PBRMaterial(baseColorTexture=image, name="skin")
    visual = trimesh.visual.TextureVisuals(uv=uv, material=material)
    solid = trimesh.Trimesh(vertices, faces, visual=visual, process=False, vertex_normals=normals)
    path.write_bytes(trimesh.exchange.gltf.export_glb(trimesh.Scene(solid), include_normals=normals is not None))
    return path
