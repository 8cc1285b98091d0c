"""The difference of two rates with its interval, and p values corrected for how many there are."""

import math
from collections.abc import Sequence

from rig.metrics.intervals import CONFIDENCE, wilson


def newcombe(k_first: int, n_first: int, k_second: int, n_second: int, confidence: float = CONFIDENCE) -> tuple:
    """Interval of second - first, two independent samples: method 10 of Newcombe 1998, Stat. Med. 17, 873-890."""
    return _square_and_add(k_first, n_first, k_second, n_second, 0.0, confidence)


def newcombe_paired(both: int, only_first: int, only_second: int, neither: int, confidence: float = CONFIDENCE):
    """Interval of second - first on the same units: method 10 of Newcombe 1998, Stat. Med. 17, 2635-2650.

    Unlike a bootstrap's it has width where no unit differs; (-1, 1) without units.
    """
    n = both + only_first + only_second + neither
    first, second = both + only_first, both + only_second
    margins = first * (n - first) * second * (n - second)
    excess = both * neither - only_first * only_second
    shrunk = max(excess - n / 2, 0) if excess > 0 else excess  # the paper's continuity correction
    phi = shrunk / math.sqrt(margins) if margins else 0.0
    return _square_and_add(first, n, second, n, phi, confidence)


def _square_and_add(k_first, n_first, k_second, n_second, phi: float, confidence: float) -> tuple[float, float]:
    """Wilson's limits of both rates joined as if their errors had the correlation phi."""
    if not n_first or not n_second:
        return -1.0, 1.0
    first, second = k_first / n_first, k_second / n_second
    (low_1, high_1), (low_2, high_2) = wilson(k_first, n_first, confidence), wilson(k_second, n_second, confidence)
    down, up = (second - low_2, high_1 - first), (high_2 - second, first - low_1)
    difference = second - first
    return max(-1.0, difference - _joined(*down, phi)), min(1.0, difference + _joined(*up, phi))


def _joined(one: float, other: float, phi: float) -> float:
    return math.sqrt(max(0.0, one * one - 2 * phi * one * other + other * other))


def holm(p_values: Sequence[float]) -> list[float]:
    """Each p corrected for all of them: below 0.05, at most one such family in twenty is wrong anywhere. Holm 1979.

    Steps down from Bonferroni's correction and is never weaker.
    """
    order = sorted(range(len(p_values)), key=lambda i: p_values[i])
    corrected, least = [0.0] * len(p_values), 0.0
    for rank, i in enumerate(order):
        least = max(least, min(1.0, (len(p_values) - rank) * p_values[i]))
        corrected[i] = least
    return corrected
