"""Samples of a texture under an outline become a sparse linear map from patch pixels to texels."""

import cv2
import numpy as np
from scipy.sparse import coo_array

from rig.scene.sticker.bake import Samples

GUTTER_TEXELS = 3  # beside a UV island, where filtering looks as well


def inside(samples: Samples, outline: np.ndarray, size_m: np.ndarray) -> np.ndarray:
    """(S,) bool: samples that the outline has."""
    height, width = outline.shape
    column = np.floor((samples.plane_m[:, 0] / size_m[0] + 0.5) * width).astype(int)
    row = np.floor((0.5 - samples.plane_m[:, 1] / size_m[1]) * height).astype(int)
    boxed = (column >= 0) & (column < width) & (row >= 0) & (row < height)
    return boxed & outline[row.clip(0, height - 1), column.clip(0, width - 1)]


def linear_map(samples: Samples, inside: np.ndarray, size_m: np.ndarray, patch_px: tuple[int, int]):
    """Texels, their coverage, and the patch pixels (bilinear, averaged over samples) that each shows."""
    height, width = samples.on_surface.shape
    texel = (samples.rows[inside] // samples.n) * width + samples.columns[inside] // samples.n
    texels, row, counts = np.unique(texel, return_inverse=True, return_counts=True)
    coverage = counts / samples.on_surface.ravel()[texels]
    pixels, weights = _bilinear(samples.plane_m[inside] / size_m, patch_px)
    rows = np.broadcast_to(row.ravel()[:, None], pixels.shape)
    values = weights / counts[row.ravel()][:, None]
    shape = (len(texels), patch_px[0] * patch_px[1])
    mix = coo_array((values.ravel(), (rows.ravel(), pixels.ravel())), shape=shape).tocsr()
    gutter, source = _gutter(samples.on_surface > 0, texels)
    chosen = np.concatenate([np.arange(len(texels)), source])
    return np.concatenate([texels, gutter]), coverage[chosen].astype(np.float32), mix[chosen].astype(np.float32)


def _bilinear(places: np.ndarray, patch_px: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Pixels (S, 4) and weights (S, 4) at places (S, 2) in [-0.5, 0.5], right and up."""
    height, width = patch_px
    column = ((places[:, 0] + 0.5) * width - 0.5).clip(0, width - 1)
    row = ((0.5 - places[:, 1]) * height - 0.5).clip(0, height - 1)
    left, top = np.floor(column).astype(int), np.floor(row).astype(int)
    right, bottom = np.minimum(left + 1, width - 1), np.minimum(top + 1, height - 1)
    x, y = column - left, row - top
    pixels = np.stack([top * width + left, top * width + right, bottom * width + left, bottom * width + right], axis=1)
    return pixels, np.stack([(1 - x) * (1 - y), x * (1 - y), (1 - x) * y, x * y], axis=1)


def _gutter(on_surface: np.ndarray, texels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Texels just beside the object's islands whose nearest texel the sticker has, and which of its texels that is."""
    distance, label = cv2.distanceTransformWithLabels(
        (~on_surface).astype(np.uint8), cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL
    )
    index_of = np.full(label.max() + 1, -1)
    index_of[label.ravel()[texels]] = np.arange(len(texels))
    beside = np.flatnonzero((distance.ravel() > 0) & (distance.ravel() <= GUTTER_TEXELS))
    source = index_of[label.ravel()[beside]]
    return beside[source >= 0], source[source >= 0]
