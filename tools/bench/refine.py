"""What `rig.sweep.refine` saves, whether its rates are unbiased and its intervals hold the truth, by simulation.

    .venv/bin/python tools/bench/refine.py [--runs 800] [--seed 0]

A network is fooled inside a cap of the view sphere, and answers wrongly at random besides: the true rate is known. "added":
all rounds' counts added up in each cell, which the library does not do. "plain": views that unrefined draws need for the
same half-width (Wilson). "part": the rate among views that count only (as those whose clean twin is recognised), of which
cells that are fooled have more. Runs to a half-width stop by what they saw; runs to a budget do not.
"""

import argparse
import itertools

import numpy as np

from rig.campaign.refine import neighbours
from rig.metrics.intervals import wilson
from rig.metrics.persistence import Cells
from rig.metrics.stratified import over_rounds, stratified_score, weighted
from rig.sweep.refine import allocate, equally, next_size, spread

BANDS, COLUMNS = 3, 8
VIEWS = 200  # of the first round
AXIS = np.array([0.6, 0.3, 0.7416])
CAPS = ((90, 0.0), (60, 0.05), (40, 0.02), (90, 0.2), (0, 0.1), (0, 0.03))  # half-angle in degrees, random errors
ENDS = ((0.03, 4000), (0.0, 600))  # half-width wanted, views at most


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=800)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    print(
        "cap  errors   rate   until     views  plain   half-width   holds    bias (s.e.)          bias, added   part holds, bias"
    )
    for (cap_deg, errors), (half_width, most) in itertools.product(CAPS, ENDS):
        rates = cell_rates(cap_deg, errors)
        near = neighbours(Cells(BANDS, COLUMNS))
        found = simulate(np.random.default_rng(asked.seed), rates, near, VIEWS, half_width, most, asked.runs)
        print(_line(cap_deg, errors, rates, half_width, most, found), flush=True)


def _line(cap_deg, errors, rates: np.ndarray, half_width: float, most: int, found: dict) -> str:
    truth, counting = rates.mean(), shares_counting(rates)
    of_part = rates @ counting / counting.sum()
    part_held = ((found["part_low"] <= of_part) & (of_part <= found["part_high"])).mean()
    half = (found["high"] - found["low"]).mean() / 2
    held = ((found["low"] <= truth) & (truth <= found["high"])).mean()
    bias, error = found["rate"].mean() - truth, found["rate"].std() / np.sqrt(len(found["rate"]))
    until = f"+-{half_width}" if half_width else f"n={most}"
    return (
        f"{cap_deg:3} {errors:7.2f} {truth:6.3f}   {until:7} {found['n'].mean():7.0f} {plain_views(truth, half):6d} {half:12.4f} "
        f"{held:7.3f}   {bias:+.4f} ({error:.4f})   {found['added'].mean() - truth:+18.4f}   "
        f"{part_held:10.3f} {found['part'].mean() - of_part:+.4f}"
    )


def cell_rates(cap_deg: float, errors: float, n: int = 200) -> np.ndarray:
    """(H,) true rates, by the midpoint rule over each cell."""
    sine = (-1 + 2 * (np.arange(BANDS * n) + 0.5) / (BANDS * n))[:, None]
    azimuth = -np.pi + 2 * np.pi * (np.arange(COLUMNS * n) + 0.5)[None] / (COLUMNS * n)
    across = np.sqrt(1 - sine**2)
    along = across * np.cos(azimuth) * AXIS[0] + across * np.sin(azimuth) * AXIS[1] + sine * AXIS[2]
    inside = (along > np.cos(np.radians(cap_deg))) if cap_deg else np.zeros_like(along)
    return errors + (1 - 2 * errors) * inside.reshape(BANDS, n, COLUMNS, n).mean(axis=(1, 3)).ravel()


def simulate(
    rng, rates: np.ndarray, near: list[list[int]], views: int, half_width: float, most: int, runs: int
) -> dict:
    """Arrays (runs,): rate, low, high, n, the rate of added counts, and what is found of a part of the views."""
    rows = [_run(rng, rates, near, views, half_width, most) for _ in range(runs)]
    names = ("rate", "low", "high", "n", "added", "part", "part_low", "part_high")
    return dict(zip(names, np.array(rows).T, strict=True))


def _run(rng, rates: np.ndarray, near, views: int, half_width: float, most: int) -> tuple[float, ...]:
    shares = np.full(len(rates), 1 / len(rates))
    seen = [equally(len(rates), views)]
    hits = [rng.binomial(seen[0], rates)]
    while True:
        k, n = np.sum(hits, axis=0), np.sum(seen, axis=0)
        spent = int(n.sum())
        if half_width:
            low, high = _interval(hits, seen, shares)
            size = next_size(spent, (high - low) / 2, half_width, most, len(rates))
        else:
            size = min(most - spent, spent // 2)
        if not size:
            break
        seen.append(allocate(spread(k, n, near) ** 2, size))
        hits.append(rng.binomial(seen[-1], rates))
    rate = over_rounds(np.array(hits), np.array(seen))[0].mean()
    part = _part(rng, np.array(hits), np.array(seen), shares_counting(rates))
    return rate, *_interval(hits, seen, shares), spent, (k / n).mean(), *part


def shares_counting(rates: np.ndarray) -> np.ndarray:
    """(H,) how many of a cell's views count."""
    return 0.5 + 0.45 * rates


def _part(rng, hits: np.ndarray, seen: np.ndarray, counting: np.ndarray) -> tuple[float, float, float]:
    """Rate, low and high of the views that count, by the weights of all. hits, seen (R, H)."""
    counted = [rng.binomial(n, counting) for n in (hits, seen - hits)]
    weights = seen.sum(axis=1, keepdims=True) / seen.sum() / seen
    cells = np.broadcast_to(np.arange(seen.shape[1]), seen.shape)
    each = [np.concatenate([np.repeat(one, n.ravel()) for n in counted]) for one in (weights.ravel(), cells.ravel())]
    found = weighted(np.arange(len(each[0])) < counted[0].sum(), *each)
    return found["rate"], found["low"], found["high"]


def _interval(hits: list[np.ndarray], seen: list[np.ndarray], shares: np.ndarray) -> tuple[float, float]:
    found, worth = over_rounds(np.array(hits), np.array(seen))
    return stratified_score(found, worth, shares)


def plain_views(rate: float, half_width: float) -> int:
    """Fewest tens of views whose Wilson interval is as narrow."""
    halves = ((n, np.diff(wilson(round(rate * n), n))[0] / 2) for n in itertools.count(10, 10))
    return next(n for n, half in halves if half <= half_width)


if __name__ == "__main__":
    main()
