"""Frame pairs for the page: one view a cell of a fixed grid, chosen by place only, never by outcome."""

import base64
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import polars as pl

from rig.geometry import direction
from rig.metrics.persistence import Cells
from rig.report.words import angle, span

GRIDS = ((3, 8), (3, 4), (2, 3), (1, 2))  # bands x columns: the first whose pictures fit
MAX_BYTES = 2_500_000  # of all grids of one page
RULE = (
    "One view for each of {bands} × {columns} equal-area cells of the view sphere: the one nearest to its centre "
    "among those with a stored thumbnail, whatever its outcome. Rows run from the highest elevation down, "
    "columns along the azimuth; a place is empty where its cell has no such view."
)


def frame_grid(group: pl.DataFrame, region: dict, artefacts: list[str], folder: Path, budget: int) -> dict:
    """The finest grid whose pictures fit into `budget` bytes: its `rule`, `columns` and `rows`, top band first.

    A row is {"title", "cells": [a `pair` or None]}. group: trials of one object x model with `result`; a view counts
    only if all `artefacts` have its thumbnail.
    """
    views = with_thumbnails(group, artefacts, folder)
    for bands, columns in GRIDS:
        rows = _rows(group, views, Cells(bands, columns, **region), artefacts, folder)
        if n_bytes(cell for row in rows for cell in row["cells"]) <= budget:
            return {"rule": RULE.format(bands=bands, columns=columns), "columns": columns, "rows": rows}
    return {"rule": "This page has no room for pictures of so many objects and models.", "columns": 1, "rows": []}


def _rows(group: pl.DataFrame, views: pl.DataFrame, cells: Cells, artefacts: list[str], folder: Path) -> list[dict]:
    chosen, rows = _choose(views, cells), []
    for band in reversed(range(cells.bands)):
        names = [chosen.get((band, column)) for column in range(cells.columns)]
        if any(names):
            title = f"Elevation {span(cells.bounds(band, 0)['elevation_deg'])}"
            rows.append({"title": title, "cells": [name and pair(group, name, artefacts, folder) for name in names]})
    return rows


def n_bytes(cells: Iterable[dict | None]) -> int:
    """Of the pictures of some pairs, as they stand in the page."""
    return sum(len(frame["src"]) for cell in cells if cell for frame in cell["frames"])


def _thumbnail(folder: Path, frame_hash: str) -> Path:
    return folder / f"{frame_hash}.jpg"


def with_thumbnails(group: pl.DataFrame, artefacts: list[str], folder: Path) -> pl.DataFrame:
    """One row a view, of those with a pose and every picture."""
    stored = {path.stem for path in folder.glob("*.jpg")}
    rows = group.filter(pl.col("artefact").is_in(artefacts) & pl.col("frame_hash").is_in(list(stored)))
    whole = rows.group_by("view").agg(pl.len()).filter(pl.col("len") == len(artefacts))["view"]
    first = rows.filter((pl.col("artefact") == artefacts[0]) & pl.col("view").is_in(whole.to_list()))
    return first.drop_nulls(["azimuth_deg", "elevation_deg"]).sort("view")


def _choose(views: pl.DataFrame, cells: Cells) -> dict[tuple[int, int], str]:
    """The view nearest to the centre of each cell that has one."""
    if views.is_empty():
        return {}
    azimuth, elevation = views["azimuth_deg"].to_numpy(), views["elevation_deg"].to_numpy()
    bands, columns = cells.index(azimuth, elevation)
    towards, names, chosen = direction(azimuth, elevation), views["view"].to_list(), {}
    for band, column in set(zip(bands.tolist(), columns.tolist(), strict=True)):
        nearness = towards @ direction(*cells.centre(band, column))
        nearness[(bands != band) | (columns != column)] = -2
        chosen[band, column] = names[int(np.argmax(nearness))]
    return chosen


def pair(group: pl.DataFrame, view: str, artefacts: list[str], folder: Path) -> dict:
    """One view's frames in the order of `artefacts`, each with its answer."""
    rows = group.filter(pl.col("view") == view)
    by_artefact = {row["artefact"]: row for row in rows.iter_rows(named=True)}
    first = by_artefact[artefacts[0]]
    where = f"{angle(first['azimuth_deg'])}, {angle(first['elevation_deg'])}"
    frames = [_frame(by_artefact[name], folder, where) for name in artefacts]
    return {"where": where, "view": first["view"], "frames": frames}


def _frame(row: dict, folder: Path, where: str) -> dict:
    encoded = base64.b64encode(_thumbnail(folder, row["frame_hash"]).read_bytes()).decode()
    return {
        "src": f"data:image/jpeg;base64,{encoded}",
        "hash": row["frame_hash"],
        "artefact": row["artefact"],
        "predicted": row["predicted"],
        "prob": row["predicted_prob"],
        "result": row["result"],
        "where": where,
    }
