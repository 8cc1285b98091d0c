"""Where on the view sphere a rate changed: the difference in each equal-area cell, corrected for all of them."""

import numpy as np
import polars as pl

from rig.metrics.compare_load import Side
from rig.metrics.compare_match import CLEAN, Views
from rig.metrics.compare_rows import groups, of_object, with_holm
from rig.metrics.persistence import Cells

LEVEL = 0.05
HIGHER_IS_BETTER = {"accuracy": True, "adversariality": False}


def maps(views: Views, side: Side, seed: int) -> list[dict]:
    """One for each object x model x artefact: accuracy of the clean object, adversariality of all else."""
    if side.cells is None:
        return []
    found = []
    for (name, model, artefact), part in groups(views, ["object", "model", "artefact"]):
        rate = "accuracy" if artefact == CLEAN else "adversariality"
        cells = with_holm([place | of_object(one, rate, side.kind, seed) for place, one in _parts(part, side.cells)])
        if cells:
            place = {"object": name, "model": model, "artefact": artefact, "rate": rate, **_grid(side.cells)}
            found.append(place | {"n_tested": _n_tested(cells), "cells": [_judged(cell, rate) for cell in cells]})
    return found


def _grid(cells: Cells) -> dict:
    return {name: getattr(cells, name) for name in ("bands", "columns", "sphere_frac")} | {
        "region": {"azimuth_deg": cells.azimuth_deg, "elevation_deg": cells.elevation_deg}
    }


def _n_tested(cells: list[dict]) -> int:
    return sum(cell["p"] is not None for cell in cells)


def _parts(part: Views, cells: Cells) -> list[tuple[dict, Views]]:
    """Every cell that both runs have trials in."""
    tables = [None if one is None else _by_cell(one, cells) for one in (part.first, part.second, part.both)]
    first, second, both = tables
    return [
        ({"band": band, "column": column, **cells.bounds(band, column)},
         Views(first[band, column], second[band, column], both and both[band, column], part.reason))
        for band in range(cells.bands)
        for column in range(cells.columns)
        if all((band, column) in table for table in tables if table is not None)
    ]  # fmt: skip


def _by_cell(rows: pl.DataFrame, cells: Cells) -> dict[tuple[int, int], pl.DataFrame]:
    posed = rows.drop_nulls(["azimuth_deg", "elevation_deg"])
    places = cells.index(*(posed[name].to_numpy() for name in ("azimuth_deg", "elevation_deg")))
    band, column = (pl.Series(np.asarray(one), dtype=pl.Int64) for one in places)
    return posed.with_columns(band=band, column=column).partition_by(["band", "column"], as_dict=True)


def _judged(cell: dict, rate: str) -> dict:
    if cell["p_holm"] is None or cell["p_holm"] >= LEVEL:
        return cell | {"verdict": ""}
    rose = cell["difference"] > 0
    return cell | {"verdict": "better" if rose == HIGHER_IS_BETTER[rate] else "worse"}
