"""Slopes of a deployed model's own logits by central differences, each with how sure it is.

A float32 network is smooth only in between: steps too small drown in rounding, steps too large cross kinks, and a
quantised one is a staircase. So every slope is taken over a ladder of steps, each twice the last, and read where three
neighbours agree best; how far they still differ is its uncertainty.
"""

from dataclasses import dataclass

import numpy as np
import torch

from rig.model.deployed import DeployedModel

LADDER = tuple(2.0**k / 255 for k in range(-10, 5))
BYTE_LADDER = tuple(k / 255 for k in (1, 2, 4, 8, 16))  # a model that takes bytes sees whole steps only
CONCLUSIVE_FRAC = 0.05  # of a slope: an uncertainty beyond this says nothing about the gradient
CELLS = (4, 16)  # a side of the image, in random directions


@dataclass(frozen=True)
class Slopes:
    """Of R directions on each of B images, (R, B): by the gradient, by differences, and how sure the latter are."""

    by_gradient: np.ndarray
    by_difference: np.ndarray
    uncertainty: np.ndarray

    @property
    def conclusive(self) -> np.ndarray:
        return (self.by_difference != 0) & (self.uncertainty <= CONCLUSIVE_FRAC * np.abs(self.by_difference))

    @property
    def ratios(self) -> np.ndarray:
        """Slope by the gradient over slope by differences; not a number where that is not conclusive."""
        kept = np.where(self.conclusive, self.by_difference, np.nan)
        return self.by_gradient / kept


def compare_slopes(model: DeployedModel, gradient, images: torch.Tensor, ladder=None) -> Slopes:
    """Row 0 along the signs of the gradient, then random directions, of a random mixture of the logits.

    `images` (B, 3, H, W) are of 8-bit values that leave the largest step room within [0, 1].
    """
    generator = torch.Generator().manual_seed(0)
    mixture = torch.randn(len(model.labels), generator=generator)
    _, grad, _ = gradient.value_and_grad(images, lambda logits: (logits * mixture.to(logits.device)).sum(1))
    directions = torch.stack([grad.nan_to_num().sign(), *(_blocks(images, cells, generator) for cells in CELLS)])
    ladder = ladder or (BYTE_LADDER if model.card.input.dtype == "uint8" else LADDER)
    rungs = np.stack([_differences(model, images, directions, mixture.numpy(), step) for step in ladder])
    by_gradient = (grad.double() * directions.double()).sum((2, 3, 4)).numpy()
    return Slopes(by_gradient, *_settled(rungs))


def _blocks(images: torch.Tensor, cells: int, generator: torch.Generator) -> torch.Tensor:
    """Random signs (B, 3, H, W), constant over blocks: smooth, as finer ones cross more kinks for less slope."""
    signs = torch.randint(0, 2, (len(images), 3, cells, cells), generator=generator) * 2.0 - 1
    return torch.nn.functional.interpolate(signs, images.shape[-2:], mode="nearest")


def _differences(model: DeployedModel, images, directions, mixture: np.ndarray, step: float) -> np.ndarray:
    """(R, B)."""
    ahead, behind = (
        model.logits((images + side * step * directions).flatten(0, 1)).astype(np.float64) for side in (1, -1)
    )
    return ((ahead - behind) @ mixture.astype(np.float64)).reshape(directions.shape[:2]) / (2 * step)


def _settled(rungs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(L, ...) slopes over the ladder to the middle of the three neighbours that agree best, and their spread."""
    if len(rungs) < 3:
        return rungs[0], np.full_like(rungs[0], np.inf)
    triples = np.stack([rungs[:-2], rungs[1:-1], rungs[2:]])
    spreads = np.ptp(triples, axis=0)
    best = spreads.argmin(0)[None]
    return tuple(np.take_along_axis(values, best, 0)[0] for values in (np.median(triples, axis=0), spreads))
