"""EOT pixels: the same searches, but a candidate is judged by several frames at once (Athalye et al. 2018's expectation).

A candidate's loss is the mean over its frames; margins beyond the boundary by CLAMP no longer count, or one frame that is
fooled for certain would pay for others that are not. Every frame asked about is a query, so most candidates are judged by
the first frame alone: only the best of a step by that one go on to the others.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from rig.attack.pixel.change import PixelChange
from rig.attack.pixel.fitness import FITNESS
from rig.attack.pixel.search import METHODS
from rig.attack.pixel.settings import SearchSettings
from rig.attack.pixel.task import Task
from rig.errors import RigError
from rig.model import DeployedModel
from rig.views import derive_seed

CLAMP = 1.0  # logits
RACED_FRAC = 0.25  # of a step's candidates, the best by the first frame
BLOCK_FRAMES = 64  # held at a time


@dataclass(frozen=True, eq=False)
class Looks:
    """The `n` frames by which a candidate is judged: `frames` of pixels (K, 5) gives a slice of them, (k, H, W, 3)."""

    n: int
    frames: Callable[[np.ndarray, slice], np.ndarray]


@dataclass(frozen=True, eq=False)
class FoundExpected:
    """The candidate of the least loss, the share of its frames that reach the goal, and every image asked about."""

    task: Task
    change: PixelChange
    held_frac: float
    loss: float
    queries: int
    history: list[tuple[int, float]]  # (queries, loss) whenever the least loss fell


def search_expected(
    task: Task, looks: Looks, model: DeployedModel, settings: SearchSettings, seed: int
) -> FoundExpected:
    """Runs until the budget is spent: success on some frames is no reason to stop. Raises RigError without a budget."""
    if settings.method == "white-box":
        raise RigError("EOT pixels use scores only", got=settings.method, expected="a search without gradients")
    if settings.max_queries is None or settings.max_queries < looks.n:
        raise RigError("EOT pixels need a budget", got=settings.max_queries, expected=f"max_queries >= {looks.n}")
    rng = np.random.default_rng(derive_seed(seed, "EOT pixel", task.name, str(task.goal.target), task.n_pixels))
    steps = METHODS[settings.method](task, settings, rng)
    best, pixels, held_frac, queries, history = np.inf, None, 0.0, 0, []
    asked = next(steps)
    while len(asked := asked[: affordable(settings.max_queries - queries, looks.n)]):
        losses, raced, held, spent = _race(task, looks, model, settings, asked)
        queries += spent
        first = int(losses.argmin())
        if losses[first] < best:
            best, pixels, held_frac = float(losses[first]), asked[first].copy(), float(held[raced == first][0])
            history.append((queries, best))
        try:
            asked = steps.send(losses)
        except StopIteration:
            break
    steps.close()
    return FoundExpected(task, PixelChange(pixels), held_frac, best, queries, history)


def n_raced(n: int) -> int:
    return -(-n // round(1 / RACED_FRAC))


def affordable(queries: int, n_looks: int) -> int:
    """The most candidates that a step may have for so many queries."""
    most = int(queries / (1 + RACED_FRAC * (n_looks - 1)))
    while most + n_raced(most) * (n_looks - 1) > queries:
        most -= 1
    return most


def _race(task: Task, looks: Looks, model: DeployedModel, settings: SearchSettings, candidates: np.ndarray):
    """Losses (n,) of candidates (n, K, 5), which of them were judged by all frames, share held of those, queries.

    The others come behind every one of those, in the order that the first frame gives them.
    """
    by_first = _of_frames(task, looks, model, settings, candidates, slice(0, 1))[..., 0]
    raced = np.argsort(by_first[0], kind="stable")[: n_raced(len(candidates))]
    by_others = _of_frames(task, looks, model, settings, candidates[raced], slice(1, looks.n))
    of_raced, held = np.concatenate([by_first[:, raced, None], by_others], axis=2).mean(axis=2)
    losses = of_raced.max() + 1 + by_first[0] - by_first[0].min()
    losses[raced] = of_raced
    return losses, raced, held, len(candidates) + len(raced) * (looks.n - 1)


def _of_frames(task: Task, looks: Looks, model, settings, candidates: np.ndarray, which: slice) -> np.ndarray:
    """(2, n, k): clamped loss, and whether the goal is reached, of each candidate (n, K, 5) on each frame of a slice."""
    k, found = which.stop - which.start, []
    size = max(1, BLOCK_FRAMES // max(1, k))
    for start in range(0, len(candidates) if k else 0, size):
        frames = np.concatenate([looks.frames(pixels, which) for pixels in candidates[start : start + size]])
        logits = model.predict(frames)
        losses = np.maximum(FITNESS[settings.fitness](task.goal, logits), -CLAMP)
        found.append(np.stack([losses, task.goal.reached(logits)]).reshape(2, -1, k))
    return np.concatenate([np.empty((2, 0 if k else len(candidates), k)), *found], axis=1)
