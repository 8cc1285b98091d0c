"""Rates of views that refinement placed, by what their ids say."""

from collections import Counter

import numpy as np
import polars as pl

from rig.metrics.recount import placed, strata
from rig.metrics.stratified import METHOD, stratified_score


def cell_rates(rows: pl.DataFrame, hit: str) -> tuple[np.ndarray, np.ndarray]:
    """Of one object and model: (H,) how often `hit` is true in each cell, and the views that it is worth."""
    counts = Counter()
    for view, true in rows.select("view", hit).iter_rows():
        counts.update([("n", *placed(view)), *([("hit", *placed(view))] if true else [])])
    return strata(counts, "hit")


def placed_rate(rows: pl.DataFrame, hit: str) -> dict:
    """A proportion as in the report; of several objects and models, each counts as much as another."""
    parts = [cell_rates(part, hit) for part in rows.partition_by("object", "model", maintain_order=True)]
    shares = np.concatenate([np.full(len(rates), 1 / len(rates) / len(parts)) for rates, _ in parts])
    rates, worth = (np.concatenate(each) for each in zip(*parts, strict=True))
    low, high = stratified_score(rates, worth, shares)
    counts = {"k": int(rows[hit].sum()), "n": len(rows), "rate": float(shares @ rates)}
    return counts | {"low": low, "high": high, "method": METHOD}
