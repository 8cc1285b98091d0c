"""Two attacks, or one attack on two networks, compared on the same images."""

from collections.abc import Sequence

import numpy as np
from scipy.stats import binomtest

from rig.metrics.intervals import CONFIDENCE, cluster_bootstrap


def mcnemar(only_first: int, only_second: int) -> float:
    """Two-sided exact p that a success of one alone is as often the first's as the second's. McNemar 1947."""
    n = only_first + only_second
    return float(binomtest(only_first, n, 0.5).pvalue) if n else 1.0


def paired(first: Sequence[bool], second: Sequence[bool], clusters: Sequence, seed: int) -> dict:
    """Success of two on the same units; the difference's interval resamples whole clusters (images).

    `low` and `high` are None with fewer than two clusters.
    """
    first, second = np.asarray(first, bool), np.asarray(second, bool)
    only_first, only_second = int((first & ~second).sum()), int((~first & second).sum())
    found = {
        "n": len(first),
        "k_first": int(first.sum()),
        "k_second": int(second.sum()),
        "only_first": only_first,
        "only_second": only_second,
        "p": mcnemar(only_first, only_second),
        "difference": float(first.mean() - second.mean()) if len(first) else None,
        "low": None,
        "high": None,
        "method": "exact McNemar; paired bootstrap by image",
    }
    if len(set(clusters)) > 1:
        interval = cluster_bootstrap(first.astype(float) - second, clusters, seed, CONFIDENCE)
        found |= {"low": interval.low, "high": interval.high}
    return found
