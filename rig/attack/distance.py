"""How far a person sees the object changed: CIE76 Delta-E over the pixels that show it."""

import numpy as np
import torch
from kornia.color import rgb_to_lab

from rig.render import MipAtlas, PreparedView, Renderer, surface, texture_tensor


def delta_e(colors: torch.Tensor, clean_colors: torch.Tensor) -> torch.Tensor:
    """(N,) Euclidean distances in CIELAB (D65) of sRGB colours (N, 3) in [0, 1]; differentiable at equality, too."""
    return _apart(_lab(colors), _lab(clean_colors))


def _apart(lab: torch.Tensor, clean_lab: torch.Tensor) -> torch.Tensor:
    return ((lab - clean_lab).square().sum(dim=1) + 1e-6).sqrt() - 1e-3


def _lab(colors: torch.Tensor) -> torch.Tensor:
    return rgb_to_lab(colors.T[None, :, None, :])[0, :, 0].T


class DeltaE:
    """How far 8-bit textures (h, w, 3) are from a clean one over the object's pixels in some views, through one filter."""

    def __init__(self, renderer: Renderer, clean_texture: np.ndarray, prepared: list[PreparedView]):
        self._device = renderer.device
        atlas = self._atlas(clean_texture)
        self._footprint = atlas.footprint(*surface(prepared))
        self._clean_lab = _lab(atlas.look_up(self._footprint))

    def of(self, texture: np.ndarray) -> torch.Tensor:
        """(N,)"""
        return _apart(_lab(self._atlas(texture).look_up(self._footprint)), self._clean_lab)

    def mean(self, texture: np.ndarray) -> float:
        return float(self.of(texture).mean())

    def _atlas(self, texture: np.ndarray) -> MipAtlas:
        return MipAtlas(texture_tensor(texture).to(self._device))
