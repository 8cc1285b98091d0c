"""All figures of a scene's pixel attack in one dictionary: metrics.json."""

import json
from pathlib import Path

import numpy as np
import polars as pl

from rig.errors import RunError
from rig.metrics.intervals import CONFIDENCE
from rig.metrics.label_distance import RELATIONS
from rig.metrics.load import Run
from rig.metrics.pixel_persistence import ANGLE, UNCHANGED, angle_curves, destruction, gain
from rig.metrics.rates import proportion

SCHEMA = 1
SIZES = ("width_mm", "height_mm", "area_mm2", "painted_mm2", "n_texels")


def pixel_scene_metrics(run: Run) -> dict:
    """Reads pixel/ of a run folder. Raises RunError where a file is missing or damaged."""
    items, rows = (read_table(run.path / "pixel" / f"{name}.parquet") for name in ("items", "persistence"))
    rows = rows.with_columns(pl.col("dot_px").cast(pl.Float64))
    seed, held = run.record.seed or 0, rows.filter("single_reached")
    return {
        "schema": SCHEMA,
        "run": run.name,
        "status": run.record.status,
        "confidence": CONFIDENCE,
        "n_items": len(items),
        "fooled": proportion(int(items["fooled"].sum()), len(items)),
        "labels": label_shares(items.filter("fooled")),
        "curves": angle_curves(held, seed) if len(held) else [],
        "destruction": destruction(held) if len(held) else [],
        "gains": _gains(rows, float(run.record.config["persistence"]["reach_deg"]), seed),
        "queries": _queries(rows),
        "dots": dot_sizes(read_json(run.path / "pixel" / "dots.json")),
        "maps": read_json(run.path / "pixel" / "maps" / "maps.json", default={}),
        "mismatches": mismatches(items, rows),
    }


def read_table(path: Path) -> pl.DataFrame:
    try:
        return pl.read_parquet(path)
    except (OSError, pl.exceptions.PolarsError) as error:
        raise RunError("not a readable parquet file", where=path, hint="finish the run with: rig resume") from error


def read_json(path: Path, default=None):
    if default is not None and not path.exists():
        return default
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise RunError(f"cannot read the file ({error})", where=path, hint="finish the run with: rig resume") from error


def label_shares(fooled: pl.DataFrame) -> dict | None:
    """Shares of near misses and far answers; None where no tree knows the labels."""
    known = fooled.drop_nulls("relation") if fooled["relation"].dtype == pl.String else fooled.head(0)
    if known.is_empty():
        return None
    shares = {name: proportion(int((known["relation"] == name).sum()), len(known)) for name in RELATIONS[1:]}
    return {"n": len(known), "shares": shares, "distance_mean": known["label_distance"].mean()}


def _gains(rows: pl.DataFrame, reach_deg: float, seed: int) -> list[dict]:
    """What EOT pixels add over those of a single frame, on all frames attacked: over views, and over conditions."""
    near = (pl.col("condition") == ANGLE) & (pl.col("value") > 0) & (pl.col("value") <= reach_deg)
    changed = ~pl.col("condition").is_in([ANGLE, UNCHANGED])
    return [
        {"over": name, "reach_deg": reach_deg} | found
        for name, chosen in {"views": near, "conditions": changed}.items()
        for found in gain(rows.filter(chosen), "EOT", "single-frame", seed)
    ]


def _queries(rows: pl.DataFrame) -> dict[str, float]:
    each = rows.unique(["item", "attack", "reading", "queries"], maintain_order=True)
    return {
        attack: part["queries"].mean()
        for (attack,), part in each.partition_by("attack", as_dict=True, maintain_order=True).items()
    }


def dot_sizes(dots: list[dict]) -> list[dict]:
    """Median true sizes of printed dots, by their size in the frame."""
    found = []
    for size in sorted({dot["dot_px"] for dot in dots}):
        mine = [dot for dot in dots if dot["dot_px"] == size]
        found.append(
            {"dot_px": size, "n": len(mine)} | {name: float(np.median([dot[name] for dot in mine])) for name in SIZES}
        )
    return found


def mismatches(items: pl.DataFrame, rows: pl.DataFrame) -> list[str]:
    """Items judged from the saved files against what the persistence rows say of the unchanged frame."""
    kept = rows.filter((pl.col("condition") == UNCHANGED) & (pl.col("attack") == "single-frame"))
    kept = kept.filter(pl.col("reading") == "sensor-fixed").select("item", again="fooled", label="predicted")
    both = items.join(kept, on="item", how="left")
    wrong = both.filter((pl.col("fooled") != pl.col("again")) | (pl.col("predicted") != pl.col("label")))
    over = items.join(rows.group_by("item").agg(pl.col("n_pixels").max()), on="item", how="left")
    over = over.filter(pl.col("l0_pixels") > pl.col("n_pixels"))
    return [f"{name}: the saved frame is judged otherwise" for name in wrong["item"]] + [
        f"{name}: more pixels differ than were allowed" for name in over["item"]
    ]
