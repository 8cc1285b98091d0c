"""A step's views are looked at a few at a time, on all cores; what pulls on the texture is summed in their order."""

import os
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache

import torch

from rig.render import MipAtlas, PreparedView

MAX_THREADS = 4


@dataclass(frozen=True)
class Look:
    """A share of a step's views as the model sees them."""

    atlas: MipAtlas  # a leaf: where this share's gradient ends
    batch: torch.Tensor  # (B, 3, H, W)
    delta_e: torch.Tensor  # (n,) at some of the object's pixels
    losses: torch.Tensor  # (B,)
    gradient: torch.Tensor  # (B, 3, H, W), d loss / d batch
    logits: torch.Tensor  # (B, K)

    def pull(self, loss_weights: torch.Tensor, delta_e_weight: float) -> torch.Tensor:
        """d (loss_weights (B,) x losses + delta_e_weight x sum of delta_e) / d atlas.texels."""
        ends = [self.batch, self.delta_e]
        pulls = [self.gradient * loss_weights[:, None, None, None], torch.full_like(self.delta_e, delta_e_weight)]
        return torch.autograd.grad(ends, self.atlas.texels, pulls)[0]


def in_shares(prepared: Sequence[PreparedView], size: int | None) -> list[Sequence[PreparedView]]:
    """As many views in each whatever the machine, so that sums over shares do not depend on it; None: one share."""
    size = size or len(prepared)
    return [prepared[start : start + size] for start in range(0, len(prepared), size)]


def mean_delta_e(looks: list[Look]) -> float:
    return float(torch.cat([look.delta_e.detach() for look in looks]).mean())


def pull(looks: list[Look], loss_weights: torch.Tensor, delta_e_weight: float) -> torch.Tensor:
    """d (loss_weights x losses + delta_e_weight x mean Delta-E) / d atlas.texels, over all shares."""
    n_pixels = sum(len(look.delta_e) for look in looks)
    weights = loss_weights.split([len(look.losses) for look in looks])
    return sum(each(lambda look, share: look.pull(share, delta_e_weight / n_pixels), looks, weights))


def each(function: Callable, *items: Iterable) -> list:
    """map() on all cores, in order."""
    return list(_pool().map(function, *items))


@cache
def _pool() -> ThreadPoolExecutor:
    n_threads = min(MAX_THREADS, len(os.sched_getaffinity(0)))
    return ThreadPoolExecutor(n_threads, "look", torch.set_num_threads, (1,))
