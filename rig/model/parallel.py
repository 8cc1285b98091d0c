"""Several one-thread gradients side by side: small passes gain more from another core than from more threads each."""

import copy
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from queue import SimpleQueue
from typing import TYPE_CHECKING

import torch

from rig.model.deployed import DeployedModel
from rig.model.proof import among

if TYPE_CHECKING:
    from rig.model.compiled import CompiledGradient

MAX_WORKERS = 4  # each holds its own activations, and takes about a second to build
LEAST_SHARE = 4  # images, or a pass where that is more; a smaller batch is one worker's


class SideBySide:
    """The same gradient, its batch shared out over workers; results do not depend on how many there are.

    May be called from several threads at once.
    """

    def __init__(self, make: Callable[[DeployedModel], "CompiledGradient"], model: DeployedModel):
        alone = copy.copy(model)
        alone.threads = 1
        n_workers = min(MAX_WORKERS, model.threads or len(os.sched_getaffinity(0)))
        workers = [make(alone) for _ in range(n_workers)]
        self.n_workers, self._free = n_workers, SimpleQueue()
        self.share = max(LEAST_SHARE, workers[0].chunk)
        for worker in workers:
            self._free.put(worker)
        self._pool = ThreadPoolExecutor(n_workers)
        self.road = workers[0].road
        self.max_logit_error = workers[0].max_logit_error
        self.stand_in = workers[0].stand_in

    def value_and_grad(self, batch, objective):
        """As `rig.model.gradient.Gradient`."""

        def one(rows):
            worker = self._free.get()
            try:
                return worker.value_and_grad(
                    batch[rows], lambda logits: objective(among(logits, rows, len(batch)))[rows]
                )
            finally:
                self._free.put(worker)

        shares = _shares(len(batch), min(self.n_workers, max(1, len(batch) // self.share)))
        parts = list(self._pool.map(one, shares)) if len(shares) > 1 else [one(shares[0])]
        return tuple(torch.cat(parts_of_one) for parts_of_one in zip(*parts, strict=True))


def _shares(n: int, n_workers: int) -> list[slice]:
    """Contiguous slices of nearly equal size; one empty slice for an empty batch."""
    bounds = [round(i * n / n_workers) for i in range(n_workers + 1)]
    found = [slice(start, stop) for start, stop in zip(bounds, bounds[1:], strict=False) if stop > start]
    return found or [slice(0, 0)]
