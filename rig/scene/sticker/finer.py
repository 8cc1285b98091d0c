"""A mesh cut finer where a sticker wraps around it: corners of large faces say little about the way between them."""

import dataclasses

import numpy as np

from rig.contracts import Mesh

MOST_ROUNDS = 12  # each halves the edges


def finer(mesh: Mesh, point_m: np.ndarray, within_m: float, longest_m: float) -> Mesh:
    """The same surface and texture; faces within reach of a point cut in four until no edge there is longer."""
    for _ in range(MOST_ROUNDS):
        corners_m = mesh.vertices_m[mesh.faces]
        edges_m = np.linalg.norm(corners_m - np.roll(corners_m, -1, axis=1), axis=2).max(axis=1)
        away_m = np.linalg.norm(corners_m.mean(axis=1) - point_m, axis=1) - edges_m
        cut = (edges_m > longest_m) & (away_m <= within_m)
        if not cut.any():
            break
        mesh = _in_four(mesh, cut)
    return mesh


def _in_four(mesh: Mesh, cut: np.ndarray) -> Mesh:
    a, b, c = mesh.faces[cut].T
    n, m = len(mesh.vertices_m), len(a)
    ab, bc, ca = (np.arange(m) + n + k * m for k in range(3))
    parts = [np.stack(one, axis=1) for one in ((a, ab, ca), (ab, b, bc), (ca, bc, c), (ab, bc, ca))]

    def halfway(values: np.ndarray) -> np.ndarray:
        return np.concatenate([values, *((values[i] + values[j]) / 2 for i, j in ((a, b), (b, c), (c, a)))])

    faces = np.concatenate([mesh.faces[~cut], *parts]).astype(mesh.faces.dtype)
    names = None if mesh.materials is None else np.concatenate([mesh.materials[~cut], *[mesh.materials[cut]] * 4])
    return dataclasses.replace(
        mesh, vertices_m=halfway(mesh.vertices_m), uv=halfway(mesh.uv), normals=halfway(mesh.normals), faces=faces,
        materials=names,
    )  # fmt: skip
