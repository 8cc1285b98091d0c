"""Trials of a session sweep read back, strictly; `result` and the clean twin's result added."""

import polars as pl

from rig.errors import RunError
from rig.metrics.load import Run, check_outcomes, check_values
from rig.metrics.rates import with_verdict
from rig.sweep.session_trials import COLUMNS

GROUP = ("object", "model", "crop", "source", "artefact")
_SAME = ("object", "model", "crop", "source")


def read_session_trials(run: Run) -> pl.DataFrame:
    """All rows in the order they were taken. Raises RunError."""
    folder = run.path / "trials"
    parts = [part.having(COLUMNS).select(*COLUMNS) for part in run.parts]
    rows = pl.concat(parts) if parts else pl.DataFrame()
    if rows.is_empty():
        raise RunError("the run has no trials yet", where=folder, hint="finish it with: rig resume")
    check_values(rows, folder)
    check_outcomes(rows, folder)
    if len(rows) != rows.n_unique([*GROUP, "view"]):
        raise RunError("trials are there twice", where=folder, hint="two parts hold the same work")
    return with_clean_twin(with_verdict(rows)).sort("session", "frame", maintain_order=True)


def with_clean_twin(rows: pl.DataFrame) -> pl.DataFrame:
    """`clean_result`: what became of the clean twin, in the same crop and from the same source; null without one."""
    clean = rows.filter(pl.col("artefact") == "clean").select(*_SAME, twin="view", clean_result="result")
    return rows.join(clean, on=[*_SAME, "twin"], how="left", maintain_order="left")
