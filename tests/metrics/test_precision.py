"""Views for a wanted width: the closed form against a search over the interval itself."""

import bisect

import pytest
from scipy.optimize import brentq
from scipy.stats import norm

from rig.metrics.precision import misses_expected, more_views_to_halve, views_for


def half_width(rate: float, n: int) -> float:
    """From the bounds where the score test of the rate just passes."""

    def score(true: float) -> float:
        return n * (rate - true) ** 2 - norm.isf(0.025) ** 2 * true * (1 - true)

    low = brentq(score, 0, min(rate, 1 - 1e-12), xtol=1e-15) if rate > 0 else 0.0
    high = brentq(score, max(rate, 1e-12), 1, xtol=1e-15) if rate < 1 else 1.0
    return (high - low) / 2


@pytest.mark.parametrize("rate", [0.0, 0.02, 0.3, 0.5, 0.885, 1.0])
@pytest.mark.parametrize("wanted", [0.01, 0.05, 0.2, 0.45])
def test_it_is_the_fewest_views_that_do(rate, wanted):
    n = views_for(rate, wanted)
    assert half_width(rate, n) <= wanted + 1e-9
    assert n == 1 or half_width(rate, n - 1) > wanted - 1e-9


@pytest.mark.parametrize(("k", "n"), [(0, 40), (177, 200), (1, 3), (50, 100)])
def test_halving_by_search(k, n):
    """The interval of the same rate narrows with every view, so the search may bisect."""
    counts = range(n, 10 * n + 10)
    first = bisect.bisect_left(counts, True, key=lambda m: half_width(k / n, m) <= half_width(k / n, n) / 2)
    assert more_views_to_halve(k, n) == pytest.approx(counts[first] - n, abs=1)


def test_no_views_no_advice():
    assert more_views_to_halve(0, 0) is None


def test_one_in_twenty_is_expected_to_miss():
    assert misses_expected(24) == pytest.approx(1.2)
