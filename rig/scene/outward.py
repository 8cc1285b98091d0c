"""Which side of a mesh is outside: faces that run the wrong way, normals that point inwards, edges that do not fit."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

SAME_PLACE = 1e-6  # of the mesh's extent
LEAST_LENGTH = 1e-6  # of a normal that says anything


def outward_faces(vertices: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """The faces, all of them turned where they enclose a space and look into it: only fronts are drawn."""
    return faces[:, ::-1].copy() if is_inside_out(vertices, faces) else faces


def is_inside_out(vertices: np.ndarray, faces: np.ndarray) -> bool:
    """Of closed meshes only: a sheet has no outside."""
    return _volume(vertices, faces) < 0 and Edges(vertices, faces).is_closed


def _volume(vertices: np.ndarray, faces: np.ndarray) -> float:
    a, b, c = np.moveaxis(vertices[faces] - vertices.mean(axis=0), 1, 0)
    return float(np.einsum("fi,fi->", a, np.cross(b, c)) / 6)


def outward_normals(vertices: np.ndarray, faces: np.ndarray, normals: np.ndarray) -> np.ndarray:
    """Unit normals (N, 3); the mean of a vertex's faces where the given one is none or points inwards."""
    wrong, from_faces = _wrong(vertices, faces, normals)
    found = np.where(wrong[:, None], from_faces, normals)
    return found / np.maximum(np.linalg.norm(found, axis=1, keepdims=True), LEAST_LENGTH)


def wrong_normals(vertices: np.ndarray, faces: np.ndarray, normals: np.ndarray) -> np.ndarray:
    """(N,) bool: not finite, without length, or against the faces of its vertex."""
    return _wrong(vertices, faces, normals)[0]


def _wrong(vertices: np.ndarray, faces: np.ndarray, normals: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    a, b, c = np.moveaxis(vertices[faces], 1, 0)
    of_face = np.cross(b - a, c - a)
    from_faces = np.stack(
        [np.bincount(faces.ravel(), np.repeat(of_face[:, axis], 3), len(vertices)) for axis in range(3)], axis=1
    )
    length = np.linalg.norm(normals, axis=1)
    told = np.isfinite(normals).all(axis=1) & (length > LEAST_LENGTH)
    against = np.einsum("ni,ni->n", np.where(told[:, None], normals, 0.0), from_faces) < 0
    used = np.linalg.norm(from_faces, axis=1) > 0
    return used & (~told | against), from_faces


@dataclass(frozen=True, eq=False)
class Edges:
    """Edges between places: vertices that a UV seam split count as one."""

    vertices: np.ndarray
    faces: np.ndarray

    @cached_property
    def _counted(self) -> tuple[np.ndarray, np.ndarray]:
        """Of each edge, how often faces run along it one way and the other."""
        scale = np.ptp(self.vertices, axis=0).max() * SAME_PLACE
        rounded = np.rint(self.vertices / max(scale, 1e-300))
        _, place = np.unique(rounded.astype(np.int64), axis=0, return_inverse=True)
        corners = place.reshape(-1)[self.faces]
        start, end = corners.ravel(), np.roll(corners, -1, axis=1).ravel()
        some = start != end  # faces without area have such
        low, high = np.minimum(start, end)[some].astype(np.int64), np.maximum(start, end)[some]
        _, edge = np.unique(low * (corners.max() + 1) + high, return_inverse=True)
        forwards = np.bincount(edge, start[some] < end[some])
        return forwards, np.bincount(edge) - forwards

    @property
    def is_closed(self) -> bool:
        """As many faces one way as the other, everywhere."""
        forwards, backwards = self._counted
        return bool((forwards == backwards).all())

    @property
    def n(self) -> int:
        return len(self._counted[0])

    @property
    def n_open(self) -> int:
        return int((sum(self._counted) == 1).sum())

    @property
    def n_crowded(self) -> int:
        """Between more than two faces."""
        return int((sum(self._counted) > 2).sum())

    @property
    def n_against(self) -> int:
        """Between two faces of which one is turned over."""
        forwards, backwards = self._counted
        return int(((forwards + backwards == 2) & (forwards != backwards)).sum())
