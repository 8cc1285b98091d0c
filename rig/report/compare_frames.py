"""Views whose outcome changed from one run to another: where they lie, and their frames side by side."""

import base64
from pathlib import Path

import numpy as np
import polars as pl

from rig.metrics.compare_load import Side
from rig.metrics.compare_match import Views
from rig.metrics.compare_rows import RESULTS
from rig.report.compare_figures import place_of

SHOWN = 6  # of each kind of change
MAX_BYTES = 2_500_000  # of all pictures of a page
MAX_POINTS = 2_000  # of a map
RULE = (
    f"Up to {SHOWN} views of each kind, evenly spaced among all such views in the order of their azimuth; only views "
    "with a stored picture in both runs can be shown."
)


def changed(views: Views, one: dict) -> dict[str, pl.DataFrame]:
    """Pairs of one map that are better, or worse, for the model in the second run. {} where nothing is paired."""
    if views.both is None:
        return {}
    mine = [pl.col(name) == one[name] for name in ("object", "model", "artefact")]
    both, result = views.both.filter(*mine), RESULTS[one["rate"]]
    was, now = pl.col("result") == result, pl.col("result_second") == result
    kinds = {"better": now & ~was, "worse": was & ~now}
    if one["rate"] != "accuracy":
        kinds = {"better": kinds["worse"], "worse": kinds["better"]}
    return {kind: both.filter(which) for kind, which in kinds.items()}


def map_points(kinds: dict[str, pl.DataFrame], results: dict[str, str]) -> list[dict]:
    """As the map draws them; `results`: the outcome whose colour and symbol each kind of change has."""
    return [
        {
            "azimuth_deg": row["azimuth_deg"],
            "elevation_deg": row["elevation_deg"],
            "result": results[kind],
            "text": f"{row['view']}: {row['predicted']} → {row['predicted_second']}, {place_of(row)}",
        }
        for kind, rows in kinds.items()
        for row in rows.drop_nulls(["azimuth_deg", "elevation_deg"]).head(MAX_POINTS).iter_rows(named=True)
    ]


def frame_pairs(kinds: dict[str, pl.DataFrame], first: Side, second: Side, budget: int) -> tuple[dict, int]:
    """({kind: [{"where", "view", "frames": [of the first, of the second]}]}, bytes left of the budget)."""
    folders, found = [side.run.path / "frames" for side in (first, second)], {}
    stored = [{path.stem for path in folder.glob("*.jpg")} for folder in folders]
    for kind, rows in kinds.items():
        whole = rows.drop_nulls(["azimuth_deg", "elevation_deg"]).filter(
            pl.col("frame_hash").is_in(stored[0]) & pl.col("frame_hash_second").is_in(stored[1])
        )
        found[kind] = []
        for row in _evenly(whole.sort("azimuth_deg")).iter_rows(named=True):
            pair = _pair(row, folders)
            size = sum(len(frame["src"]) for frame in pair["frames"])
            if size <= budget:
                found[kind].append(pair)
                budget -= size
    return found, budget


def _evenly(rows: pl.DataFrame) -> pl.DataFrame:
    if len(rows) <= SHOWN:
        return rows
    return rows[np.unique(np.linspace(0, len(rows) - 1, SHOWN).round().astype(int)).tolist()]


def _pair(row: dict, folders: list[Path]) -> dict:
    frames = [_frame(row, folder, end) for folder, end in zip(folders, ("", "_second"), strict=True)]
    return {"where": place_of(row), "view": row["view"], "frames": frames}


def _frame(row: dict, folder: Path, end: str) -> dict:
    encoded = base64.b64encode((folder / f"{row['frame_hash' + end]}.jpg").read_bytes()).decode()
    return {
        "src": f"data:image/jpeg;base64,{encoded}",
        "predicted": row["predicted" + end],
        "prob": row["predicted_prob" + end],
        "result": row["result" + end],
    }
