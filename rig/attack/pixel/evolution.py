"""Differential evolution (Storn & Price 1997) as Su, Vargas and Sakurai 2019 use it: rand/1, no crossover."""

from collections.abc import Generator

import numpy as np

from rig.attack.pixel.settings import SearchSettings
from rig.attack.pixel.space import Space
from rig.attack.pixel.task import Task

COLOR_MEAN, COLOR_STD = 128, 127  # of the first population's colours, Su et al. 2019


def evolution(task: Task, settings: SearchSettings, rng: np.random.Generator) -> Generator:
    """Yields candidates (n, K, 5), is sent their losses (n,); ends when it has no more to ask."""
    space = task.space
    parents = first_population(space, settings.population, rng)
    if settings.use_start and task.start is not None:
        parents[0] = task.started()
    losses = yield space.decode(parents)
    for _ in range(settings.generations):
        if settings.stop == "confident" and losses.min() < confident_loss(task, settings):
            return
        children = space.clip(rand_1(parents, settings.scale, rng))
        child_losses = yield space.decode(children)
        better = child_losses < losses  # a child competes with its own parent only
        parents = np.where(better[:, None, None], children, parents)
        losses = np.where(better, child_losses, losses)


def confident_loss(task: Task, settings: SearchSettings) -> float:
    """The probability fitness below which the paper stops."""
    return settings.confident_true_prob if task.goal.target is None else -settings.confident_target_prob


def first_population(space: Space, n: int, rng: np.random.Generator) -> np.ndarray:
    """Places uniform, colours normal about mid-grey, clipped: a third of the channels begin at 0 or 255."""
    places = rng.random((n, space.n_pixels, 2)) * [space.height_px, space.width_px]
    colors = rng.normal(COLOR_MEAN, COLOR_STD, (n, space.n_pixels, 3))
    return space.clip(np.concatenate([places, colors], axis=-1))


def rand_1(parents: np.ndarray, scale: float, rng: np.random.Generator) -> np.ndarray:
    """r1 + F (r2 - r3) for each parent (n, ...), the three distinct and other than it."""
    r1, r2, r3 = three_others(len(parents), rng)
    return parents[r1] + scale * (parents[r2] - parents[r3])


def three_others(n: int, rng: np.random.Generator) -> np.ndarray:
    """(3, n): for each i three distinct indices other than i, uniformly.

    Each is drawn from as many as are still free and shifted past those taken, smallest first.
    """
    taken = np.arange(n)[None]
    for free in (n - 1, n - 2, n - 3):
        drawn = rng.integers(0, free, n)
        for one in np.sort(taken, axis=0):
            drawn += drawn >= one
        taken = np.concatenate([taken, drawn[None]])
    return taken[1:]
