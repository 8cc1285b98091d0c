"""How many views an interval of a given width takes, and what to make of many intervals at once."""

import math
from statistics import NormalDist

from rig.metrics.intervals import CONFIDENCE, clopper_pearson, wilson

WORST = ("k", "n", "rate", "worth")  # of a cell, what its figure keeps


def views_for(rate: float, half_width: float, confidence: float = CONFIDENCE) -> int:
    """The fewest views whose Wilson interval reaches no further than `half_width` to either side of its middle.

    With u = z^2 / n the half-width h of Wilson's interval solves (1/4 - h^2) u^2 + (p (1 - p) - 2 h^2) u - h^2 = 0.
    Below 1/2, as no interval of a rate is wider.
    """
    z2, h2 = NormalDist().inv_cdf(0.5 + confidence / 2) ** 2, half_width**2
    a, b = 0.25 - h2, rate * (1 - rate) - 2 * h2
    u = (math.sqrt(b * b + 4 * a * h2) - b) / (2 * a)
    return math.ceil(z2 / u)


def more_views_to_halve(k: int, n: int, confidence: float = CONFIDENCE) -> int | None:
    """Views to add until the interval of k of n is half as wide, should the rate stay what it is; None without views."""
    if n == 0:
        return None
    low, high = wilson(k, n, confidence)
    return max(0, views_for(k / n, (high - low) / 4, confidence) - n)


def misses_expected(n_intervals: int, confidence: float = CONFIDENCE) -> float:
    """How many of so many intervals are expected to miss the true value, though each holds what it promises."""
    return n_intervals * (1 - confidence)


def worst_cell(cells: list[dict]) -> dict:
    """The most fooled of m cells. It was chosen for its rate, so its interval is one for all m at once: Bonferroni's."""
    worst = max(cells, key=lambda cell: (cell["rate"], cell["n"]))
    bounds = [clopper_pearson(*_worth(cell), 1 - (1 - CONFIDENCE) / len(cells)) for cell in cells]
    low, high = (max(ends) for ends in zip(*bounds, strict=True))
    effective = " of effective counts (Korn and Graubard)" if "worth" in worst else ""
    method = f"Clopper-Pearson{effective}, Bonferroni over {len(cells)} cells"
    return {name: worst[name] for name in WORST if name in worst} | {"low": low, "high": high, "method": method}


def _worth(cell: dict) -> tuple[float, float]:
    """k and n; of weighted views as many as they are worth (Korn and Graubard, Survey Methodology 24, 1998)."""
    return (cell["rate"] * cell["worth"], cell["worth"]) if "worth" in cell else (cell["k"], cell["n"])
