"""What a search is held against: pixels at random at equal queries, and for one pixel a grid of all there are."""

from collections.abc import Generator

import numpy as np

from rig.attack.pixel.settings import SearchSettings
from rig.attack.pixel.task import Task
from rig.errors import RigError


def random_search(task: Task, settings: SearchSettings, rng: np.random.Generator) -> Generator:
    """Places and colours uniform, independent; without end, so a budget must be set."""
    space = task.space
    while True:
        yield rng.integers(0, space.most + 1, (settings.population, space.n_pixels, 5))


def exhaustive(task: Task, settings: SearchSettings, rng: np.random.Generator) -> Generator:
    """Every place with every colour of a lattice, `levels` a channel from 0 to 255: what one pixel can do at all.

    The lattice is a lower bound of the whole colour cube, and no search of it can find more.
    """
    space = task.space
    if space.n_pixels != 1:
        raise RigError("only single pixels can be tried exhaustively", got=space.n_pixels, expected=1)
    channel = np.rint(np.linspace(0, 255, settings.levels)).astype(np.int64)
    colors = np.stack(np.meshgrid(channel, channel, channel, indexing="ij"), axis=-1).reshape(-1, 3)
    places = np.stack(np.indices((space.height_px, space.width_px)), axis=-1).reshape(-1, 2)
    for color in colors:
        yield np.concatenate([places, np.broadcast_to(color, (len(places), 3))], axis=1)[:, None]
