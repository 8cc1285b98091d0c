"""All figures of a run in one dictionary: metrics.json."""

from pathlib import Path

import polars as pl

from rig.errors import RunError
from rig.metrics import curves
from rig.metrics.intervals import CONFIDENCE
from rig.metrics.load import Run, read_run, read_trials
from rig.metrics.persistence import HELD, TAIL, Cells, choose_cells, held_by, persistence
from rig.metrics.rates import GROUP, pooled, rates, with_result
from rig.metrics.recount import differences, recount
from rig.metrics.transfer import transfer
from rig.metrics.weights import with_weights
from rig.metrics.wrong_answers import wrong_answers

SCHEMA = 1
SPLIT = "eval"
HELD_BY = (0.5, 0.9)  # of the fooled objects


def metrics(run: Path) -> dict:
    """Reads a run folder and computes everything a report states. Raises RunError."""
    folder = read_run(run)
    return summarise(folder, read_trials(folder))


def summarise(run: Run, trials: pl.DataFrame) -> dict:
    """`metrics` of a run that is already in memory."""
    evaluated = evaluation(trials, run)
    table = rates(evaluated)
    groups = evaluated.partition_by("object", "model", as_dict=True, maintain_order=True)
    return {
        "schema": SCHEMA,
        "run": run.name,
        "status": run.record.status,
        "split": SPLIT,
        "confidence": CONFIDENCE,
        "n_trials": len(evaluated),
        "groups": [_group(run, key, group) for key, group in groups.items()],
        "rates": table,
        "pooled": [row | _held_by(row, table) for row in pooled(evaluated, run.record.seed or 0)],
        "transfer": transfer(run, table),
        # counts of answers: views that count by weights have none that could be shared out
        "wrong_answers": [] if run.record.refinement else wrong_answers(run, evaluated),
        "persistence": [row for key, group in groups.items() for row in _persistence(run, key, group)],
        "curves": [row for key, group in groups.items() for row in _curves(key, group)],
        "mismatches": differences(table, recount(run.path, SPLIT)),
    }


def evaluation(trials: pl.DataFrame, run: Run) -> pl.DataFrame:
    """The rows that count: views the optimiser never saw, in the order object, model, artefact, view."""
    evaluated = trials.filter(pl.col("split") == SPLIT)
    if evaluated.is_empty():
        raise RunError("no trial is of the split 'eval'", where=run.path / "trials", hint="rates need unseen views")
    order = pl.col("artefact").map_elements(artefact_order, return_dtype=pl.String)
    evaluated = with_weights(with_result(evaluated), run)
    return curves.with_brightness(evaluated).sort("object", "model", order, "view")


def artefact_order(name: str) -> str:
    """A sort key: clean, the attacked ones in number order, controls, the rest."""
    kinds = ("clean", "adversarial", "control_")
    rank = next((i for i, kind in enumerate(kinds) if name.startswith(kind)), len(kinds))
    stem, _, number = name.rpartition("-")
    return f"{rank} {stem} {int(number):06d}" if stem and number.isdecimal() else f"{rank} {name}"


def region(run: Run) -> dict[str, tuple[float, float]]:
    """Where on the sphere the declared distribution lives; a pinned angle counts as the whole circle or sphere."""
    declared = run.record.threat_model.distribution.dimensions
    whole = {"azimuth_deg": (-180.0, 180.0), "elevation_deg": (-90.0, 90.0)}
    ranges = {name: declared.get(name) for name in whole}
    return {
        name: tuple(value) if isinstance(value, list) and value[1] > value[0] else whole[name]
        for name, value in ranges.items()
    }


def group_cells(run: Run, group: pl.DataFrame) -> Cells:
    """The same cells for all artefacts of an object x model: those of the refinement where there was one."""
    if placed := run.record.refinement.get(group["object"][0]):
        return Cells(placed.bands, placed.columns, placed.azimuth_deg, placed.elevation_deg)
    return choose_cells(group["view"].n_unique(), **region(run))


def _held_by(row: dict, table: list[dict]) -> dict:
    """ "So many of the fooled objects stay fooled on this share of their views or more", of one artefact x model."""
    place = (row["artefact"], row["model"])
    rates = [one["adversariality"]["rate"] for one in table if (one["artefact"], one["model"]) == place]
    return {"n_fooled": sum(rate > 0 for rate in rates), "held_by": {f"{q:g}": held_by(rates, q) for q in HELD_BY}}


def _group(run: Run, key: tuple[str, str], group: pl.DataFrame) -> dict:
    clean = group.filter(pl.col("artefact") == "clean")
    cells = group_cells(run, group)
    return {
        "object": key[0],
        "model": key[1],
        "target": group["target_label"][0],
        "n_views": len(clean),
        "artefacts": group["artefact"].unique(maintain_order=True).to_list(),
        "cells": {
            "bands": cells.bands,
            "columns": cells.columns,
            "azimuth_deg": cells.azimuth_deg,
            "elevation_deg": cells.elevation_deg,
            "sphere_frac": cells.sphere_frac,
            "held_rate": HELD,
            "tail_frac": TAIL,
        },
    }


def _persistence(run: Run, key: tuple[str, str], group: pl.DataFrame) -> list[dict]:
    cells, rows = group_cells(run, group), []
    for (artefact,), part in group.partition_by("artefact", as_dict=True, maintain_order=True).items():
        figures = persistence(part, cells)
        if figures:
            rows.append(dict(zip(GROUP, (key[0], artefact, key[1]), strict=True)) | figures)
    return rows


def _curves(key: tuple[str, str], group: pl.DataFrame) -> list[dict]:
    place = {"object": key[0], "model": key[1]}
    return [place | {"condition": name, "bins": curves.curve(group, name)} for name in curves.varied_conditions(group)]
