"""The frames behind each cell of a view-sphere map: every view's answer, clean beside attacked, with its picture if kept."""

import base64
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import polars as pl

from rig.metrics.persistence import Cells

MAX_BYTES = 5_000_000  # of figures and pictures of a page, those that stand elsewhere on it included
MAX_LISTED = 12_000  # views of all maps of a page; the rates count every view
RESULTS = ("correct", "fooled", "other_wrong")


@dataclass
class Album:
    """What the page's script needs: labels and pictures once each. `shown`: pictures that stand elsewhere on the page."""

    folder: Path
    shown: dict[str, str] = field(default_factory=dict)  # data addresses by frame hash
    shown_twice: int = 0  # bytes of those that stand there once more
    pictures: dict[str, str] = field(default_factory=dict)  # base64 of a JPEG by frame hash
    labels: dict[str, int] = field(default_factory=dict)
    spheres: list[dict] = field(default_factory=list)
    tables: list[pl.DataFrame] = field(default_factory=list)

    def stored(self) -> list[str]:
        return [path.stem for path in self.folder.glob("*.jpg")]

    def show(self, pairs: Iterable[dict]) -> None:
        """Pairs of frames (`rig.report.frames.pair`) stand elsewhere on the page."""
        for frame in (frame for pair in pairs for frame in pair["frames"]):
            self.shown_twice += len(frame["src"]) if frame["hash"] in self.shown else 0
            self.shown[frame["hash"]] = frame["src"]

    def fill(self, budget: int) -> None:
        """Pictures a round at a time: one more view of every cell of every map, until one does not fit."""
        budget -= sum(map(len, self.shown.values())) + self.shown_twice
        kept = [
            table.filter("kept").select("turn", "hashes").with_columns(map=i) for i, table in enumerate(self.tables)
        ]
        order = pl.concat(kept).sort("turn", "map", maintain_order=True) if kept else pl.DataFrame()
        for hashes in order["hashes"] if kept else ():
            missing = [one for one in hashes if one not in self.shown and one not in self.pictures]
            found = {one: base64.b64encode((self.folder / f"{one}.jpg").read_bytes()).decode() for one in missing}
            budget -= sum(map(len, found.values()))
            if budget < 0:
                return
            self.pictures |= found

    def as_dict(self) -> dict:
        """The last step: `spheres` with their views, which name pictures only where the page has them."""
        known = self.shown.keys() | self.pictures.keys()
        spheres = [
            sphere | {"cells": self._cells(sphere["n"], table, known)}
            for sphere, table in zip(self.spheres, self.tables, strict=True)
        ]
        return {"labels": list(self.labels), "pictures": self.pictures, "results": RESULTS, "spheres": spheres}

    def _cells(self, counts: list[int], table: pl.DataFrame, known: set[str]) -> list[dict]:
        cells = [{"n": n, "views": []} for n in counts]
        for row in table.iter_rows(named=True):
            whole = row["kept"] and known.issuperset(row["hashes"])
            answers = [
                [self.labels.setdefault(label, len(self.labels)), round(prob, 3), RESULTS.index(result)]
                for label, prob, result in zip(row["labels"], row["probs"], row["results"], strict=True)
            ]
            place = [row["view"], round(row["azimuth_deg"]), round(row["elevation_deg"])]
            cells[row["cell"]]["views"].append([*place, answers, row["hashes"] if whole else []])
        return cells


def add_sphere(album: Album, trials: pl.DataFrame, artefacts: list[str], cells: Cells, n_maps: int) -> str:
    """Lists the views of one object x model in the album; returns the name by which the page finds them.

    trials: with `result`; the first of `artefacts` has every view that another one has.
    """
    table = _listed(side_by_side(trials, artefacts), cells, album.stored())
    counts = table.group_by("cell").len()
    n_cells = cells.bands * cells.columns
    by_cell = dict(counts.iter_rows())
    most = max(1, MAX_LISTED // (n_maps * n_cells))
    grid = {name: getattr(cells, name) for name in ("bands", "columns", "azimuth_deg", "elevation_deg")}
    album.spheres.append({"grid": grid, "n": [by_cell.get(i, 0) for i in range(n_cells)]})
    album.tables.append(table.filter(pl.col("turn") < most))
    return str(len(album.spheres) - 1)


def side_by_side(trials: pl.DataFrame, artefacts: list[str]) -> pl.DataFrame:
    """A row a view with a pose: labels, probs, results and hashes as lists in the order of `artefacts`."""
    place = {name: i for i, name in enumerate(artefacts)}
    rows = trials.filter(pl.col("artefact").is_in(artefacts)).drop_nulls(["azimuth_deg", "elevation_deg"])
    rows = rows.with_columns(place=pl.col("artefact").replace_strict(place, return_dtype=pl.Int64)).sort("place")
    gathered = {"labels": "predicted", "probs": "predicted_prob", "results": "result", "hashes": "frame_hash"}
    lists = [pl.col(column).alias(name) for name, column in gathered.items()]
    return (
        rows.group_by("view", maintain_order=True)
        .agg(pl.col("azimuth_deg", "elevation_deg").first(), *lists)
        .filter(pl.col("labels").list.len() == len(artefacts))
    )


def _listed(views: pl.DataFrame, cells: Cells, stored: list[str]) -> pl.DataFrame:
    """With `cell`, `kept` (every picture is stored) and `turn`: the place within its cell, kept ones first."""
    bands, columns = cells.index(views["azimuth_deg"].to_numpy(), views["elevation_deg"].to_numpy())
    kept = pl.col("hashes").list.eval(pl.element().is_in(stored)).list.all()
    return (
        views.with_columns(cell=pl.Series(bands * cells.columns + columns, dtype=pl.Int64), kept=kept)
        .sort("cell", pl.col("kept").not_(), "view")
        .with_columns(turn=pl.int_range(pl.len()).over("cell"))
    )
