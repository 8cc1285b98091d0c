"""Where a sticker sits: a point of the surface, and the sticker's axes there as somebody outside sees them."""

from dataclasses import dataclass

import numpy as np

from rig.contracts import Mesh
from rig.errors import SceneError
from rig.geometry import direction

SAME_SIDE_DEG = 60.0  # of the hit face: what the place's normal is averaged over
EDGE = 1e-9  # barycentric: a ray through an edge hits


@dataclass(frozen=True, eq=False)
class Place:
    """Object frame. `right` and `up` span the tangent plane; right x up = normal, outwards."""

    point_m: np.ndarray  # (3,)
    normal: np.ndarray
    right: np.ndarray
    up: np.ndarray
    face: int

    def in_plane(self, points_m: np.ndarray) -> np.ndarray:
        """(..., 2) right and up of points (..., 3), dropped along the normal."""
        return (points_m - self.point_m) @ np.stack([self.right, self.up], axis=1)


def place_on(mesh: Mesh, azimuth_deg: float, elevation_deg: float, roll_deg: float, reach_m: float) -> Place:
    """Where a ray from that direction towards the object's centre meets the surface first.

    The normal is the mean over the surface within `reach_m`. Without roll the sticker stands upright for a camera in that
    direction; roll turns it counter-clockwise. Raises SceneError where the ray meets nothing.
    """
    outward = direction(azimuth_deg, elevation_deg)
    face, point_m = _first_hit(mesh, outward)
    normal = _mean_normal(mesh, face, point_m, reach_m)
    azimuth_rad = np.radians(azimuth_deg)
    across = np.array([-np.sin(azimuth_rad), np.cos(azimuth_rad), 0.0])  # the camera's own right
    right = _unit(across - (across @ normal) * normal)
    up = np.cross(normal, right)
    turn_rad = np.radians(roll_deg)
    turned = np.cos(turn_rad) * right + np.sin(turn_rad) * up
    return Place(point_m, normal, turned, np.cross(normal, turned), face)


def face_normals(mesh: Mesh) -> tuple[np.ndarray, np.ndarray]:
    """Unit outward normals (M, 3), zero where a face has no area, and areas (M,) in square metres."""
    a, b, c = np.moveaxis(mesh.vertices_m[mesh.faces], 1, 0)
    cross = np.cross(b - a, c - a)
    length = np.linalg.norm(cross, axis=1)
    return cross / np.maximum(length, 1e-300)[:, None], length / 2


def _first_hit(mesh: Mesh, outward: np.ndarray) -> tuple[int, np.ndarray]:
    """The outermost face along a line through the origin that looks outward (Moeller & Trumbore 1997, all faces)."""
    a, b, c = np.moveaxis(mesh.vertices_m[mesh.faces], 1, 0)
    ab, ac = b - a, c - a
    cross = np.cross(outward, ac)
    determinant = np.einsum("fi,fi->f", ab, cross)
    seen = np.einsum("i,fi->f", outward, np.cross(ab, ac)) > 0
    scale = np.where(np.abs(determinant) > 0, determinant, np.inf)
    first = np.einsum("fi,fi->f", -a, cross) / scale
    along = np.cross(-a, ab)
    second = (along @ outward) / scale
    height_m = np.einsum("fi,fi->f", ac, along) / scale
    hit = seen & np.isfinite(scale) & (first >= -EDGE) & (second >= -EDGE) & (first + second <= 1 + EDGE)
    if not hit.any():
        raise SceneError(
            "the place is not on the object: the ray passes it", where="--at", hint="try another direction"
        )
    face = int(np.argmax(np.where(hit, height_m, -np.inf)))
    return face, height_m[face] * outward


def _mean_normal(mesh: Mesh, face: int, point_m: np.ndarray, reach_m: float) -> np.ndarray:
    normals, areas = face_normals(mesh)
    near = np.linalg.norm(mesh.vertices_m[mesh.faces].mean(axis=1) - point_m, axis=1) <= reach_m
    near &= normals @ normals[face] >= np.cos(np.radians(SAME_SIDE_DEG))
    near[face] = True
    return _unit((normals[near] * areas[near, None]).sum(axis=0))


def _unit(vector: np.ndarray) -> np.ndarray:
    return vector / np.linalg.norm(vector)
