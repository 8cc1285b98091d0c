"""Confidence intervals of rates, each with its method and its denominator."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from scipy.special import betaincinv
from scipy.stats import norm, t

from rig.errors import RigError

CONFIDENCE = 0.95
MIN_CLUSTERS = 10  # below, a bootstrap covers too little (protocols.md, section 5), expanded or not


def wilson(k: int, n: int, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """The score interval of k successes in n independent trials; (0, 1) for n = 0. Wilson 1927."""
    if n == 0:
        return 0.0, 1.0
    z = NormalDist().inv_cdf(0.5 + confidence / 2)
    rate, shrink = k / n, 1 + z * z / n
    middle = (rate + z * z / (2 * n)) / shrink
    half = z / shrink * math.sqrt(rate * (1 - rate) / n + z * z / (4 * n * n))
    # the bounds at k = 0 and k = n are 0 and 1 exactly; rounding must not move them
    return (0.0 if k == 0 else middle - half), (1.0 if k == n else middle + half)


def clopper_pearson(k: int, n: int, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """The exact interval: coverage is guaranteed, at the price of width; (0, 1) for n = 0."""
    if n == 0:
        return 0.0, 1.0
    tail = 0.5 - confidence / 2
    low = 0.0 if k == 0 else float(betaincinv(k, n - k + 1, tail))
    high = 1.0 if k == n else float(betaincinv(k + 1, n - k, 1 - tail))
    return low, high


@dataclass(frozen=True)
class ClusterInterval:
    """`design_effect`: variance over that of n independent trials (None where all values are equal)."""

    rate: float
    low: float
    high: float
    n: int
    n_clusters: int
    design_effect: float | None
    effective_n: float | None
    warning: str


def cluster_bootstrap(
    values: Sequence[float], clusters: Sequence, seed: int, confidence: float = CONFIDENCE, resamples: int = 10_000
) -> ClusterInterval:
    """Interval of the mean of `values` when whole clusters are the independent draws.

    Expanded percentiles: a bootstrap's spread is too small by sqrt((m - 1) / m) with m clusters, and normal where it
    should be Student's (Hesterberg, "What Teachers Should Know About the Bootstrap", 2015, section 5.4).
    """
    values = np.asarray(values, float)
    names, index = np.unique(np.asarray(clusters), return_inverse=True)
    if len(names) < 2:
        raise RigError("a cluster bootstrap needs two clusters or more", got=len(names))
    totals, sizes = np.bincount(index, weights=values), np.bincount(index)
    drawn = np.random.default_rng(seed).integers(0, len(names), (resamples, len(names)))
    means = totals[drawn].sum(1) / sizes[drawn].sum(1)
    low, high = np.quantile(means, expanded(len(names), confidence))
    independent = values.var() / len(values)
    effect = float(means.var() / independent) if independent > 0 else None
    return ClusterInterval(
        rate=float(values.mean()),
        low=float(low),
        high=float(high),
        n=len(values),
        n_clusters=len(names),
        design_effect=effect,
        effective_n=len(values) / effect if effect else None,
        warning=_too_few(len(names)),
    )


def expanded(n_clusters: int, confidence: float) -> tuple[float, float]:
    """The percentiles to take of bootstrap means, so that few clusters give no interval that is too narrow."""
    reach = math.sqrt(n_clusters / (n_clusters - 1)) * t.ppf(0.5 + confidence / 2, n_clusters - 1)
    return float(norm.cdf(-reach)), float(norm.cdf(reach))


def _too_few(n_clusters: int) -> str:
    if n_clusters >= MIN_CLUSTERS:
        return ""
    return f"only {n_clusters} clusters: this interval is too narrow; read the rate of each"
