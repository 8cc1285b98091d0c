"""Expectation over 2D transformations of photographs (Athalye et al. 2018, section 3.1), within an Linf budget."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from scipy.stats import qmc

from rig.attack.goal import Objective
from rig.model import Gradient
from rig.views import derive_seed

MOMENTUM = 0.9


@dataclass(frozen=True)
class PlaneRanges:
    """Uniform and independent. `shift_frac`: of the picture's side, each way; what comes in from outside is black."""

    rotation_deg: tuple[float, float] = (-22.5, 22.5)
    scale: tuple[float, float] = (0.9, 1.4)
    shift_frac: tuple[float, float] = (-0.1, 0.1)
    lighten: tuple[float, float] = (-0.05, 0.05)
    noise_std: tuple[float, float] = (0.0, 0.1)


@dataclass(frozen=True)
class PlaneViews:
    """n drawn transformations."""

    world_from_image: torch.Tensor  # (n, 2, 3) as F.affine_grid takes it
    lighten: torch.Tensor  # (n,)
    noise_std: torch.Tensor  # (n,)
    noise_seed: int

    def of(self, image: torch.Tensor) -> torch.Tensor:
        """(n, 3, H, W) in [0, 1] of one image (3, H, W); differentiable."""
        n = len(self.lighten)
        grid = F.affine_grid(self.world_from_image, (n, *image.shape), align_corners=False)
        seen = F.grid_sample(image.expand(n, *image.shape), grid, align_corners=False)
        generator = torch.Generator().manual_seed(self.noise_seed)
        noise = torch.randn(seen.shape, generator=generator) * self.noise_std[:, None, None, None]
        return (seen + self.lighten[:, None, None, None] + noise).clamp(0, 1)


def draw_plane_views(ranges: PlaneRanges, n: int, seed: int, *name: str | int, stratified: bool = False) -> PlaneViews:
    """Independent draws; or, for an optimiser's steps, one in each of n slices of every range (a Latin hypercube)."""
    noise_seed = derive_seed(seed, *name)
    rng = np.random.default_rng(noise_seed)
    units = qmc.LatinHypercube(6, rng=rng).random(n) if stratified else rng.random((n, 6))
    spans = np.array(
        [ranges.rotation_deg, ranges.scale, ranges.shift_frac, ranges.shift_frac, ranges.lighten, ranges.noise_std]
    )
    angle_deg, scale, right, down, lighten, noise_std = (spans[:, 0] + units * np.diff(spans).T).T
    cosine, sine = (f(np.radians(angle_deg)) / scale for f in (np.cos, np.sin))
    # affine_grid runs from -1 to 1 over a side, so a shift by a side is 2
    rows = np.stack([cosine, -sine, -2 * right, sine, cosine, -2 * down], axis=1).reshape(n, 2, 3)
    as_tensor = [torch.from_numpy(values.astype(np.float32)) for values in (rows, lighten, noise_std)]
    return PlaneViews(*as_tensor, noise_seed)


def attack_images(
    images: torch.Tensor,
    gradient: Gradient,
    objective: Objective,
    ranges: PlaneRanges,
    epsilon: float,
    steps: int,
    views_per_step: int,
    seeds: Sequence[int],
) -> torch.Tensor:
    """The images (N, 3, H, W) in [0, 1], each changed by at most `epsilon` a channel so that the objective falls over its views.

    Signed steps with momentum (Dong et al. 2018), from epsilon / 2 down to nothing along a cosine; a step asks for
    `views_per_step` gradients of each image. Logits come image by image; the draws of each follow from its own seed.
    """
    adversarial, momentum = images.clone(), torch.zeros_like(images)
    for step in range(steps):
        views = [draw_plane_views(ranges, views_per_step, seed, "attack", step, stratified=True) for seed in seeds]
        variable = adversarial.clone().requires_grad_()
        batch = torch.cat([some.of(image) for some, image in zip(views, variable, strict=True)])
        _, pull, _ = gradient.value_and_grad(batch.detach(), objective)
        (slope,) = torch.autograd.grad(batch, variable, pull / views_per_step)
        momentum = MOMENTUM * momentum + slope / slope.abs().mean(dim=(1, 2, 3), keepdim=True).clamp(min=1e-12)
        size = epsilon / 2 * 0.5 * (1 + math.cos(math.pi * step / steps))
        moved = adversarial - size * momentum.sign()
        adversarial = torch.minimum(torch.maximum(moved, images - epsilon), images + epsilon).clamp(0, 1)
    return adversarial
