"""rig's own search: single pixels evenly over the image first, then the best varied one pixel at a time.

Scores only. Colours are mostly corners of the colour cube: there the extremes of nearly every network lie.
No candidate is asked about twice.
"""

from collections.abc import Generator

import numpy as np

from rig.attack.pixel.memory import first_of_each, picture_keys
from rig.attack.pixel.settings import SearchSettings
from rig.attack.pixel.space import CORNERS, Space
from rig.attack.pixel.task import Task

# plastic number: x^3 = x + 1. Multiples of 1/p and 1/p^2 cover the unit square evenly at any length (Roberts 2018)
PLASTIC = 1.324717957244746
REACH_FRAC = 0.06  # of the image's side: typical step of a pixel that moves
COLOR_STEP = 80.0  # 8-bit, typical step of a colour that leaves its corner
PATIENCE = 100  # steps in a row without a candidate not asked before: a tiny image is exhausted
RANK_DECAY = 0.85  # the i-th best is varied that much less often than the one before


def pixelwise(task: Task, settings: SearchSettings, rng: np.random.Generator) -> Generator:
    """Yields candidates (n, K, 5), is sent their losses (n,)."""
    space, seen = task.space, _Seen()
    evenly = EvenPlaces(space, rng)
    most = settings.screen if settings.max_queries is None else min(settings.screen, settings.max_queries // 4)
    first = [np.repeat(fresh(evenly, max(1, most), rng), space.n_pixels, axis=1)]
    if settings.use_start and task.start is not None:
        first.insert(0, task.started()[None])
    pool = seen.new(np.concatenate(first))
    losses = yield pool
    while True:
        pool, losses = _best(pool, losses, settings.elite)
        drawn = (seen.new(vary(space, pool, evenly, settings, rng)) for _ in range(PATIENCE))
        children = next((children for children in drawn if len(children)), None)
        if children is None:
            return
        child_losses = yield children
        pool, losses = np.concatenate([pool, children]), np.concatenate([losses, child_losses])


class EvenPlaces:
    """Places without end, evenly spread at every length, from a random beginning."""

    def __init__(self, space: Space, rng: np.random.Generator):
        self._size_px, self._begin, self._given = [space.height_px, space.width_px], rng.random(2), 0

    def take(self, n: int) -> np.ndarray:
        """The next (n, 2): row, column."""
        numbers = np.arange(self._given + 1, self._given + n + 1)[:, None]
        self._given += n
        return ((self._begin + numbers / [PLASTIC, PLASTIC**2]) % 1 * self._size_px).astype(np.int64)


def fresh(evenly: EvenPlaces, n: int, rng: np.random.Generator) -> np.ndarray:
    """(n, 1, 5): single pixels at even places, each a random corner of the colour cube."""
    return np.concatenate([evenly.take(n), CORNERS[rng.integers(0, 8, n)]], axis=1)[:, None]


def _best(pool: np.ndarray, losses: np.ndarray, n: int) -> tuple[np.ndarray, np.ndarray]:
    """The n best in different sets of places: variants of one place must not crowd out all others."""
    order = np.argsort(losses, kind="stable")
    places = np.sort(pool[order, :, 0] << 20 | pool[order, :, 1], axis=1)
    chosen = order[first_of_each([one.tobytes() for one in places], known=())[:n]]
    return pool[chosen], losses[chosen]


def vary(space: Space, pool: np.ndarray, evenly: EvenPlaces, settings: SearchSettings, rng) -> np.ndarray:
    """A step's children (n, K, 5): a good candidate each, one of its pixels moved, recoloured, exchanged or new."""
    n, k = settings.population, space.n_pixels
    shares = np.cumsum(RANK_DECAY ** np.arange(len(pool)))
    children = pool[np.searchsorted(shares / shares[-1], rng.random(n), side="right")]  # as rng.choice(p=) does, faster
    which, slot = np.arange(n), rng.integers(0, k, n)
    pixels = children[which, slot]
    donors = pool[rng.integers(0, len(pool), n), rng.integers(0, k, n)]
    kinds = [_moved(space, pixels, rng), _recolored(pixels, rng), donors if k > 1 else _recolored(pixels, rng)]
    changed = np.choose(rng.integers(0, 3, n)[:, None], kinds)
    is_new = rng.random(n) < settings.explore_frac
    changed[is_new] = fresh(evenly, int(is_new.sum()), rng)[:, 0] if is_new.any() else changed[is_new]
    children[which, slot] = changed
    return children


def _moved(space: Space, pixels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    reach = 1 + REACH_FRAC * np.array([space.height_px, space.width_px])
    offsets = np.rint(rng.normal(0, reach, (len(pixels), 2))).astype(np.int64)
    moved = pixels.copy()
    moved[:, :2] = np.minimum(np.maximum(pixels[:, :2] + offsets, 0), space.most[:2])
    return moved


def _recolored(pixels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Half a random corner of the colour cube, half a step from the colour they have."""
    recolored = pixels.copy()
    corners = CORNERS[rng.integers(0, 8, len(pixels))]
    near = np.rint(pixels[:, 2:] + rng.normal(0, COLOR_STEP, (len(pixels), 3)))
    near = np.minimum(np.maximum(near, 0), 255).astype(np.int64)
    recolored[:, 2:] = np.where(rng.random((len(pixels), 1)) < 0.5, corners, near)
    return recolored


class _Seen:
    """Candidates asked before; those that set the same pixels to the same colours are one."""

    def __init__(self):
        self._known: set[bytes] = set()

    def new(self, candidates: np.ndarray) -> np.ndarray:
        """Those not seen yet, each once."""
        keys = picture_keys(candidates)
        kept = first_of_each(keys, self._known)
        self._known.update(keys)
        return candidates[kept]
