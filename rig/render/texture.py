"""Filtered texture lookup in torch, differentiable in the texture."""

import copy
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from scipy.sparse import csr_array

from rig.geometry import texels_from_uv
from rig.render.gbuffer import MAX_LOD

CORNERS = 8  # of a trilinear lookup: two levels of two rows of two texels


@dataclass(frozen=True)
class Footprint:
    """Which texels a pixel mixes; the same for every texture of a size."""

    texels: torch.Tensor  # (P, CORNERS) int32, rows of MipAtlas.texels
    weights: torch.Tensor  # (P, CORNERS) float32, summing to 1

    def __getitem__(self, pixels: slice) -> "Footprint":
        return Footprint(self.texels[pixels], self.weights[pixels])


class MipAtlas:
    """A texture's mip pyramid, texel after texel, so that every lookup is one sparse product.

    Textures repeat. Colours are filtered as stored (sRGB-encoded), as an unlit OpenGL renderer does.
    """

    def __init__(self, texture: torch.Tensor):
        """texture (3, H, W) in [0, 1], row 0 on top."""
        levels = [texture[None].contiguous(memory_format=torch.channels_last)]
        while min(levels[-1].shape[-2:]) > 1 and len(levels) <= MAX_LOD:
            levels.append(F.avg_pool2d(levels[-1], 2, ceil_mode=True, count_include_pad=False))
        self.texels = torch.cat([level[0].permute(1, 2, 0).reshape(-1, 3) for level in levels])  # (T, 3)
        self._sizes = texture.new_tensor([[level.shape[-1], level.shape[-2]] for level in levels])
        counts = [level.shape[-1] * level.shape[-2] for level in levels]
        self._starts = torch.tensor([sum(counts[:i]) for i in range(len(counts))], device=texture.device)

    def leaf(self) -> "MipAtlas":
        """The same colours, from which gradients go no further: what they are here, they are in `texels`."""
        found = copy.copy(self)
        found.texels = self.texels.detach().requires_grad_()
        return found

    def sample(self, uv: torch.Tensor, lod: torch.Tensor) -> torch.Tensor:
        """Colours (P, 3) at uv (P, 2), v up, at levels of detail (P,)."""
        return self.look_up(self.footprint(uv, lod))

    def look_up(self, footprint: Footprint) -> torch.Tensor:
        return _Mix.apply(self.texels, footprint.texels, footprint.weights.to(self.texels.dtype))

    def footprint(self, uv: torch.Tensor, lod: torch.Tensor) -> Footprint:
        lod = lod.clamp(0, len(self._sizes) - 1)
        fine = lod.floor()
        share, fine = lod - fine, fine.long()
        coarse = (fine + 1).clamp(max=len(self._sizes) - 1)
        uv = uv - uv.floor()
        parts = [self._bilinear(uv, fine, 1 - share), self._bilinear(uv, coarse, share)]
        texels, weights = ([one for part in parts for one in part[i]] for i in range(2))
        return Footprint(torch.stack(texels, dim=1).int(), torch.stack(weights, dim=1))

    def _bilinear(self, uv, level, share) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
        width, height = self._sizes[level].unbind(-1)
        column, row = texels_from_uv(uv, width, height)
        left, top = column.floor(), row.floor()
        right_share, bottom_share = column - left, row - top
        columns = [torch.where(left < 0, width - 1, left), torch.where(left + 1 < width, left + 1, 0)]
        rows = [torch.where(top < 0, height - 1, top), torch.where(top + 1 < height, top + 1, 0)]
        start = self._starts[level]
        lines = [start + (row * width).long() for row in rows]
        texels = [line + column.long() for line in lines for column in columns]
        upper, lower = share * (1 - bottom_share), share * bottom_share
        weights = [half * side for half in (upper, lower) for side in (1 - right_share, right_share)]
        return texels, weights


class _Mix(torch.autograd.Function):
    """Weighted sums of rows, (P, 3). The library's own backward pass of this sorts, at ten times the cost."""

    @staticmethod
    def forward(context, rows, index, weights):
        context.save_for_backward(index, weights)
        context.n_rows = len(rows)
        return F.embedding_bag(index, rows, per_sample_weights=weights, mode="sum")

    @staticmethod
    def backward(context, gradient):
        index, weights = context.saved_tensors
        if gradient.is_cuda:
            back = gradient.new_zeros(context.n_rows, gradient.shape[1])
            pulls = gradient[:, None] * weights[..., None]
            return back.index_add_(0, index.flatten(), pulls.flatten(0, 1)), None, None
        ends = np.arange(0, index.numel() + 1, CORNERS, dtype=np.int32)
        mixing = csr_array((weights.numpy().ravel(), index.numpy().ravel(), ends), shape=(len(index), context.n_rows))
        return torch.from_numpy(mixing.T @ gradient.numpy()), None, None
