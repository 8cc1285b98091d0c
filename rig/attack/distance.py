"""How far a person sees the object changed: CIE76 Delta-E over the pixels that show it."""

import numpy as np
import torch

from rig.color import apart, lab
from rig.render import MipAtlas, PreparedView, Renderer, surface, texture_tensor


class DeltaE:
    """How far 8-bit textures (h, w, 3) are from a clean one over the object's pixels in some views, through one filter."""

    def __init__(self, renderer: Renderer, clean_texture: np.ndarray, prepared: list[PreparedView]):
        self._device = renderer.device
        atlas = self._atlas(clean_texture)
        self._footprint = atlas.footprint(*surface(prepared))
        self._clean_lab = lab(atlas.look_up(self._footprint))

    def of(self, texture: np.ndarray) -> torch.Tensor:
        """(N,)"""
        return apart(lab(self._atlas(texture).look_up(self._footprint)), self._clean_lab)

    def mean(self, texture: np.ndarray) -> float:
        return float(self.of(texture).mean())

    def _atlas(self, texture: np.ndarray) -> MipAtlas:
        return MipAtlas(texture_tensor(texture).to(self._device))
