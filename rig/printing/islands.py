"""UV islands laid flat: the parts of a texture that hang together, each at the scale its surface has.

A curved surface has no flat map of true scale. Each island gets the one linear map of its uv that fits its surface on
the whole (mean metric, equal area), and says how far any length on it can be off.
"""

from dataclasses import dataclass, replace

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from rig.contracts import Mesh

SAME_UV = 7  # decimals: vertices that agree so far in place and uv are one
MOST = 0.95  # of an island's surface: what the narrower of its two scale errors speaks of


@dataclass(frozen=True)
class ScaleError:
    """Printed over true length, least and greatest in any direction; of most of the surface, and of all."""

    most: tuple[float, float]
    worst: tuple[float, float]


@dataclass(frozen=True)
class Island:
    """Flat, in millimetres from the lower left of its own box, x right, y up, as the surface looks from outside."""

    faces: np.ndarray  # (F,) rows of the mesh's faces
    corners_mm: np.ndarray  # (F, 3, 2)
    uv_from_mm: np.ndarray  # (2, 3): uv = uv_from_mm @ (x, y, 1)
    scale: ScaleError
    surface_mm2: float

    @property
    def size_mm(self) -> tuple[float, float]:
        width, height = self.corners_mm.reshape(-1, 2).max(axis=0).tolist()
        return width, height

    def turned(self) -> "Island":
        """A quarter turn counter-clockwise."""
        height = self.size_mm[1]
        x, y = np.moveaxis(self.corners_mm, -1, 0)
        back = np.array([[0, 1, 0], [-1, 0, height], [0, 0, 1.0]])  # of a turned point
        return replace(self, corners_mm=np.stack([height - y, x], axis=-1), uv_from_mm=self.uv_from_mm @ back)

    def outline_mm(self, mesh: Mesh) -> np.ndarray:
        """(E, 2, 2) edges that only one face has: where it is cut."""
        welded = _welded(mesh)[mesh.faces[self.faces]]
        names = np.sort(np.stack([welded, np.roll(welded, -1, axis=1)], axis=-1), axis=-1).reshape(-1, 2)
        ends = np.stack([self.corners_mm, np.roll(self.corners_mm, -1, axis=1)], axis=2).reshape(-1, 2, 2)
        _, which, counts = np.unique(names, axis=0, return_inverse=True, return_counts=True)
        return ends[counts[which.ravel()] == 1]


def islands_of(mesh: Mesh, mm_per_m: float) -> list[Island]:
    """Largest first. Faces without area, on the object or in uv, belong to none."""
    points_mm, uv = mesh.vertices_m[mesh.faces] * mm_per_m, mesh.uv[mesh.faces]
    solid = np.flatnonzero((_areas(points_mm) > 0) & (np.abs(_determinants(uv)) > 0))
    groups = _components(_welded(mesh)[mesh.faces[solid]])
    found = [
        _flat(solid[members], points_mm[solid[members]], uv[solid[members]])
        for members in (np.flatnonzero(groups == group) for group in range(groups.max() + 1))
    ]
    return sorted(found, key=lambda island: -island.surface_mm2)


def _welded(mesh: Mesh) -> np.ndarray:
    """(N,) names of vertices, the same for those that agree in place and uv."""
    rows = np.round(np.c_[mesh.vertices_m, mesh.uv], SAME_UV)
    return np.unique(rows, axis=0, return_inverse=True)[1].ravel()


def _components(faces: np.ndarray) -> np.ndarray:
    """(F,) number of the connected part that each face (F, 3) belongs to; faces hang together by edges."""
    edges = np.sort(np.stack([faces, np.roll(faces, -1, axis=1)], axis=-1), axis=-1).reshape(-1, 2)
    edge = np.unique(edges, axis=0, return_inverse=True)[1].ravel()
    n = len(faces)
    size = n + edge.max() + 1
    graph = coo_array((np.ones(3 * n), (np.repeat(np.arange(n), 3), n + edge)), shape=(size, size))
    return connected_components(graph, directed=False)[1][:n]


def _flat(faces: np.ndarray, points_mm: np.ndarray, uv: np.ndarray) -> Island:
    areas = _areas(points_mm)
    metrics = _metrics(points_mm, uv)
    mean = np.einsum("f,fij->ij", areas / areas.sum(), metrics)
    in_uv = np.abs(_determinants(uv)).sum() / 2
    mean *= areas.sum() / in_uv / np.sqrt(np.linalg.det(mean))  # equal area
    values, vectors = np.linalg.eigh(mean)
    mm_from_uv = vectors @ np.diag(np.sqrt(values)) @ vectors.T
    if _determinants(uv).sum() < 0:  # painted inside out: printed as it is seen
        mm_from_uv = np.diag([-1.0, 1.0]) @ mm_from_uv
    corners = uv @ mm_from_uv.T
    low = corners.reshape(-1, 2).min(axis=0)
    uv_from_mm = np.linalg.inv(mm_from_uv)
    return Island(
        faces,
        corners - low,
        np.c_[uv_from_mm, uv_from_mm @ low],
        _scale_error(mean, metrics, areas),
        float(areas.sum()),
    )


def _metrics(points_mm: np.ndarray, uv: np.ndarray) -> np.ndarray:
    """(F, 2, 2) G with true length squared = d G d for a step d in uv."""
    sides_mm = np.stack([points_mm[:, 1] - points_mm[:, 0], points_mm[:, 2] - points_mm[:, 0]], axis=2)
    sides_uv = np.stack([uv[:, 1] - uv[:, 0], uv[:, 2] - uv[:, 0]], axis=2)
    slopes = sides_mm @ np.linalg.inv(sides_uv)
    return slopes.transpose(0, 2, 1) @ slopes


def _scale_error(mean: np.ndarray, metrics: np.ndarray, areas: np.ndarray) -> ScaleError:
    squares = np.linalg.eigvals(np.linalg.solve(metrics, np.broadcast_to(mean, metrics.shape))).real
    low, high = np.sqrt(squares.min(axis=1)), np.sqrt(squares.max(axis=1))
    tail = (1 - MOST) / 2
    most = _weighted_quantile(low, areas, tail), _weighted_quantile(high, areas, 1 - tail)
    return ScaleError(most, (float(low.min()), float(high.max())))


def _weighted_quantile(values: np.ndarray, weights: np.ndarray, share: float) -> float:
    order = np.argsort(values)
    reached = np.cumsum(weights[order]) / weights.sum()
    return float(values[order][min(np.searchsorted(reached, share), len(values) - 1)])


def _areas(points: np.ndarray) -> np.ndarray:
    a, b, c = np.moveaxis(points, 1, 0)
    return np.linalg.norm(np.cross(b - a, c - a), axis=1) / 2


def _determinants(uv: np.ndarray) -> np.ndarray:
    """(F,) twice the signed area of triangles (F, 3, 2)."""
    first, second = uv[:, 1] - uv[:, 0], uv[:, 2] - uv[:, 0]
    return first[:, 0] * second[:, 1] - first[:, 1] * second[:, 0]
