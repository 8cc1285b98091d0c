"""The rate of a whole from cells seen unequally often, and its interval.

A cell's rate counts by the cell's share, however many of the views lie in it. The interval inverts the score test: a
rate R is inside while |R - rate| <= z sqrt(V), with V the variance under the likeliest rates of the cells among those
that average R (Martin Andres, Herranz Tejedor and Alvarez Hernandez, "The optimal method to make inferences about a
linear combination of proportions", J. Stat. Comput. Simul. 82, 2012: their S0). With one cell it is Wilson's.
"""

import numpy as np
from scipy.optimize import brentq
from scipy.stats import norm

from rig.metrics.intervals import CONFIDENCE

METHOD = "weighted; stratified score interval"
SMALLEST, LARGEST = 1e-6, 1e4  # of the multiplier below; LARGEST times what moves any cell


def weighted(hits: np.ndarray, weights: np.ndarray, cells: np.ndarray) -> dict:
    """The rate of views that count by weights, with its interval. All (n,), a view each.

    weights: 1 in all over each cell if all of its views are here (rig.metrics.weights); a part of them gives a ratio.
    `k` and `n` count views, so that `rate` is not k / n; `worth`: n of equal weights with the same sum (Kish).
    """
    known, index = np.unique(cells, return_inverse=True)
    if not len(known):
        return {"k": 0, "n": 0, "rate": None, "low": 0.0, "high": 1.0, "method": METHOD, "worth": 0.0}
    present, squares = np.bincount(index, weights), np.bincount(index, weights**2)
    shares, rates = present / present.sum(), np.bincount(index, weights * hits) / present
    low, high = stratified_score(rates, present**2 / squares, shares, np.minimum(present, 1.0))
    worth = float(present.sum() ** 2 / squares.sum())
    found = {"k": int(hits.sum()), "n": len(hits), "rate": float(shares @ rates), "low": low, "high": high}
    return found | {"method": METHOD, "worth": worth}


def over_rounds(hits: np.ndarray, views: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rates of the cells, and how many independent views each is worth. hits, views (R, H); every view count >= 1.

    Each round is a sample of all cells, allocated by earlier rounds only; rounds are averaged by their size, not their
    counts added. So a view counts by N_round / (H n_round,cell): added counts are biased, as a cell that looked certain
    by chance is looked at less and keeps its error.
    """
    sizes = views.sum(axis=1, keepdims=True) / views.sum()
    return (sizes * hits / views).sum(axis=0), 1 / (sizes**2 / views).sum(axis=0)


def stratified_score(
    rates: np.ndarray,
    views: np.ndarray,
    shares: np.ndarray,
    present: np.ndarray | float = 1.0,
    confidence: float = CONFIDENCE,
) -> tuple[float, float]:
    """Interval of sum(shares * rates). All (H,), cells without a view left out.

    views: how many independent views a cell's rate is worth; shares: sum to 1; present: of all views in the cell the
    share that counts, where the rate is one of some views only (a ratio: its shares are then estimates too).
    """
    z = norm.isf((1 - confidence) / 2)
    # H - 1 rates are estimated beside the one that is tested: their degrees of freedom, evenly from all cells
    free = np.maximum(views - 1 + 1 / len(views), views / 2)
    low = 1 - _upper(1 - rates, free, shares, present, z)
    return low, _upper(rates, free, shares, present, z)


def _upper(rates: np.ndarray, views: np.ndarray, shares: np.ndarray, present, z: float) -> float:
    """The bound above, found along the multiplier that holds the cells' average at R (`_likeliest`)."""
    estimate = float(shares @ rates)
    if estimate >= 1:
        return 1.0

    def excess(log_multiplier: float) -> float:
        likely = _likeliest(rates, views, shares, np.exp(log_multiplier))
        within = float(shares**2 @ (likely * (1 - likely) / views))
        between = float(shares**2 @ ((1 - present) / views * (likely - shares @ likely) ** 2))
        # (R - rate) is multiplier x within: the derivative of the likelihood
        return (np.exp(log_multiplier) * within) ** 2 / (within + between) - z * z if within else -z * z

    ends = np.log([SMALLEST, LARGEST * np.max(views / shares)])
    if excess(ends[1]) < 0:
        return 1.0
    found = brentq(excess, *ends, xtol=1e-10)
    return float(shares @ _likeliest(rates, views, shares, np.exp(found)))


def _likeliest(rates: np.ndarray, views: np.ndarray, shares: np.ndarray, multiplier: float) -> np.ndarray:
    """Maximum of sum(views (rate log p + (1 - rate) log(1 - p))) + multiplier sum(shares p), for a multiplier > 0."""
    pull = multiplier * shares
    linear = views - pull
    root = np.sqrt(linear**2 + 4 * pull * views * rates)
    return np.where(
        linear > 0, 2 * views * rates / np.where(linear > 0, linear + root, 1), (root - linear) / (2 * pull)
    )
