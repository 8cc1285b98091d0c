"""Filtered texture lookup in torch, differentiable in the texture."""

import copy

import torch
import torch.nn.functional as F

from rig.geometry import texels_from_uv
from rig.render.gbuffer import MAX_LOD


class MipAtlas:
    """A texture's mip pyramid in one image, so that trilinear lookup is two bilinear lookups in a single call.

    Each level is ringed by one texel of its opposite edge: textures repeat. Colours are filtered as stored
    (sRGB-encoded), as an unlit OpenGL renderer does.
    """

    def __init__(self, texture: torch.Tensor):
        """texture (3, H, W) in [0, 1], row 0 on top."""
        levels = [texture[None]]
        while min(levels[-1].shape[-2:]) > 1 and len(levels) <= MAX_LOD:
            levels.append(F.avg_pool2d(levels[-1], 2, ceil_mode=True, count_include_pad=False))
        width = texture.shape[-1] + 2
        ringed = [F.pad(level, (1, 1, 1, 1), mode="circular") for level in levels]
        self.image = torch.cat([F.pad(level, (0, width - level.shape[-1])) for level in ringed], dim=2)
        heights = [level.shape[-2] for level in ringed]
        tops = [sum(heights[:i]) for i in range(len(heights))]
        self.sizes = texture.new_tensor([[level.shape[-1], level.shape[-2]] for level in levels])
        self.tops = texture.new_tensor(tops)

    def leaf(self) -> "MipAtlas":
        """The same colours, from which gradients go no further: what they are here, they are in `image`."""
        found = copy.copy(self)
        found.image = self.image.detach().requires_grad_()
        return found

    def sample(self, uv: torch.Tensor, lod: torch.Tensor) -> torch.Tensor:
        """Colours (P, 3) at uv (P, 2), v up, at levels of detail (P,)."""
        lod = lod.clamp(0, len(self.sizes) - 1)
        fine = lod.floor().long()
        coarse = (fine + 1).clamp(max=len(self.sizes) - 1)
        grid = torch.stack([self._grid(uv, fine), self._grid(uv, coarse)])  # (2, P, 2): a batch of 2 uses 2 threads
        looked_up = F.grid_sample(self.image.expand(2, -1, -1, -1), grid[:, None], align_corners=True)[
            :, :, 0
        ]  # (2, 3, P)
        return torch.lerp(looked_up[0], looked_up[1], lod - fine).T

    def _grid(self, uv: torch.Tensor, level: torch.Tensor) -> torch.Tensor:
        width, height = self.sizes[level].unbind(-1)
        column, row = texels_from_uv(uv - uv.floor(), width, height)
        position = torch.stack([column + 1, row + 1 + self.tops[level]], dim=-1)
        last = position.new_tensor([self.image.shape[-1] - 1, self.image.shape[-2] - 1])
        return 2 * position / last - 1
