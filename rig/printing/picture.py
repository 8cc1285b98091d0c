"""An island's colours as page pixels."""

import cv2
import numpy as np

from rig.geometry import texels_from_uv
from rig.printing.islands import Island
from rig.printing.pages import BLEED_MM

SHIFT = 8  # binary digits of a pixel's fraction that OpenCV fills polygons to
MM_PER_INCH = 25.4


def picture_of(island: Island, texture: np.ndarray, dpi: int) -> np.ndarray:
    """(H, W, 3) uint8 of the island's box and its bleed, white beyond; the texture is filtered as the renderer does."""
    px_per_mm = dpi / MM_PER_INCH
    width, height = (int(np.ceil((side + 2 * BLEED_MM) * px_per_mm)) for side in island.size_mm)
    top_mm = island.size_mm[1] + BLEED_MM
    x_mm = (np.arange(width) + 0.5) / px_per_mm - BLEED_MM
    y_mm = (top_mm - (np.arange(height) + 0.5) / px_per_mm)[:, None]
    uv = np.stack([along_x * x_mm + along_y * y_mm + start for along_x, along_y, start in island.uv_from_mm], axis=-1)
    colors = _sampled(texture, uv)
    return with_bleed(colors, _inside(island, (height, width), px_per_mm, top_mm), BLEED_MM * px_per_mm)


def with_bleed(colors: np.ndarray, inside: np.ndarray, bleed_px: float) -> np.ndarray:
    """Beyond the edge, what the edge has; white beyond the bleed."""
    distance_px, label = cv2.distanceTransformWithLabels(
        (~inside).astype(np.uint8), cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL
    )
    color_of = np.full((label.max() + 1, 3), 255, np.uint8)  # by the label that each inner pixel has for itself
    color_of[label[inside]] = colors[inside]
    bled = color_of[label]
    bled[distance_px > bleed_px] = 255
    return bled


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
