"""Figures of a session sweep: rates, time, and the gap between what the camera saw and what was rendered.

Neighbouring frames are nearly the same picture. Intervals therefore draw whole blocks again: all frames of one pass
that lie in one cell of the view sphere (BLOCK_DEG of azimuth and elevation).
"""

import polars as pl

from rig.capture.cells import Grid
from rig.metrics.dwell import dwell
from rig.metrics.intervals import CONFIDENCE, cluster_bootstrap, wilson
from rig.metrics.load import Run
from rig.metrics.paired import paired
from rig.metrics.persistence import Cells, choose_cells, persistence
from rig.metrics.rates import COUNTS, proportion
from rig.metrics.recount import verdict
from rig.metrics.session_load import GROUP

SCHEMA = 1
BLOCK_DEG = 15.0
LEAST_SPAN_DEG = 10.0  # of the elevations mapped: a turntable's pass has nearly one
PLACE = ("object", "model", "crop")


def session_metrics(run: Run, trials: pl.DataFrame) -> dict:
    """Everything the page states. `trials` from `read_session_trials`."""
    seed = run.record.seed or 0
    blocked = with_blocks(trials)
    table = [_rates(key, group, seed) for key, group in _groups(blocked, GROUP)]
    return {
        "schema": SCHEMA,
        "run": run.name,
        "status": run.record.status,
        "confidence": CONFIDENCE,
        "n_trials": len(trials),
        "sessions": _sessions(trials),
        "rates": table,
        "dwell": [row for key, group in _groups(_taken(trials), (*PLACE, "artefact")) for row in dwell(key, group)],
        "gaps": [row for key, group in _groups(blocked, (*PLACE, "artefact")) if (row := _gap(key, group, seed))],
        "maps": [row for key, group in _groups(blocked, GROUP) if (row := _map(key, group, cells_of(trials)))],
        "mismatches": _mismatches(table, trials),
    }


def with_blocks(trials: pl.DataFrame) -> pl.DataFrame:
    """Adds `block`: pass and cell; frames without a pose are a block of their own."""
    grid = Grid(BLOCK_DEG)
    blocks = [
        f"{row['session']}/{row['pass']}/"
        + (row["view"] if row["azimuth_deg"] is None else str(grid.cell(row["azimuth_deg"], row["elevation_deg"])))
        for row in trials.select("session", "pass", "view", "azimuth_deg", "elevation_deg").iter_rows(named=True)
    ]
    return trials.with_columns(block=pl.Series(blocks, dtype=pl.String))


def cells_of(trials: pl.DataFrame) -> Cells:
    """One grid for all: round the object, over the elevations that were seen."""
    taken = _taken(trials).drop_nulls(["azimuth_deg"])
    low, high = (taken["elevation_deg"].min() or 0.0), (taken["elevation_deg"].max() or 0.0)
    spare = max(0.0, LEAST_SPAN_DEG - (high - low)) / 2
    n_views = taken.group_by("artefact").agg(pl.col("view").n_unique())["view"].max() or 1
    return choose_cells(n_views, elevation_deg=(max(-90.0, low - spare), min(90.0, high + spare)))


def _groups(trials: pl.DataFrame, names: tuple[str, ...]):
    return trials.partition_by(names, as_dict=True, maintain_order=True).items()


def _taken(trials: pl.DataFrame) -> pl.DataFrame:
    return trials.filter(pl.col("source") == "capture")


def _sessions(trials: pl.DataFrame) -> list[dict]:
    """One row a pass: frames, those with a pose, time, and how near the clean twins were."""
    one_model = _taken(trials).filter(pl.col("model") == trials["model"][0], pl.col("crop") == "full")
    return [
        dict(zip(("session", "pass", "artefact"), key, strict=True))
        | {
            "n": len(group),
            "n_posed": int(group["azimuth_deg"].is_not_null().sum()),
            "seconds": group["time_s"].max() - group["time_s"].min(),
            "rms_px_median": group["rms_px"].median(),
            "twin_deg_median": group["twin_deg"].median(),
            "n_twins": int((group["twin"] != "").sum()),
        }
        for key, group in _groups(one_model, ("session", "pass", "artefact"))
    ]


def _rates(key: tuple, group: pl.DataFrame, seed: int) -> dict:
    with_twin = group.filter(pl.col("clean_result") == "correct")
    found = {"target": group["target_label"][0], "n": len(group), "n_passes": group["pass"].n_unique()}
    found |= {rate: clustered(group, result, seed) for rate, result in COUNTS.items()}
    counted = {rate: clustered(with_twin, result, seed) for rate, result in COUNTS.items()}
    return dict(zip(GROUP, key, strict=True)) | found | {"clean_correct": {"n": len(with_twin), **counted}}


def clustered(group: pl.DataFrame, result: str, seed: int) -> dict:
    """k of n with an interval over blocks. All or none of them: Wilson's, a block counted as one trial."""
    hits = (group["result"] == result).to_numpy()
    n_blocks = group["block"].n_unique()
    found = proportion(int(hits.sum()), len(hits)) | {"n_blocks": n_blocks, "warning": ""}
    if hits.all() or not hits.any():
        low, high = wilson(n_blocks if hits.any() else 0, n_blocks)
        return found | {"low": low, "high": high, "method": "Wilson, blocks as trials"}
    if n_blocks > 1:
        drawn = cluster_bootstrap(hits.astype(float), group["block"].to_numpy(), seed, CONFIDENCE)
        found |= {"low": drawn.low, "high": drawn.high, "method": "bootstrap of blocks", "warning": drawn.warning}
    return found


def _gap(key: tuple, group: pl.DataFrame, seed: int) -> dict | None:
    """Captured against rendered at the same views, of one artefact; None without twins."""
    taken = _taken(group).select("view", "block", "session", "pass", "azimuth_deg", "elevation_deg", seen="result")
    drawn = group.filter(pl.col("source") == "render").select("view", rendered="result")
    both = taken.join(drawn, on="view", how="inner", maintain_order="left")
    if both.is_empty():
        return None
    row = dict(zip((*PLACE, "artefact"), key, strict=True)) | {"target": group["target_label"][0]}
    for name, result in (("fooled", "fooled"), ("recognised", "correct")):
        row[name] = paired(both["seen"] == result, both["rendered"] == result, both["block"].to_list(), seed)
    agree = int((both["seen"] == both["rendered"]).sum())
    return row | {"agreement": proportion(agree, len(both)), "by_azimuth": _by_azimuth(both)}


def _by_azimuth(both: pl.DataFrame) -> list[dict]:
    """Counts of both sources in steps of 2 blocks, their edges between the blocks' middles, where turntables stop."""
    step, first = 2 * BLOCK_DEG, -180 - BLOCK_DEG / 2
    index = ((both["azimuth_deg"] - first) % 360 / step).floor().cast(pl.Int64)
    rows = []
    for i in range(round(360 / step)):
        part = both.filter(index == i)
        rows.append(
            {
                "azimuth_deg": (first + i * step, first + (i + 1) * step),
                "n": len(part),
                "captured": proportion(int((part["seen"] == "fooled").sum()), len(part)),
                "rendered": proportion(int((part["rendered"] == "fooled").sum()), len(part)),
            }
        )
    return rows


def _map(key: tuple, group: pl.DataFrame, cells: Cells) -> dict | None:
    figures = persistence(group, cells)
    return None if figures is None else dict(zip(GROUP, key, strict=True)) | figures


def _mismatches(table: list[dict], trials: pl.DataFrame) -> list[str]:
    """The rates counted again, row by row, from the predicted labels alone."""
    counted: dict[tuple, dict[str, int]] = {}
    for row in trials.iter_rows(named=True):
        counts = counted.setdefault(tuple(row[name] for name in GROUP), dict.fromkeys(COUNTS.values(), 0))
        counts[verdict(row["predicted"], row["true_label"], row["target_label"])] += 1
    found = []
    for row in table:
        again = counted[tuple(row[name] for name in GROUP)]
        found += [
            f"{' / '.join(str(row[name]) for name in GROUP)}: {result} is {row[rate]['k']}, recounted {again[result]}"
            for rate, result in COUNTS.items()
            if row[rate]["k"] != again[result]
        ]
    return found
