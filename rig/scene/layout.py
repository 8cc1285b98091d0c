"""The UV layout drawn into the texture: which faces each texel belongs to, and where on the object it is."""

from dataclasses import dataclass

import numpy as np

from rig.contracts import Intrinsics, Mesh
from rig.raster import interpolate

BASE = 2048  # face numbers are drawn as two digits, so that float32 holds them exactly
NOBODY = -1
OFF_CENTRE_PX = (0.0137, 0.0071)  # layouts often follow the texel grid; a centre on an edge would belong to both sides


@dataclass(frozen=True, eq=False)
class Layout:
    """Texels (H, W) by their centres. Where `first` and `last` differ, several parts of the object show the texel."""

    first: np.ndarray  # int64, the lowest number of a face that covers the texel, NOBODY for none
    last: np.ndarray  # the highest

    @property
    def used(self) -> np.ndarray:
        return self.first != NOBODY

    @property
    def shared(self) -> np.ndarray:
        return self.first != self.last

    def of(self, faces: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Texels that any, and that only, the chosen faces (M,) bool show."""
        first, last = (self.used & faces[one] for one in (self.first, self.last))
        return first | last, first & last


def layout_of(mesh: Mesh, size_px: tuple[int, int] | None = None) -> Layout:
    """Textures repeat; a face larger than the texture counts once. `size_px`: other than the texture's own."""
    size_px = size_px or mesh.texture.shape[:2]
    numbers = np.arange(len(mesh.faces))
    digits = np.stack([numbers % BASE, numbers // BASE, np.ones_like(numbers)], axis=1)
    values = np.repeat(digits[:, None], 3, axis=1)
    found = []
    for nearest_first in (True, False):
        drawn = drawn_by_face(mesh, values, size_px, nearest_first)
        number = np.rint(drawn[..., 0]) + BASE * np.rint(drawn[..., 1])
        found.append(np.where(drawn[..., 2] > 0.5, number, NOBODY).astype(np.int64))
    return Layout(np.minimum(*found), np.maximum(*found))


def drawn_by_face(mesh: Mesh, values: np.ndarray, size_px: tuple[int, int], nearest_first: bool = True) -> np.ndarray:
    """(H, W, 3) of values (M, 3, 3) at the faces' corners, zero beside them; of several faces the first, or the last."""
    uv, order = _copies(mesh.uv[mesh.faces])
    values = values[order]
    turned = signed_area(uv) < 0  # laid out mirrored; the rasteriser draws one side only
    uv[turned], values[turned] = uv[turned, ::-1], values[turned, ::-1]
    height, width = size_px
    rank = order if nearest_first else order.max(initial=0) - order
    depth = np.repeat(1 + rank / max(1, order.max(initial=0)), 3)
    flat = uv.reshape(-1, 2) + np.divide(OFF_CENTRE_PX, (width, height))
    points = np.stack([flat[:, 0] * depth, (1 - flat[:, 1]) * depth, depth], axis=1)
    corners = np.arange(len(flat), dtype=np.int32).reshape(-1, 3)
    return interpolate(points, corners, values.reshape(-1, 3), Intrinsics(width, height, width, height, -0.5, -0.5))


def _copies(uv: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Faces (F, 3, 2) as they fall into the unit square of a repeating texture, and the number of each one's face."""
    uv = uv - np.floor(uv.min(axis=1, keepdims=True) + 1e-9)
    numbers, found, owners = np.arange(len(uv)), [], []
    for shift in ([0, 0], [1, 0], [0, 1], [1, 1]):
        some = (uv.max(axis=1) > np.array(shift) + 1e-9).all(axis=1)
        found.append(uv[some] - shift)
        owners.append(numbers[some])
    return np.concatenate(found), np.concatenate(owners)


def signed_area(uv: np.ndarray) -> np.ndarray:
    """(F,) of triangles (F, 3, 2), twice their area; negative where they run clockwise."""
    first, second = uv[:, 1] - uv[:, 0], uv[:, 2] - uv[:, 0]
    return first[:, 0] * second[:, 1] - first[:, 1] * second[:, 0]
