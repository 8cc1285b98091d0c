"""Sticker coordinates on a surface: projected along the place's normal, or wrapped around it.

Wrapping is the discrete exponential map (Schmidt, Grimm & Wyvill, "Interactive Decal Compositing with Discrete
Exponential Maps", SIGGRAPH 2006), each vertex averaged over all neighbours nearer to the place.
"""

from dataclasses import dataclass

import numpy as np
from scipy.sparse import coo_array, csr_array
from scipy.sparse.csgraph import connected_components, dijkstra

from rig.contracts import Mesh
from rig.scene.sticker.place import Place, face_normals

STEEPEST_DEG = 80.0  # between a face and the sticker's plane; beyond, a projected picture is smeared
DETOUR = 1.6  # paths along edges are longer than the surface's own
BEYOND = 1.2  # of half a diagonal: outer corners of the outermost faces, whose edges are an eighth of a side at most
SAME_PLACE = 9  # decimals of metres


@dataclass(frozen=True, eq=False)
class Chart:
    """Faces (F,) of a mesh with the sticker's right and up, in metres from its middle, at their corners (F, 3, 2)."""

    faces: np.ndarray
    corners_m: np.ndarray


def planar(mesh: Mesh, place: Place, half_m: np.ndarray, steepest_deg: float = STEEPEST_DEG) -> Chart:
    """Of the faces within the box of half sides (2,) that hang together with the place's own and look its way."""
    corners_m = place.in_plane(mesh.vertices_m)[mesh.faces]
    near = (corners_m.max(axis=1) >= -half_m).all(axis=1) & (corners_m.min(axis=1) <= half_m).all(axis=1)
    near &= face_normals(mesh)[0] @ place.normal > np.cos(np.radians(steepest_deg))
    near[place.face] = True
    chosen = np.flatnonzero(near)
    groups = _connected(welded(mesh)[mesh.faces[chosen]])
    chosen = chosen[groups == groups[np.searchsorted(chosen, place.face)]]
    return Chart(chosen, corners_m[chosen])


def wrapped(mesh: Mesh, place: Place, half_m: np.ndarray) -> Chart:
    """Lengths from the middle and directions there are kept; faces that fold over are left out."""
    names = welded(mesh)
    faces = names[mesh.faces]
    points_m, normals = _welded_geometry(mesh, names, faces)
    ways = _ways(faces, points_m)
    plane_m = _exponential_map(ways, points_m, normals, place, faces[place.face], float(np.linalg.norm(half_m)))
    corners_m = plane_m[faces]
    whole = np.isfinite(corners_m).all(axis=(1, 2))
    whole[whole] = signed_areas(corners_m[whole]) > 0
    chosen = np.flatnonzero(whole)
    return Chart(chosen, corners_m[chosen])


def welded(mesh: Mesh) -> np.ndarray:
    """(N,) names of vertices; those at one place, on either side of a seam, share theirs."""
    return np.unique(np.round(mesh.vertices_m, SAME_PLACE), axis=0, return_inverse=True)[1].ravel()


def _connected(corners: np.ndarray) -> np.ndarray:
    """(F,) the part that each face belongs to, by corners (F, 3) in common."""
    n = len(corners)
    size = n + corners.max() + 1
    graph = coo_array((np.ones(3 * n), (np.repeat(np.arange(n), 3), n + corners.ravel())), shape=(size, size))
    return connected_components(graph, directed=False)[1][:n]


def _welded_geometry(mesh: Mesh, names: np.ndarray, faces: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    points_m = np.zeros((names.max() + 1, 3))
    points_m[names] = mesh.vertices_m
    normals, areas = face_normals(mesh)
    summed = np.zeros_like(points_m)
    np.add.at(summed, faces.ravel(), np.repeat(normals * areas[:, None], 3, axis=0))
    return points_m, summed / np.maximum(np.linalg.norm(summed, axis=1, keepdims=True), 1e-300)


def _ways(faces: np.ndarray, points_m: np.ndarray) -> csr_array:
    """Lengths of edges between vertices, both ways."""
    ends = (
        np.concatenate([faces, np.roll(faces, -1, axis=1)], axis=1).reshape(-1, 2, 3).transpose(0, 2, 1).reshape(-1, 2)
    )
    ends = np.unique(np.sort(ends, axis=1), axis=0)
    ends = ends[ends[:, 0] != ends[:, 1]]
    lengths = np.linalg.norm(points_m[ends[:, 0]] - points_m[ends[:, 1]], axis=1)
    both = np.concatenate([ends, ends[:, ::-1]])
    return coo_array((np.tile(lengths, 2), tuple(both.T)), shape=(len(points_m),) * 2).tocsr()


def _exponential_map(ways, points_m, normals, place: Place, start: np.ndarray, half_m: float) -> np.ndarray:
    """(N, 2) right and up of vertices, outwards from the corners of the place's face; NaN beyond reach."""
    plane_m, rights = np.full((len(points_m), 2), np.nan), np.zeros((len(points_m), 3))
    at_m = points_m[start] - place.point_m
    plane_m[start] = _as_long_as(place.in_plane(points_m[start]), np.linalg.norm(at_m, axis=1))
    rights[start] = [_carried(place.right[None], place.normal[None], normals[one])[0] for one in start]
    distance_m = dijkstra(ways, indices=start, limit=DETOUR * half_m, min_only=True)
    straight_m = np.linalg.norm(points_m - place.point_m, axis=1)  # no way along the surface is shorter
    order = np.argsort(distance_m, kind="stable")
    for vertex in order[: int(np.isfinite(distance_m).sum())]:
        if vertex not in start and straight_m[vertex] <= BEYOND * half_m:
            plane_m[vertex], rights[vertex] = _from_neighbours(vertex, ways, points_m, normals, plane_m, rights)
    return plane_m


def _from_neighbours(vertex: int, ways, points_m, normals, plane_m, rights) -> tuple[np.ndarray, np.ndarray]:
    """What the neighbours that are done say of a vertex, the nearest most."""
    row = slice(ways.indptr[vertex], ways.indptr[vertex + 1])
    near, lengths_m = ways.indices[row], ways.data[row]
    done = np.isfinite(plane_m[near, 0])
    near, lengths_m = near[done], lengths_m[done]
    shares = (1 / np.maximum(lengths_m, 1e-300))[:, None]
    shares /= shares.sum()
    right = (shares * _carried(rights[near], normals[near], normals[vertex])).sum(axis=0)
    right -= (right @ normals[vertex]) * normals[vertex]
    right /= max(np.linalg.norm(right), 1e-300)
    up, ups = _cross(normals[vertex], right), _cross(normals[near], rights[near])
    steps = points_m[vertex] - points_m[near]
    halfway = np.stack([np.einsum("ni,ni->n", steps, rights[near] + right), np.einsum("ni,ni->n", steps, ups + up)], 1)
    return (shares * (plane_m[near] + _as_long_as(halfway, lengths_m))).sum(axis=0), right


def _as_long_as(steps: np.ndarray, lengths_m: np.ndarray) -> np.ndarray:
    return steps * (lengths_m / np.maximum(np.linalg.norm(steps, axis=1), 1e-300))[:, None]


def _carried(vectors: np.ndarray, normals: np.ndarray, onto: np.ndarray) -> np.ndarray:
    """Parallel transport of vectors (N, 3): turned as their normals turn onto one, and no further (Rodrigues)."""
    axes, cosines = _cross(normals, onto), (normals @ onto)[:, None]
    along = (axes * vectors).sum(axis=1, keepdims=True) / np.maximum(1 + cosines, 1e-9)
    turned = cosines * vectors + _cross(axes, vectors) + axes * along
    return np.where(cosines <= -1 + 1e-9, vectors, turned)


def _cross(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """numpy's own, of few vectors at a time, spends most of its time before it begins."""
    return first[..., _NEXT] * second[..., _LAST] - first[..., _LAST] * second[..., _NEXT]


_NEXT, _LAST = np.array([1, 2, 0]), np.array([2, 0, 1])


def signed_areas(corners_m: np.ndarray) -> np.ndarray:
    """(F,) of flat triangles (F, 3, 2), positive counter-clockwise."""
    first, second = corners_m[:, 1] - corners_m[:, 0], corners_m[:, 2] - corners_m[:, 0]
    return (first[:, 0] * second[:, 1] - first[:, 1] * second[:, 0]) / 2
