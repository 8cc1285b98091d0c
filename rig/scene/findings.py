"""What is odd about a mesh and its texture, one plain sentence each: for `rig scene check`, and for a run's record."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from rig.contracts import Mesh
from rig.scene.layout import layout_of
from rig.scene.mesh import Part, read_parts
from rig.scene.outward import Edges, is_inside_out, wrong_normals

LEAST_SHARED_FRAC = 0.01  # of the used texels; below it, rounding at the borders of islands
MANY_FACES = 300_000  # beyond which geometry costs more than a small network
FINE_PX, COARSE_PX = 8192, 64  # of a texture's longer side


def texture_findings(mesh: Mesh) -> list[str]:
    """About the UV layout and the texture, as loaded."""
    return [*_shared(mesh), *_size(mesh)]


def _shared(mesh: Mesh) -> Iterator[str]:
    layout = layout_of(mesh)
    shared_frac = layout.shared.sum() / max(1, layout.used.sum())
    if shared_frac > LEAST_SHARED_FRAC:
        yield (
            f"UVs overlap: {shared_frac:.0%} of the used texels are shown by several parts of the object, which change "
            "together; rig scene unwrap MESH --out DIR gives every part its own"
        )


def _size(mesh: Mesh) -> Iterator[str]:
    height, width = mesh.texture.shape[:2]
    if max(height, width) < COARSE_PX:
        yield (
            f"the texture has {width} x {height} texels only: too coarse to paint on; name a larger copy with "
            'texture = "..." in [object]'
        )
    if max(height, width) >= FINE_PX:
        yield f"the texture has {width} x {height} texels; attacks and sweeps work on a smaller one (texture_px)"
    if len(mesh.faces) > MANY_FACES:
        yield f"{len(mesh.faces):,} faces: every view takes long to prepare; a decimated mesh looks the same at model size"


def file_findings(path: Path) -> list[str]:
    """About a mesh file, and what loading it does about it."""
    parts = read_parts(path)
    found = list(_materials(parts))
    if not all(part.has_normals for part in parts):
        found.append("the file has no normals: made from the faces")
    vertices, faces = _stacked(parts)
    if is_inside_out(vertices, faces):
        found.append("the mesh is inside out: all its faces are turned")
        faces = faces[:, ::-1]
    normals = np.concatenate([part.normals for part in parts])
    if n_wrong := int(wrong_normals(vertices, faces, normals).sum()):
        found.append(f"{n_wrong:,} of {len(normals):,} normals are missing or point inwards: made from the faces")
    return [*found, *_edges(Edges(vertices, faces))]


def _stacked(parts: list[Part]) -> tuple[np.ndarray, np.ndarray]:
    starts = np.cumsum([0, *(len(part.geometry.vertices) for part in parts)])
    faces = np.concatenate([part.geometry.faces + start for part, start in zip(parts, starts, strict=False)])
    return np.concatenate([part.geometry.vertices for part in parts]), faces


def _materials(parts: list[Part]) -> Iterator[str]:
    counts = Counter()
    for part in parts:
        counts[part.material] += len(part.geometry.faces)
    if len(counts) == 1:
        return
    said = ", ".join(f"{name} ({n:,} faces)" for name, n in counts.items())
    yield f'{len(counts)} materials, their textures packed into one: {said}; paintable = {{material = "NAME"}} takes one'
    tiled = {part.material for part in parts if _leaves_unit(getattr(part.geometry.visual, "uv", None))}
    if tiled:
        yield f"UVs of {', '.join(sorted(tiled))} lie outside 0 .. 1: a packed texture cannot repeat, so it looks wrong"


def _leaves_unit(uv: np.ndarray | None) -> bool:
    return uv is not None and len(uv) > 0 and bool(np.min(uv) < -1e-3 or np.max(uv) > 1 + 1e-3)


def _edges(edges: Edges) -> Iterator[str]:
    if edges.n_against:
        yield (
            f"{edges.n_against / edges.n:.1%} of the edges join faces of which one is turned over, and is seen from "
            "behind only: recalculate the outside in Blender"
        )
    if edges.n_crowded:
        yield f"not a manifold: {edges.n_crowded:,} edges join more than two faces; it renders, it cannot be printed in 3D"
    if edges.n_open:
        yield f"open: {edges.n_open:,} edges end a sheet, whose back is not drawn"
