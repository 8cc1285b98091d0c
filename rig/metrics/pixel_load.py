"""Trials of a pixel attack read back, strictly; `fooled` and `clean_correct` added."""

import polars as pl

from rig.contracts import TRIAL_COLUMNS
from rig.errors import RunError
from rig.metrics.load import Run
from rig.metrics.recount import SEPARATOR
from rig.sweep.pixel_trials import PIXEL_COLUMNS

COLUMNS = (*TRIAL_COLUMNS, *PIXEL_COLUMNS)
UNIT = ("object", "target_label")  # one attacked image and what it shall be taken for
STEP = ("found_on", "search", "pixels")


def read_pixel_trials(run: Run) -> pl.DataFrame:
    """All rows but clean ones, each with `clean_prob` and `clean_correct` of its judge. Raises RunError."""
    folder = run.path / "trials"
    parts = [part.having(COLUMNS).select(COLUMNS) for part in run.parts]
    rows = pl.concat(parts) if parts else pl.DataFrame()
    if rows.is_empty() or (rows["search"] == "").all():
        raise RunError("the run has no attacked image yet", where=folder, hint="finish it with: rig resume")
    rows = rows.unique(["object", "artefact", "model"], keep="first", maintain_order=True)  # killed between two writes
    known = pl.col("true_label").str.split(SEPARATOR).list.contains(pl.col("predicted"))
    hit = (pl.col("target_label") == "") & ~known | (pl.col("predicted") == pl.col("target_label"))
    rows = rows.with_columns(correct=known, fooled=hit)
    _check_outcomes(rows, run)
    clean = rows.filter(pl.col("search") == "").select(
        "object", "model", clean_correct="correct", clean_prob="true_prob", clean_predicted="predicted"
    )
    attacked = rows.filter(pl.col("search") != "").join(clean, on=["object", "model"], how="left")
    if attacked["clean_correct"].null_count():
        row = attacked.filter(pl.col("clean_correct").is_null()).row(0, named=True)
        raise RunError("an attacked image has no clean twin", where=folder, got=f"{row['object']}, {row['model']}")
    return attacked


def _check_outcomes(rows: pl.DataFrame, run: Run) -> None:
    said = (
        pl.when(pl.col("correct"))
        .then(pl.lit("correct"))
        .when((pl.col("target_label") != "") & pl.col("fooled"))
        .then(pl.lit("target"))
        .otherwise(pl.lit("other_wrong"))
    )
    wrong = rows.filter(said != pl.col("outcome"))
    if len(wrong):
        row = wrong.row(0, named=True)
        got = f"{row['outcome']} for predicted {row['predicted']!r} of {row['object']}"
        raise RunError(f"{len(wrong)} trials whose outcome contradicts their prediction", where=run.path, got=got)
