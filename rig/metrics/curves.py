"""Rates against one sampled condition at a time, in bins that hold about equally many views."""

import numpy as np
import polars as pl

from rig.contracts import POSE_DIMENSIONS, TRIAL_COLUMNS
from rig.metrics.rates import rate_of
from rig.metrics.weights import CELL, WEIGHT

BINS = 5
MIN_VIEWS_PER_BIN = 8
BRIGHTNESS = "background_brightness"


def with_brightness(trials: pl.DataFrame) -> pl.DataFrame:
    """Adds the mean of a flat background's three channels, where the views have one."""
    channels = ["background_red", "background_green", "background_blue"]
    if not set(channels) <= set(trials.columns):
        return trials
    return trials.with_columns(pl.mean_horizontal(channels, ignore_nulls=False).alias(BRIGHTNESS))


def varied_conditions(trials: pl.DataFrame) -> list[str]:
    """Every condition that takes more than one value, pose first."""
    names = [*POSE_DIMENSIONS, *(name for name in trials.columns if trials[name].dtype == pl.Float64)]
    known = TRIAL_COLUMNS.keys() - set(POSE_DIMENSIONS) | {WEIGHT, CELL}
    names = [name for name in dict.fromkeys(names) if name not in known]
    return [name for name in names if trials[name].drop_nulls().n_unique() > 1]


def curve(trials: pl.DataFrame, condition: str) -> list[dict]:
    """Bins of one object x model: edges, and per artefact the adversariality and accuracy with intervals."""
    counted = [name for name in ("view", "artefact", "result", WEIGHT, CELL) if name in trials.columns]
    trials = trials.select(*counted, condition).drop_nulls(condition)
    values = trials[condition].to_numpy()
    edges = _edges(values, trials["view"].n_unique())
    inside = np.clip(np.searchsorted(edges, values, side="right") - 1, 0, len(edges) - 2)
    parts = trials.with_columns(bin=pl.Series(inside, dtype=pl.Int64)).partition_by("bin", as_dict=True)
    return [_bin(parts.get((i,), trials.clear()), edges[i], edges[i + 1]) for i in range(len(edges) - 1)]


def _edges(values: np.ndarray, n_views: int) -> np.ndarray:
    bins = int(np.clip(n_views // MIN_VIEWS_PER_BIN, 1, BINS))
    return np.unique(np.quantile(values, np.linspace(0, 1, bins + 1)))


def _bin(rows: pl.DataFrame, low: float, high: float) -> dict:
    groups = rows.partition_by("artefact", as_dict=True, maintain_order=True).items()
    return {"low": float(low), "high": float(high), "artefacts": {name: _rates(group) for (name,), group in groups}}


def _rates(group: pl.DataFrame) -> dict:
    return {
        rate: rate_of(group, result) for rate, result in {"adversariality": "fooled", "accuracy": "correct"}.items()
    }
