"""All figures of a session's pixel attack in one dictionary: metrics.json.

Frames attacked are the independent draws; frames of one pass that a change is carried to are not, so every interval
draws whole items again. A carried frame counts where its clean twin, the same frame unchanged, is right.
"""

import math

import numpy as np
import polars as pl

from rig.metrics.dwell import spell_about
from rig.metrics.intervals import CONFIDENCE, expanded
from rig.metrics.load import Run
from rig.metrics.pixel_persistence import ANGLE, RESAMPLES, angle_curves, clustered, destruction, groups
from rig.metrics.pixel_scene import dot_sizes, label_shares, mismatches, read_json, read_table
from rig.metrics.rates import proportion

SCHEMA = 1
CARRIED = "carried"  # a row's `condition` where the change is seen on a frame of the pass
EDGES_DEG = (0.0, 2.5, 7.5, 15.0, 25.0, 35.0, 45.0, 60.0, 90.0, 120.0, 150.0, 180.0)  # of the angles put together
LEAST_DEG = 1e-6  # between the frame itself and another one from the same place
TIME_BINS = 8  # at most, before the frame and after it


def pixel_session_metrics(run: Run) -> dict:
    """Reads pixel/ of a run folder. Raises RunError where a file is missing or damaged."""
    items, rows, frames = (
        read_table(run.path / "pixel" / f"{name}.parquet") for name in ("items", "persistence", "frames")
    )
    rows, seed = rows.with_columns(pl.col("dot_px", "angle_deg").cast(pl.Float64)), run.record.seed or 0
    held = rows.filter("reached")
    carried, there = held.filter(pl.col("condition") == CARRIED), held.filter(pl.col("condition") != CARRIED)
    return {
        "schema": SCHEMA,
        "run": run.name,
        "status": run.record.status,
        "confidence": CONFIDENCE,
        "n_items": len(items),
        "clean": proportion(int(frames["correct"].sum()), len(frames)),
        "fooled": proportion(int(items["fooled"].sum()), len(items)),
        "labels": label_shares(items.filter("fooled")),
        "elsewhere": elsewhere(carried, seed),
        "curves": over_angle(carried, seed),
        "times": over_time(carried, seed),
        "spells": spells_about(carried, seed),
        "destruction": destruction(there) if len(there) else [],
        "queries_mean": rows.unique(["item", "queries"])["queries"].mean(),
        "dots": dot_sizes(read_json(run.path / "pixel" / "dots.json")),
        "mismatches": mismatches(items, rows) + _moved(rows),
    }


def elsewhere(carried: pl.DataFrame, seed: int = 0) -> list[dict]:
    """Of each reading: where it was found, on the other frames of the pass, and how often it reached the model at all."""
    found = []
    for key, group in groups(carried):
        home, others = group.filter(_at_home()), group.filter(~_at_home() & pl.col("clean_correct"))
        row = key | {"home": proportion(int(home["fooled"].sum()), len(home))}
        row["others"] = clustered(others["fooled"].to_numpy(), others["item"].to_numpy(), seed)
        row["seen"] = clustered((others["seen_px"] > 0).to_numpy(), others["item"].to_numpy(), seed)
        found.append(row)
    return found


def _at_home() -> pl.Expr:
    return pl.col("view") == pl.col("item")


def over_angle(carried: pl.DataFrame, seed: int = 0) -> list[dict]:
    """Persistence against the angle, as `angle_curves` has it; angles between two EDGES_DEG count as their mean, to a tenth."""
    posed = carried.drop_nulls("angle_deg")
    if posed.is_empty():
        return []
    bins = np.where(
        posed.select(_at_home()).to_series().to_numpy(), 0, np.searchsorted(EDGES_DEG[1:-1], posed["angle_deg"]) + 1
    )
    posed = posed.with_columns(bin=pl.Series(bins), condition=pl.lit(ANGLE))
    mean_deg = pl.col("angle_deg").mean().over("bin").round(1).clip(LEAST_DEG)
    posed = posed.with_columns(value=pl.when(pl.col("bin") == 0).then(0.0).otherwise(mean_deg))
    edges = {row["value"]: row["bin"] for row in posed.unique("bin").iter_rows(named=True)}
    curves = angle_curves(posed, seed)
    for curve in curves:
        for point in curve["points"]:
            number = edges[point["angle_deg"]]
            point |= {"low_deg": EDGES_DEG[max(number - 1, 0)], "high_deg": EDGES_DEG[number]}
    return curves


def over_time(carried: pl.DataFrame, seed: int = 0) -> list[dict]:
    """Persistence against the time between, in equal steps before the frame and after it; the frame itself is a step."""
    if carried.is_empty():
        return []
    step_s = time_step(float(carried["offset_s"].abs().max()))
    offsets = carried["offset_s"].to_numpy()
    steps = np.sign(offsets) * np.ceil(np.abs(offsets) / step_s - 1e-9)
    right = carried.with_columns(step=pl.Series(steps.astype(int))).filter("clean_correct")
    return [key | {"step_s": step_s, "points": _steps(group, step_s, seed)} for key, group in groups(right)]


def _steps(group: pl.DataFrame, step_s: float, seed: int) -> list[dict]:
    parts = group.sort("step").partition_by("step", as_dict=True, maintain_order=True)
    return [
        {"offset_s": float(step_s * (step - np.sign(step) / 2))}
        | clustered(part["fooled"].to_numpy(), part["item"].to_numpy(), seed)
        for (step,), part in parts.items()
    ]


def time_step(longest_s: float) -> float:
    """1, 2 or 5 times a power of ten: the smallest of which TIME_BINS or fewer last so long."""
    least = longest_s / TIME_BINS if longest_s > 0 else 1.0
    power = 10.0 ** math.floor(math.log10(least))
    return next(times * power for times in (1, 2, 5, 10) if times * power >= least * (1 - 1e-9))


def spells_about(carried: pl.DataFrame, seed: int = 0) -> list[dict]:
    """Of each reading the longest run of fooled frames about the one it was found on: medians over items.

    A frame that was not judged, or whose clean twin is wrong, ends a run; so does the pass. `n_open`: runs ended so.
    """
    found = []
    for key, group in groups(carried):
        each = [_spell(part) for part in group.partition_by("item", maintain_order=True)]
        row = key | {"n_items": len(each), "n_open": sum(one["open_ended"] for one in each)}
        for name in ("frames", "seconds"):
            row[name] = median(np.array([one[name] for one in each], float), seed)
        found.append(row | {"items": each})
    return found


def _spell(part: pl.DataFrame) -> dict:
    numbers = part["number"].cast(pl.Int64).to_numpy()
    fooled, judged, time_s = np.zeros((3, numbers.max() + 1))
    for array, name in ((fooled, "fooled"), (judged, "clean_correct"), (time_s, "offset_s")):
        array[numbers] = part[name].to_numpy()
    home = int(part.filter(_at_home())["number"][0])
    return {"item": part["item"][0]} | spell_about(fooled > 0, judged > 0, time_s, home)


def median(values: np.ndarray, seed: int) -> dict:
    """With the interval of items drawn again, which one item does not have, and the largest."""
    if len(values) == 1:
        return {"median": float(values[0]), "low": None, "high": None, "longest": float(values[0])}
    drawn = np.random.default_rng(seed).integers(0, len(values), (RESAMPLES, len(values)))
    low, high = np.quantile(np.median(values[drawn], axis=1), expanded(len(values), CONFIDENCE))
    return {"median": float(np.median(values)), "low": float(low), "high": float(high), "longest": float(values.max())}


def _moved(rows: pl.DataFrame) -> list[str]:
    """The frame itself, as one of its pass and as the frame that conditions begin with: two roads to one answer."""
    key = ["item", "attack", "reading", "dot_px", "n_pixels"]
    home = rows.filter((pl.col("condition") == CARRIED) & _at_home()).select(*key, carried="predicted")
    kept = rows.filter(pl.col("condition") == "none").select(*key, kept="predicted")
    both = home.join(kept, on=key, how="full", nulls_equal=True, coalesce=True)
    wrong = both.filter(pl.col("carried").ne_missing(pl.col("kept")))
    return [
        f"{row['item']}, {row['reading']}: its own frame is judged in two ways" for row in wrong.iter_rows(named=True)
    ]
