"""How often the intervals that reports state hold the truth, by simulation: 95 % is what they promise.

    .venv/bin/python tools/bench/coverage.py [--runs 2000] [--seed 0]

One rate: binomial draws. Clustered: each object (session, image) has a rate of its own, Beta distributed, so that views of
one object resemble each other; "intra-class" is how much; "plain" takes a bootstrap's percentiles as they are. Paired: two
artefacts on the same clusters. Worst cell: of 24 equal cells the most fooled one, which was chosen for being so.
"""

import argparse

import numpy as np
from scipy.stats import binom

from rig.gate.rows import worst_cell
from rig.metrics.intervals import clopper_pearson, cluster_bootstrap, wilson
from rig.metrics.paired import paired

RATES, SIZES = (0.02, 0.1, 0.5), (20, 100, 1000)
CLUSTERS, VIEWS = (5, 10, 20, 40), 100
CORRELATIONS = (0.05, 0.3)
RESAMPLES = 1000
CELLS, CELL_VIEWS = 24, 8


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    rng = np.random.default_rng(asked.seed)
    print("one rate, exact          rate     n   Wilson   Clopper-Pearson")
    for rate in RATES:
        for n in SIZES:
            print(f"{rate:29} {n:5d}   {exact(wilson, rate, n):.3f}    {exact(clopper_pearson, rate, n):.3f}")
    print(
        f"\n{VIEWS} views each, rate 0.5    clusters   intra-class   cluster bootstrap   paired   Wilson of all views"
    )
    for correlation in CORRELATIONS:
        for n in CLUSTERS:
            shares = clustered(rng, n, correlation, asked.runs)
            print(f"{n:34d} {correlation:13.2f}   {'     '.join(f'{share:.3f}' for share in shares)}", flush=True)
    print(f"\nworst of {CELLS} cells, {CELL_VIEWS} views each, one rate in all of them   its lower end   Wilson's own")
    for rate in RATES:
        ours, naive = worst(rng, rate, asked.runs)
        print(f"{rate:60} {ours:.3f}           {naive:.3f}")


def exact(interval, rate: float, n: int) -> float:
    """Summed over the binomial: no simulation needed."""
    low, high = np.array([interval(k, n) for k in range(n + 1)]).T
    return float(binom.pmf(np.arange(n + 1), n, rate)[(low <= rate) & (rate <= high)].sum())


def clustered(rng: np.random.Generator, n_clusters: int, correlation: float, runs: int) -> np.ndarray:
    """Shares of runs in which cluster bootstrap, plain percentiles, paired difference and Wilson hold the truth."""
    shape = (1 / correlation - 1) / 2  # of a symmetric Beta with that intra-class correlation
    names, held = np.repeat(np.arange(n_clusters), VIEWS), np.zeros((runs, 4))
    for run in range(runs):
        rates = rng.beta(shape, shape, (2, n_clusters, 1))
        first, second = (rng.random((2, n_clusters, VIEWS)) < rates).reshape(2, -1)
        one = cluster_bootstrap(first, names, run, resamples=RESAMPLES)
        drawn = rng.integers(0, n_clusters, (RESAMPLES, n_clusters))
        plain = np.quantile(first.reshape(n_clusters, VIEWS).mean(axis=1)[drawn].mean(axis=1), [0.025, 0.975])
        difference = paired(first, second, names.tolist(), run)
        low, high = wilson(int(first.sum()), first.size)
        held[run] = [
            one.low <= 0.5 <= one.high,
            plain[0] <= 0.5 <= plain[1],
            difference["low"] <= 0 <= difference["high"],
            low <= 0.5 <= high,
        ]
    return held.mean(axis=0)


def worst(rng: np.random.Generator, rate: float, runs: int) -> tuple[float, float]:
    """Shares of runs in which the lower end is at or below the true rate, which a cell chosen for being high exceeds by luck."""
    held = np.zeros((runs, 2))
    for run, counts in enumerate(rng.binomial(CELL_VIEWS, rate, (runs, CELLS))):
        cells = [{"k": int(k), "n": CELL_VIEWS, "rate": k / CELL_VIEWS} for k in counts]
        low = worst_cell(cells)["low"]
        held[run] = low <= rate, wilson(int(counts.max()), CELL_VIEWS)[0] <= rate
    return tuple(held.mean(axis=0))


if __name__ == "__main__":
    main()
