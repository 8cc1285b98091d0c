"""Frame pairs for the page: one view a cell of a fixed grid, chosen by place only, never by outcome."""

import base64
from pathlib import Path

import numpy as np
import polars as pl

from rig.geometry import direction
from rig.metrics.persistence import Cells
from rig.report.words import angle, span

BANDS, COLUMNS = 3, 8
MAX_BYTES = 2_500_000  # of all pictures in one page
RULE = (
    f"One view for each of {BANDS} × {COLUMNS} equal-area cells of the view sphere: the one nearest to its centre "
    "among those with a stored thumbnail, whatever its outcome. Rows run from the highest elevation down, "
    "columns along the azimuth; a place is empty where its cell has no such view."
)


def frame_rows(group: pl.DataFrame, region: dict, artefacts: list[str], folder: Path, budget: int) -> list[dict]:
    """Rows of the grid, top band first: {"title", "cells": [{"where", "frames"} or None]}, within `budget` bytes.

    group: trials of one object x model with `result`; a view counts only if all `artefacts` have its thumbnail.
    """
    cells = Cells(BANDS, COLUMNS, **region)
    chosen = _choose(_with_thumbnails(group, artefacts, folder), cells)
    rows, used = [], 0
    for band in reversed(range(BANDS)):
        shown = []
        for column in range(COLUMNS):
            view = chosen.get((band, column))
            cell = _pair(group.filter(pl.col("view") == view), artefacts, folder) if view else None
            size = sum(len(frame["src"]) for frame in cell["frames"]) if cell else 0
            fits = used + size <= budget
            used += size if fits else 0
            shown.append(cell if fits else None)
        if any(shown):
            rows.append({"title": f"Elevation {span(cells.bounds(band, 0)['elevation_deg'])}", "cells": shown})
    return rows


def _thumbnail(folder: Path, frame_hash: str) -> Path:
    return folder / f"{frame_hash}.jpg"


def _with_thumbnails(group: pl.DataFrame, artefacts: list[str], folder: Path) -> pl.DataFrame:
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


def _pair(rows: pl.DataFrame, artefacts: list[str], folder: Path) -> dict:
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
