"""The white-box baseline: one gradient ranks every place and colour, the file itself is asked in that order."""

from collections.abc import Generator
from dataclasses import dataclass

import numpy as np

from rig.attack.pixel.settings import SearchSettings
from rig.attack.pixel.space import CORNERS
from rig.attack.pixel.task import Task

LINE = np.arange(1, 8) / 8  # of the way from a pixel's own colour to the corner chosen for it


@dataclass(frozen=True, eq=False)
class Slope:
    """Asked for by a method: d margin / d 8-bit value, (H, W, 3), of the image with `pixels` (k, 5) set. Costs queries."""

    pixels: np.ndarray


def white_box(task: Task, settings: SearchSettings, rng: np.random.Generator) -> Generator:
    """Pixels one after the other; then each in turn is taken back and chosen anew while that still gains.

    Yields candidates (n, k, 5) or a Slope, is sent their losses (n,) or the gradient.
    """
    chosen = np.empty((0, 5), np.int64) if task.start is None else task.start.pixels
    best = np.inf
    while True:
        before = best
        for _ in range(task.n_pixels):
            kept = chosen if len(chosen) < task.n_pixels else chosen[1:]
            pixel, loss = yield from _best_pixel(task, settings, kept)
            if loss < best or len(kept) == len(chosen):
                chosen, best = np.concatenate([kept, pixel[None]]), loss
            else:
                chosen = np.roll(chosen, -1, axis=0)
        if best >= before:
            return


def _best_pixel(task: Task, settings: SearchSettings, kept: np.ndarray) -> Generator:
    """The best (5,) to add to `kept` among the most promising, and the loss with it."""
    ranked = promising(task.image, kept, (yield Slope(kept)))[: _share(task, settings)]
    best, best_loss = ranked[0], np.inf
    for start in range(0, len(ranked), settings.population):
        best, best_loss = yield from _better(kept, ranked[start : start + settings.population], best, best_loss)
    return (yield from _better(kept, on_the_line(task.image, best), best, best_loss))


def _better(kept: np.ndarray, pixels: np.ndarray, best: np.ndarray, best_loss: float) -> Generator:
    losses = yield np.stack([np.concatenate([kept, pixel[None]]) for pixel in pixels])
    first = int(losses.argmin())
    return (pixels[first], float(losses[first])) if losses[first] < best_loss else (best, best_loss)


def _share(task: Task, settings: SearchSettings) -> int:
    """Queries for one choice of one pixel; every pixel is chosen twice within the budget."""
    if task.n_pixels == 1 or settings.max_queries is None:
        return 8 * task.image.shape[0] * task.image.shape[1]
    return max(1, settings.max_queries // (2 * task.n_pixels) - len(LINE) - 1)


def promising(image: np.ndarray, kept: np.ndarray, slope: np.ndarray) -> np.ndarray:
    """(8 H W, 5): every place with every corner of the colour cube, the largest fall of the loss to first order first."""
    height, width = image.shape[:2]
    falls = ((image[:, :, None].astype(np.float64) - CORNERS) * slope[:, :, None]).sum(axis=-1)  # (H, W, 8)
    falls[kept[:, 0], kept[:, 1]] = -np.inf  # chosen already
    order = np.argsort(-falls.ravel(), kind="stable")
    row, column, corner = np.unravel_index(order, (height, width, 8))
    return np.column_stack([row, column, CORNERS[corner]])


def on_the_line(image: np.ndarray, pixel: np.ndarray) -> np.ndarray:
    """(7, 5): the pixel's place with colours from its own towards `pixel`'s."""
    own = image[pixel[0], pixel[1]].astype(np.float64)
    colors = np.rint(own + LINE[:, None] * (pixel[2:] - own)).astype(np.int64)
    return np.concatenate([np.broadcast_to(pixel[:2], (len(LINE), 2)), colors], axis=1)
