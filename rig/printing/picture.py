"""An island's colours as page pixels."""

import cv2
import numpy as np
from scipy.ndimage import distance_transform_edt

from rig.geometry import texels_from_uv
from rig.printing.islands import Island
from rig.printing.pages import BLEED_MM

SHIFT = 8  # binary digits of a pixel's fraction that OpenCV fills polygons to
MM_PER_INCH = 25.4


def picture_of(island: Island, texture: np.ndarray, dpi: int) -> np.ndarray:
    """(H, W, 3) uint8 of the island's box and its bleed, white beyond; the texture is filtered as the renderer does."""
    px_per_mm = dpi / MM_PER_INCH
    width, height = (int(np.ceil((side + 2 * BLEED_MM) * px_per_mm)) for side in island.size_mm)
    column, row = np.meshgrid(np.arange(width), np.arange(height))
    top_mm = island.size_mm[1] + BLEED_MM
    x_mm, y_mm = (column + 0.5) / px_per_mm - BLEED_MM, top_mm - (row + 0.5) / px_per_mm
    uv = np.stack([x_mm, y_mm, np.ones_like(x_mm)], axis=-1) @ island.uv_from_mm.T
    colors = _sampled(texture, uv)
    inside = _inside(island, (height, width), px_per_mm, top_mm)
    distance_px, nearest = distance_transform_edt(~inside, return_indices=True)
    colors = colors[tuple(nearest)]  # beyond the edge: what the edge has
    colors[distance_px > BLEED_MM * px_per_mm] = 255
    return colors


def _sampled(texture: np.ndarray, uv: np.ndarray) -> np.ndarray:
    column, row = (part.astype(np.float32) for part in texels_from_uv(uv, texture.shape[1], texture.shape[0]))
    return cv2.remap(texture, column, row, cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP)


def _inside(island: Island, shape: tuple[int, int], px_per_mm: float, top_mm: float) -> np.ndarray:
    """(H, W) bool: pixels that a face touches."""
    x_mm, y_mm = np.moveaxis(island.corners_mm, -1, 0)
    pixels = np.stack([(x_mm + BLEED_MM) * px_per_mm - 0.5, (top_mm - y_mm) * px_per_mm - 0.5], axis=-1)
    mask = np.zeros(shape, np.uint8)
    for triangle in np.rint(pixels * 2**SHIFT).astype(np.int32):
        cv2.fillConvexPoly(mask, triangle, 1, lineType=cv2.LINE_8, shift=SHIFT)
    return mask.astype(bool)
