import torch
import torch.nn.functional as F

from rig.render.texture import MipAtlas

GENERATOR = torch.Generator().manual_seed(0)


def by_grid_sample(texture, uv, lod):
    """The same lookup by torch's own: each level ringed by its opposite edges, blended between two levels."""
    levels = [texture[None]]
    while min(levels[-1].shape[-2:]) > 1:
        levels.append(F.avg_pool2d(levels[-1], 2, ceil_mode=True, count_include_pad=False))

    def at(level):
        ringed = F.pad(levels[level], (1, 1, 1, 1), mode="circular")
        height, width = levels[level].shape[-2:]
        size = torch.tensor([width, height])
        position = torch.stack([uv[:, 0], 1 - uv[:, 1]], 1) * size + 0.5
        grid = 2 * position / (size + 1) - 1
        return F.grid_sample(ringed, grid[None, None].to(ringed), align_corners=True)[0, :, 0].T

    rows = torch.stack([at(level) for level in range(len(levels))])
    fine = lod.floor().long().clamp(max=len(levels) - 1)
    coarse = (fine + 1).clamp(max=len(levels) - 1)
    pixels = torch.arange(len(uv))
    share = (lod.clamp(max=len(levels) - 1) - fine)[:, None]
    return rows[fine, pixels] * (1 - share) + rows[coarse, pixels] * share


def test_lookup_and_its_gradient_are_those_of_torchs_own_sampler():
    texture = torch.rand(3, 24, 36, generator=GENERATOR)  # odd sizes on the way down
    uv, lod = torch.rand(500, 2, generator=GENERATOR), 6 * torch.rand(500, generator=GENERATOR)
    uv[:4] = torch.tensor([[0.0, 0.0], [1e-4, 0.9999], [0.9999, 1e-4], [0.5, 0.9999]])  # where the texture repeats
    cotangent = torch.randn(500, 3, generator=GENERATOR)
    found = []
    for look_up in (lambda leaf: MipAtlas(leaf).sample(uv, lod), lambda leaf: by_grid_sample(leaf, uv, lod)):
        leaf = texture.clone().requires_grad_()
        colors = look_up(leaf)
        colors.backward(cotangent)
        found.append((colors.detach(), leaf.grad))
    for ours, theirs in zip(*found, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4)


def test_a_footprint_is_the_same_for_part_of_the_pixels():
    atlas = MipAtlas(torch.rand(3, 16, 16, generator=GENERATOR))
    uv, lod = torch.rand(9, 2, generator=GENERATOR), torch.rand(9, generator=GENERATOR)
    footprint = atlas.footprint(uv, lod)
    torch.testing.assert_close(footprint.weights.sum(1), torch.ones(9))
    torch.testing.assert_close(atlas.look_up(footprint[1::3]), atlas.sample(uv, lod)[1::3])


def test_what_a_leaf_pulls_goes_on_through_the_atlas():
    texture = torch.rand(3, 16, 16, generator=GENERATOR, requires_grad=True)
    uv, lod = torch.rand(9, 2, generator=GENERATOR), torch.rand(9, generator=GENERATOR)
    atlas = MipAtlas(texture)
    leaf = atlas.leaf()
    (pulled,) = torch.autograd.grad(leaf.sample(uv, lod).square().sum(), leaf.texels)
    atlas.texels.backward(pulled)
    through_leaf = texture.grad
    texture.grad = None
    MipAtlas(texture).sample(uv, lod).square().sum().backward()
    torch.testing.assert_close(through_leaf, texture.grad)
