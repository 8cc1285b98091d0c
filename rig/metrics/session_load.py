"""Trials of a session sweep read back, strictly; `result` and the clean twin's result added."""

import polars as pl

from rig.errors import RunError
from rig.metrics.load import Run, check_outcomes, check_values
from rig.sweep.session_trials import COLUMNS

GROUP = ("object", "model", "crop", "source", "artefact")
_SAME = ("object", "model", "crop", "source")


def read_session_trials(run: Run) -> pl.DataFrame:
    """All rows in the order they were taken. Raises RunError."""
    folder = run.path / "trials"
    parts = [_read_part(path) for path in sorted(folder.glob("part-*.parquet"))]
    rows = pl.concat(parts) if parts else pl.DataFrame()
    if rows.is_empty():
        raise RunError("the run has no trials yet", where=folder, hint="finish it with: rig resume")
    check_values(rows, folder)
    check_outcomes(rows, folder)
    if len(rows) != rows.n_unique([*GROUP, "view"]):
        raise RunError("trials are there twice", where=folder, hint="two parts hold the same work")
    return with_clean_twin(with_result(rows)).sort("session", "frame", maintain_order=True)


def with_result(rows: pl.DataFrame) -> pl.DataFrame:
    """`result`: correct | fooled | other_wrong. Untargeted: every miss is fooled."""
    fooled = (pl.col("outcome") == "target") | ((pl.col("target_label") == "") & (pl.col("outcome") != "correct"))
    return rows.with_columns(result=pl.when(fooled).then(pl.lit("fooled")).otherwise(pl.col("outcome")))


def with_clean_twin(rows: pl.DataFrame) -> pl.DataFrame:
    """`clean_result`: what became of the clean twin, in the same crop and from the same source; null without one."""
    clean = rows.filter(pl.col("artefact") == "clean").select(*_SAME, twin="view", clean_result="result")
    return rows.join(clean, on=[*_SAME, "twin"], how="left", maintain_order="left")


def _read_part(path) -> pl.DataFrame:
    try:
        part = pl.read_parquet(path)
    except (pl.exceptions.PolarsError, OSError) as error:
        raise RunError("not a readable parquet file", where=path, hint="delete it and run: rig resume") from error
    missing = [name for name in COLUMNS if name not in part.columns]
    if missing:
        raise RunError(f"column {missing[0]} is missing", where=path, hint="was it written by another version of rig?")
    return part.select(*COLUMNS)
