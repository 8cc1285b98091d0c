"""Where a sweep's next views go: into cells of equal probability, more where the answer is uncertain or changes."""

from collections.abc import Sequence

import numpy as np

from rig.views import placed_ids

NEIGHBOURS_COUNT = 2.0  # views: how much the cells beside it say about a cell
UNKNOWN = 0.5  # a hit and a miss, half each, nobody saw: no cell is ever certain
GROWTH = 0.5  # a round adds at most this share of what was spent


def equally(n_cells: int, n: int) -> np.ndarray:
    """(H,) views of the first round."""
    return whole(np.full(n_cells, n / n_cells))


def round_ids(split: str, rounds: Sequence[Sequence[int]], number: int) -> list[str]:
    """Ids of the views of one round; rounds (R, H): views of each round in each cell."""
    cells = np.repeat(np.arange(len(rounds[number])), rounds[number])
    return placed_ids(split, number, cells.tolist(), sum(map(sum, rounds[:number])))


def spread(hits: np.ndarray, views: np.ndarray, neighbours: list[list[int]]) -> np.ndarray:
    """(H,) standard deviation of one view's outcome in each cell. hits, views (H,).

    A cell that has seen only one answer is still expected to give another, the more so the more of its neighbours do:
    so the border between two answers is looked at from both sides.
    """
    beside = np.array([hits[near].sum() / max(1, views[near].sum()) if near else UNKNOWN for near in neighbours])
    expected = (hits + NEIGHBOURS_COUNT * beside + UNKNOWN) / (views + NEIGHBOURS_COUNT + 2 * UNKNOWN)
    return np.sqrt(expected * (1 - expected))


def allocate(variances: np.ndarray, n: int) -> np.ndarray:
    """(H,) views of the next round, n >= H in all: Neyman's, in proportion to the standard deviation, but one everywhere.

    A round without a view of some cell would be no sample of the whole distribution. `variances` (H,): of one view's
    outcome in each cell, summed over all rates that are to be known.
    """
    wanted = np.sqrt(variances)
    return 1 + whole((n - len(wanted)) * wanted / wanted.sum())


def whole(shares: np.ndarray) -> np.ndarray:
    """Whole numbers of the same sum: largest remainders first, the earlier cell at a tie."""
    found = np.floor(shares + 1e-9).astype(int)
    missing = round(shares.sum()) - found.sum()
    found[np.argsort(-(shares - found), kind="stable")[:missing]] += 1
    return found


def next_size(spent: int, half_width: float, wanted: float, most: int, n_cells: int) -> int:
    """Views of the next round; 0 where the interval is narrow enough, or the budget leaves no whole round.

    As many as the wanted half-width should need, by its square; at most half as many as were spent, as the allocation
    gets better with each round. What would be left over and makes no round joins the last.
    """
    left = most - spent
    if half_width <= wanted or left < n_cells:
        return 0
    needed = spent * ((half_width / wanted) ** 2 - 1)
    size = int(np.clip(np.ceil(needed), n_cells, max(n_cells, GROWTH * spent)))
    return left if left - size < n_cells else size
