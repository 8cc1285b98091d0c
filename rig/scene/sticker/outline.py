"""A sticker's outline as a picture over its box."""

from pathlib import Path

import numpy as np

from rig.errors import RigError
from rig.images import read_image
from rig.scene.sticker.settings import StickerSettings

OUTLINE_PX = 512  # of the longer side of a drawn outline
SAME_ASPECT = 0.02


def outline_of(settings: StickerSettings) -> np.ndarray:
    """(H, W) bool over the sticker's box, row 0 on top."""
    width_mm, height_mm = settings.size_mm
    scale = OUTLINE_PX / max(settings.size_mm)
    width_px, height_px = (max(1, round(scale * side)) for side in settings.size_mm)
    if settings.shape == "rectangle":
        return np.ones((height_px, width_px), bool)
    if settings.shape == "ellipse":
        x, y = ((np.arange(n) + 0.5) * 2 / n - 1 for n in (width_px, height_px))
        return x**2 + y[:, None] ** 2 <= 1
    mask = read_image(Path(settings.shape))[..., 0] >= 128
    if abs(mask.shape[1] / mask.shape[0] / (width_mm / height_mm) - 1) > SAME_ASPECT:
        got, expected = f"{mask.shape[1]} x {mask.shape[0]}", f"the proportions of {width_mm:g} x {height_mm:g} mm"
        raise RigError(
            "the mask has other proportions than the sticker", where=settings.shape, got=got, expected=expected
        )
    if not mask.any():
        raise RigError("the mask is black all over", where=settings.shape, expected="white where the sticker is")
    return mask
