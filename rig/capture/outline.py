"""An object's outline as lines, for drawing over a picture."""

import numpy as np

from rig.contracts import Mesh, Transform


class Outline:
    """The edges of a mesh between two faces, found once; vertices that UV seams doubled count as one."""

    def __init__(self, mesh: Mesh):
        self.vertices_m, same = np.unique(mesh.vertices_m.round(9), axis=0, return_inverse=True)
        faces = same.reshape(-1)[mesh.faces]
        self._corners = self.vertices_m[faces]
        self._normals = np.cross(self._corners[:, 1] - self._corners[:, 0], self._corners[:, 2] - self._corners[:, 0])
        self._edges, self._sides = _shared_edges(faces)

    def seen_from(self, camera_from_object: Transform) -> np.ndarray:
        """(S, 2) vertex numbers: edges with one side turned towards the camera and one away."""
        camera_m = -camera_from_object[:3, :3].T @ camera_from_object[:3, 3]
        towards = ((camera_m - self._corners[:, 0]) * self._normals).sum(axis=1) > 0
        return self._edges[towards[self._sides[:, 0]] != towards[self._sides[:, 1]]]


def _shared_edges(faces: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(E, 2) vertices and (E, 2) faces of every edge that exactly two faces share."""
    edges = np.sort(np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]]), axis=1)
    owners = np.tile(np.arange(len(faces)), 3)
    order = np.lexsort(edges.T)
    edges, owners = edges[order], owners[order]
    starts = np.flatnonzero(np.r_[True, (edges[1:] != edges[:-1]).any(axis=1)])
    twice = starts[np.diff(np.r_[starts, len(edges)]) == 2]
    return edges[twice], np.stack([owners[twice], owners[twice + 1]], axis=1)
