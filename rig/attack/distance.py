"""How far a person sees the object changed: CIE76 Delta-E over the pixels that show it."""

import torch
from kornia.color import rgb_to_lab

from rig.render import PreparedView, Renderer, texture_tensor


def delta_e(colors: torch.Tensor, clean_colors: torch.Tensor) -> torch.Tensor:
    """(N,) Euclidean distances in CIELAB (D65) of sRGB colours (N, 3) in [0, 1]; differentiable at equality, too."""
    squared = (_lab(colors) - _lab(clean_colors)).square().sum(dim=1)
    return (squared + 1e-6).sqrt() - 1e-3


def _lab(colors: torch.Tensor) -> torch.Tensor:
    return rgb_to_lab(colors.T[None, :, None, :])[0, :, 0].T


def measure_delta_e(renderer: Renderer, texture, clean_texture, prepared: list[PreparedView]) -> torch.Tensor:
    """(N,) Delta-E over the object pixels of all views, both 8-bit textures (h, w, 3) seen through the same filter."""
    with torch.no_grad():
        return delta_e(
            *(renderer.look_up(texture_tensor(t).to(renderer.device), prepared) for t in (texture, clean_texture))
        )
