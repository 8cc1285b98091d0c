"""What a view counts for where refinement placed it: cells were not looked at equally often."""

import polars as pl

from rig.errors import RunError
from rig.metrics.load import Refinement, Run
from rig.views import PLACE

KEY = ["object", "model", "artefact"]
WEIGHT, CELL = "weight", "cell"


def with_weights(trials: pl.DataFrame, run: Run) -> pl.DataFrame:
    """Adds `cell` and `weight` where the run's views were placed; other trials come back as they are.

    weight: a view's share of its cell, (N_round / N) / n_round,cell, in proportion to N_round / (H n_round,cell) and 1
    in all over a cell. Raises RunError where the views stored are not those of the rounds in run.json.
    """
    if not run.record.refinement:
        return trials
    plan = pl.concat([_plan(name, record) for name, record in run.record.refinement.items()])
    place = pl.col("view").str.extract_groups(PLACE)
    named = {name: place.struct.field(str(i)).cast(pl.Int64) for i, name in enumerate(("round", CELL), start=1)}
    trials = trials.with_columns(**named)
    _require_whole(trials, plan, run)
    weights = plan.select("object", "round", CELL, WEIGHT)
    return trials.join(weights, on=["object", "round", CELL], how="left", maintain_order="left").drop("round")


def _plan(name: str, record: Refinement) -> pl.DataFrame:
    total = sum(map(sum, record.rounds))
    rows = [
        {"object": name, "round": number, CELL: cell, "planned": n, WEIGHT: sum(views) / total / n}
        for number, views in enumerate(record.rounds)
        for cell, n in enumerate(views)
    ]
    return pl.DataFrame(rows)


def _require_whole(trials: pl.DataFrame, plan: pl.DataFrame, run: Run) -> None:
    """Every artefact and model saw all views of every round, and no others: else weights would be of other samples."""
    counted = trials.group_by(*KEY, "round", CELL).len()
    planned = trials.select(KEY).unique(maintain_order=True).join(plan, on="object", how="left")
    both = planned.join(counted, on=[*KEY, "round", CELL], how="full", coalesce=True, nulls_equal=True)
    wrong = both.filter(pl.col("len").ne_missing(pl.col("planned"))).sort(*KEY, "round", CELL)
    if len(wrong):
        row = wrong.row(0, named=True)
        raise RunError(
            f"views are not those of the refinement's rounds: {row['artefact']}, {row['object']}, "
            + ("a view without a cell" if row[CELL] is None else f"round {row['round']}, cell {row[CELL]}"),
            where=run.path / "trials",
            got=f"{row['len'] or 0} views",
            expected=row["planned"] or 0,
            hint=None if run.record.status == "done" else f"finish the sweep with: rig resume {run.path}",
        )
