"""Figures of a viewpoint search: success by queries, the failing share, and how far each failure reaches."""

import numpy as np
import polars as pl

from rig.errors import RunError
from rig.metrics.curves import varied_conditions
from rig.metrics.intervals import CONFIDENCE
from rig.metrics.load import Run, read_trials
from rig.metrics.pixel_persistence import crossing
from rig.metrics.pixel_scene import read_json
from rig.metrics.rates import proportion, with_verdict
from rig.metrics.summary import SPLIT, summarise

POSE_JOB = "attack pose"
FAILURES = "pose/failures.json"
RADII_DEG = (2.0, 4.0, 8.0, 16.0, 32.0, 64.0)
RESAMPLES = 1000
JEFFREYS = 0.5


def pose_metrics(run: Run) -> dict:
    """`rig.metrics.summary` of the unbiased sample, with `sample`, `searches` and `failures`. Raises RunError."""
    trials = read_trials(run)
    rows = with_verdict(trials).join(_notes(run), on="view", how="left")
    found, base = read_json(run.path / FAILURES), summarise(run, trials)
    sample = base["rates"][0]["adversariality"]
    asked, varied = rows.filter(pl.col("split") == "search"), _varied(rows)
    return base | {
        "sample": sample,
        "searches": [_search(name, group, sample) for (name,), group in _parts(asked, "search")],
        "n_failures": found["n_failures"],
        "n_distinct": found["n_distinct"],
        "failures": [
            _failure(i, one, rows, varied, run.record.seed or 0) for i, one in enumerate(_lettered(found["failures"]))
        ],
        "n_queries": {split: len(group) for (split,), group in _parts(rows, "split")},
        "mismatches": base["mismatches"] + _mismatches(rows, found),
    }


def _parts(rows: pl.DataFrame, name: str):
    return rows.partition_by(name, as_dict=True, maintain_order=True).items()


def _notes(run: Run) -> pl.DataFrame:
    """What stands beside each trial: margin, search, run, query; failure and radius."""
    paths = sorted((run.path / "pose").glob("part-*.parquet"))
    try:
        notes = pl.concat([pl.read_parquet(path) for path in paths], how="diagonal_relaxed")
    except (OSError, ValueError, pl.exceptions.PolarsError) as error:
        hint = "finish the run with: rig resume"
        raise RunError("not readable parquet files", where=run.path / "pose", hint=hint) from error
    missing = {name: pl.lit(None, kind) for name, kind in _COLUMNS.items() if name not in notes.columns}
    return notes.with_columns(**missing)


_COLUMNS = {"search": pl.String, "run": pl.Int64, "query": pl.Int64, "failure": pl.Int64, "radius_deg": pl.Float64}


def _search(name: str, asked: pl.DataFrame, sample: dict) -> dict:
    """Success by queries: the share of its runs that had found a failure by then. A repeated question counts again."""
    each = asked.group_by("run").agg(
        pl.col("query").max().alias("n"), pl.col("query").filter(pl.col("fooled")).min().alias("first")
    )
    firsts, longest = each["first"].drop_nulls().to_list(), int(each["n"].max())
    points = [
        {"queries": n, "expected": 1 - (1 - sample["rate"]) ** n}
        | proportion(sum(one <= n for one in firsts), len(each))
        for n in query_grid(longest)
    ]
    return {
        "search": name,
        "n_runs": len(each),
        "n_queries": len(asked),
        "longest": longest,
        "median_first": float(np.median(firsts)) if 2 * len(firsts) > len(each) else None,
        "fooled": proportion(int(asked["fooled"].sum()), len(asked)),
        "best_margin": asked["margin"].min(),
        "points": points,
    }


def query_grid(longest: int) -> list[int]:
    """1, 2, 5, 10, 20, 50, ... and the last one."""
    steps = [lead * 10**power for power in range(7) for lead in (1, 2, 5)]
    return [n for n in steps if n < longest] + [longest]


def _lettered(failures: list[dict]) -> list[dict]:
    """Regions numbered from 0 in the order met."""
    order = list(dict.fromkeys(one["region"] for one in failures))
    return [one | {"region": order.index(one["region"])} for one in failures]


def _failure(number: int, found: dict, rows: pl.DataFrame, varied: list[str], seed: int) -> dict:
    values = rows.row(by_predicate=pl.col("view") == found["view"], named=True)
    around = rows.filter(pl.col("failure") == number)
    radii = [
        {"radius_deg": radius} | proportion(int(group["fooled"].sum()), len(group))
        for (radius,), group in _parts(around.sort("radius_deg"), "radius_deg")
    ]
    region = proportion(found["region_k"], found["n"])
    return found | {
        "number": number + 1,
        "azimuth_deg": values["azimuth_deg"],
        "elevation_deg": values["elevation_deg"],
        "values": {name: values[name] for name, kind in rows.schema.items() if kind == pl.Float64 and name in varied},
        "true_label": values["true_label"],
        "radii": radii,
        "half_width": half_width(radii, seed) if radii else None,
        "mass": region,
    }


def _varied(rows: pl.DataFrame) -> list[str]:
    return [name for name in varied_conditions(rows) if name not in ("margin", "radius_deg")]


def half_width(radii: list[dict], seed: int) -> dict:
    """The radius within which the failing share falls to 50 %, linear between the radii tried, from 100 % at 0.

    None: beyond the widest. Interval: each radius' share drawn from its Jeffreys posterior, RESAMPLES times.
    """
    angles = np.array([0.0, *(one["radius_deg"] for one in radii)])
    hits, counts = (np.array([1.0, *(one[name] for one in radii)]) for name in ("k", "n"))
    drawn = np.random.default_rng(seed).beta(
        hits[1:] + JEFFREYS, counts[1:] - hits[1:] + JEFFREYS, (RESAMPLES, len(radii))
    )
    whole = np.ones(len(angles))
    ends = [crossing(angles, np.array([1.0, *shares]), whole) for shares in drawn]
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(ends, (tail, 1 - tail), method="nearest")
    found = {"deg": crossing(angles, hits, counts), "low": low, "high": high}
    return {name: None if np.isinf(one) else float(one) for name, one in found.items()} | {
        "widest_deg": float(angles[-1])
    }


def _mismatches(rows: pl.DataFrame, found: dict) -> list[str]:
    """Notes against the stored predictions, and the failures that are named against both."""
    stated = rows.filter(pl.col("fooled").is_not_null())
    wrong = stated.filter(pl.col("fooled") != (pl.col("result") == "fooled"))
    side = stated.filter((pl.col("margin") < 0) != pl.col("fooled") & (pl.col("margin") != 0))
    said = [f"{view}: called fooled, its prediction says otherwise" for view in wrong["view"]]
    said += [f"{view}: its margin is of the other sign" for view in side["view"]]
    said += [f"{len(rows) - len(stated)} trials have no margin"] if len(stated) < len(rows) else []
    fooled = set(stated.filter("fooled")["view"])
    said += [
        f"{one['view']}: named as a failure, but no stored one"
        for one in found["failures"]
        if one["view"] not in fooled
    ]
    n_sample = len(stated.filter(pl.col("fooled") & (pl.col("split") == SPLIT)))
    return said + (
        [f"{n_sample} failures in the sample, {found['n_sample_failures']} named"]
        if n_sample != found["n_sample_failures"]
        else []
    )
