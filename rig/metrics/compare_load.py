"""Runs to be compared, each as one table of the same columns, whatever kind of run it is."""

from dataclasses import dataclass
from pathlib import Path

import polars as pl

from rig.contracts import POSE_DIMENSIONS, TRIAL_COLUMNS
from rig.errors import RunError
from rig.metrics.load import Run, read_run, read_trials
from rig.metrics.persistence import VIEWS_PER_CELL, Cells, choose_cells
from rig.metrics.pixel_load import read_pixel_trials
from rig.metrics.session import cells_of, with_blocks
from rig.metrics.session_load import read_session_trials
from rig.metrics.summary import evaluation, region

VIEWS, SESSION, IMAGES = "views of scenes", "frames of camera sessions", "attacked images"
KINDS = {"": VIEWS, "sweep": VIEWS, "attack texture": VIEWS, "sweep session": SESSION, "attack pixel": IMAGES}
COLUMNS = ("object", "view", "artefact", "model", "cluster", "true_label", "target_label", "predicted",
           "predicted_prob", "result", "clean_result", "frame_hash")  # fmt: skip
PAIRS_PER_CELL = 20  # with 8, no cell of 25 could be told apart from chance, however much it changed


@dataclass(frozen=True, eq=False)
class Side:
    """A run as a comparison sees it.

    trials: as the run's own report reads them. rows: COLUMNS and every condition of the view. `view` names what is
    paired within an object; rows of one `cluster` resemble each other, those of different clusters are independent
    draws, given the object.
    """

    letter: str
    run: Run
    kind: str
    trials: pl.DataFrame
    rows: pl.DataFrame
    cells: Cells | None

    @property
    def conditions(self) -> list[str]:
        return [name for name in self.rows.columns if name not in COLUMNS]

    @property
    def models(self) -> list[str]:
        return self.rows["model"].unique(maintain_order=True).to_list()

    @property
    def artefacts(self) -> list[str]:
        return self.rows["artefact"].unique(maintain_order=True).to_list()

    @property
    def objects(self) -> list[str]:
        return self.rows["object"].unique(maintain_order=True).to_list()


def read_side(letter: str, path: Path) -> Side:
    """Raises RunError for a folder that is no run, is damaged, or is of a kind that is not compared."""
    run = read_run(path)
    job = run.record.config.get("job", "")
    if job not in KINDS:
        raise RunError(
            "runs of this kind cannot be compared",
            where=path,
            got=job,
            expected=" or ".join(name for name in KINDS if name),
        )
    read, in_common = _READERS[KINDS[job]]
    trials = read(run)
    return Side(letter, run, KINDS[job], trials, *in_common(run, trials))


def _views(run: Run, trials: pl.DataFrame) -> tuple[pl.DataFrame, Cells]:
    if run.record.refinement:
        raise RunError(
            "a refined sweep cannot be compared: its views count by weights, pairs of views would not",
            where=run.path,
            hint="sweep both without --refine, or report each alone",
        )
    rows = evaluation(trials, run)
    conditions = [name for name in rows.columns if name in POSE_DIMENSIONS or name not in TRIAL_COLUMNS]
    conditions = [name for name in conditions if name not in COLUMNS]
    cells = choose_cells(round(rows["view"].n_unique() * VIEWS_PER_CELL / PAIRS_PER_CELL), **region(run))
    return rows.with_columns(cluster="view").select(*COLUMNS, *conditions), cells


def _session(run: Run, trials: pl.DataFrame) -> tuple[pl.DataFrame, Cells]:
    """An object is one in one crop; a view, one frame of a session or its rendered twin."""
    rows = with_blocks(trials)
    named = {
        "object": pl.concat_str("object", "crop", separator=", crop "),
        "view": pl.concat_str("session", "view", "source", separator="/"),
        "cluster": "block",
    }
    rows = rows.filter(pl.col("source") == "capture") if "capture" in rows["source"] else rows
    cells = cells_of(rows)
    return rows.with_columns(**named).select(*COLUMNS, *POSE_DIMENSIONS), cells


def _images(run: Run, trials: pl.DataFrame) -> tuple[pl.DataFrame, None]:
    """An artefact is what one search finds with so many pixels, judged by the network that it was found on."""
    own = trials.filter(pl.col("model") == pl.col("found_on"))
    result = pl.when("fooled").then(pl.lit("fooled")).when("correct").then(pl.lit("correct"))
    named = {
        "artefact": pl.format("{}, {} px", "search", "pixels"),
        "result": result.otherwise(pl.lit("other_wrong")),
        "clean_result": pl.when("clean_correct").then(pl.lit("correct")).otherwise(pl.lit("other_wrong")),
        "view": "target_label",
        "cluster": "object",
    }
    return own.with_columns(**named).select(*COLUMNS), None


_READERS = {
    VIEWS: (read_trials, _views),
    SESSION: (read_session_trials, _session),
    IMAGES: (read_pixel_trials, _images),
}
