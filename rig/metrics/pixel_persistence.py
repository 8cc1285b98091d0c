"""How long a pixel change holds: against the angle from the frame it was found on, and under conditions of the frame.

Items (frames attacked) are the independent draws, so intervals resample whole items.
"""

import numpy as np
import polars as pl

from rig.metrics.intervals import CONFIDENCE, cluster_bootstrap, expanded
from rig.metrics.rates import proportion

KEY = ("attack", "reading", "dot_px", "n_pixels")
ANGLE, UNCHANGED = "angle_deg", "none"
HELD = 0.5
RESAMPLES = 2000


def angle_curves(rows: pl.DataFrame, seed: int = 0) -> list[dict]:
    """Of each attack and reading: persistence at every angle and the half-width in degrees, with intervals.

    Persistence counts views whose clean twin is right; at 0 degrees it is the share that fools where it was found.
    """
    turned = rows.filter((pl.col("condition") == ANGLE) & pl.col("clean_correct"))
    return [
        key
        | {"points": _points(group, seed), "half_width": half_width(group, seed), "n_items": group["item"].n_unique()}
        for key, group in groups(turned)
    ]


def _points(group: pl.DataFrame, seed: int) -> list[dict]:
    return [
        {"angle_deg": angle} | clustered(part["fooled"].to_numpy(), part["item"].to_numpy(), seed)
        for (angle,), part in group.sort("value").partition_by("value", as_dict=True, maintain_order=True).items()
    ]


def clustered(hits: np.ndarray, items: np.ndarray, seed: int) -> dict:
    """k of n with an interval: by item where an item gives several rows, else Wilson's."""
    rate = proportion(int(hits.sum()), len(hits)) | {"n_items": len(set(items.tolist()))}
    if not 1 <= rate["n_items"] < len(hits):
        return rate
    if rate["n_items"] > 1:
        found = cluster_bootstrap(hits, items, seed, CONFIDENCE, RESAMPLES)
        if found.low < found.high:
            method = "cluster bootstrap by item"
            return rate | {"low": found.low, "high": found.high, "method": method, "warning": found.warning}
    # a bootstrap of items that are all alike has no width: each item counts once
    whole = proportion(round(rate["rate"] * rate["n_items"]), rate["n_items"])
    return rate | {"low": whole["low"], "high": whole["high"], "method": "Wilson, n = items"}


def half_width(group: pl.DataFrame, seed: int = 0) -> dict:
    """The angle at which persistence falls to 50 %, linear between the angles tried.

    0 where it never was above; None where it is still above at the widest angle. Interval: bootstrap of whole items.
    """
    angles, hits, counts = _by_item(group)
    widest = float(angles[-1])
    drawn = np.random.default_rng(seed).integers(0, len(hits), (RESAMPLES, len(hits)))
    resampled = [crossing(angles, hits[rows].sum(0), counts[rows].sum(0)) for rows in drawn]
    # a single item says nothing about others
    low, high = (
        np.quantile(resampled, expanded(len(hits), CONFIDENCE), method="nearest") if len(hits) > 1 else (0.0, np.inf)
    )
    found = crossing(angles, hits.sum(0), counts.sum(0))
    beyond = {name: None if np.isinf(value) else float(value) for name, value in _named(found, low, high)}
    return beyond | {"widest_deg": widest, "n_items": len(hits)}


def _named(found: float, low: float, high: float):
    return zip(("deg", "low", "high"), (found, low, high), strict=True)


def _by_item(group: pl.DataFrame) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Angles (A,), and for each item (I, A) how many rows fool and how many there are."""
    angles, column = np.unique(group["value"].to_numpy(), return_inverse=True)
    items, row = np.unique(group["item"].to_numpy(), return_inverse=True)
    hits, counts = np.zeros((2, len(items), len(angles)))
    np.add.at(hits, (row, column), group["fooled"].to_numpy())
    np.add.at(counts, (row, column), 1)
    return angles, hits, counts


def crossing(angles: np.ndarray, hits: np.ndarray, counts: np.ndarray) -> float:
    """Where hits / counts first falls below HELD; 0 if it starts there, infinity if it never does."""
    seen = counts > 0
    angles, rates = angles[seen], hits[seen] / counts[seen]
    below = np.flatnonzero(rates < HELD)
    if not len(below):
        return np.inf
    first = below[0]
    if first == 0:
        return 0.0
    fallen = (rates[first - 1] - HELD) / (rates[first - 1] - rates[first])
    return float(angles[first - 1] + fallen * (angles[first] - angles[first - 1]))


def destruction(rows: pl.DataFrame) -> list[dict]:
    """Of each attack, reading, condition and strength: how often the condition ends the fooling.

    Items: frames called right clean and fooled by the change, before. `destroyed` (Kurakin, Goodfellow, Bengio 2017):
    share of them that are called right after it. `destroyed_twin_right`: share no longer fooled, of those whose clean
    twin is still right. `twin_lost`: share whose clean twin no longer is.
    """
    before = rows.filter((pl.col("condition") == UNCHANGED) & pl.col("clean_correct") & pl.col("fooled"))
    after = rows.filter(~pl.col("condition").is_in([UNCHANGED, ANGLE]))
    after = after.join(before.select("item", *KEY), on=["item", *KEY], how="semi", nulls_equal=True)
    found = []
    for key, group in groups(after):
        for (name, value), part in group.partition_by("condition", "value", as_dict=True, maintain_order=True).items():
            found.append(key | {"condition": name, "value": value} | _destroyed(part))
    return found


def _destroyed(part: pl.DataFrame) -> dict:
    right = part.filter(pl.col("clean_correct"))
    return {
        "destroyed": proportion(int(part["correct"].sum()), len(part)),
        "destroyed_twin_right": proportion(int((~right["fooled"]).sum()), len(right)),
        "twin_lost": proportion(len(part) - len(right), len(part)),
    }


def gain(rows: pl.DataFrame, attack: str, over: str, seed: int = 0) -> list[dict]:
    """Persistence of one attack less another's on the same items and views, of each reading, interval by item."""
    kept = rows.filter("clean_correct")
    pair = ["item", "reading", "dot_px", "n_pixels", "condition", "value", "view"]
    both = kept.filter(pl.col("attack") == attack).join(
        kept.filter(pl.col("attack") == over).select(*pair, other="fooled"), on=pair, how="inner", nulls_equal=True
    )
    return [
        dict(zip(("reading", "dot_px"), key, strict=True)) | _gained(group, seed)
        for key, group in both.partition_by("reading", "dot_px", as_dict=True, maintain_order=True).items()
    ]


def _gained(group: pl.DataFrame, seed: int) -> dict:
    difference = group["fooled"].cast(pl.Float64) - group["other"].cast(pl.Float64)
    row = {
        "n": len(group),
        "n_items": group["item"].n_unique(),
        "rate": group["fooled"].mean(),
        "other": group["other"].mean(),
        "gain": difference.mean(),
    }
    if row["n_items"] < 2:
        return row | {"low": -1.0, "high": 1.0}
    halved = (difference.to_numpy() + 1) / 2  # the bootstrap takes values in [0, 1]
    found = cluster_bootstrap(halved, group["item"].to_numpy(), seed, CONFIDENCE, RESAMPLES)
    return row | {"low": 2 * found.low - 1, "high": 2 * found.high - 1, "warning": found.warning}


def groups(rows: pl.DataFrame) -> list[tuple[dict, pl.DataFrame]]:
    parts = rows.partition_by(KEY, as_dict=True, maintain_order=True)
    return [(dict(zip(KEY, key, strict=True)), group) for key, group in parts.items()]
