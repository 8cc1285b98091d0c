"""Colours as a person sees them apart: CIELAB (D65) of sRGB, and CIE76 Delta-E."""

import torch
from kornia.color import rgb_to_lab


def lab(colors: torch.Tensor) -> torch.Tensor:
    """(N, 3) CIELAB of sRGB colours (N, 3) in [0, 1]."""
    return rgb_to_lab(colors.T[None, :, None, :])[0, :, 0].T


def apart(first_lab: torch.Tensor, second_lab: torch.Tensor) -> torch.Tensor:
    """(N,) Euclidean distances; differentiable at equality, too."""
    return ((first_lab - second_lab).square().sum(dim=1) + 1e-6).sqrt() - 1e-3


def delta_e(colors: torch.Tensor, other_colors: torch.Tensor) -> torch.Tensor:
    """(N,) CIE76 distances of sRGB colours (N, 3) in [0, 1]."""
    return apart(lab(colors), lab(other_colors))
