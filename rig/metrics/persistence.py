"""On how much of the view sphere a fooling holds: equal-area cells, their rates, the largest contiguous region.

Cells: bands of equal height in sin(elevation), cut into equal steps of azimuth (Archimedes: all have equal area).
"""

import math
from collections import deque
from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
import polars as pl

from rig.metrics.rates import rate_of
from rig.metrics.weights import CELL, WEIGHT

VIEWS_PER_CELL = 8
MOST_CELLS = (
    324  # of the whole sphere each is 11 degrees wide; from here on more views make rates surer, not cells smaller
)
HELD = 0.5  # a cell counts as fooled when at least half of its views are ("views < 0.5" of vehicle camouflage work)
TAIL = 0.1  # CVaR: the mean over the worst 10 % of cells


@dataclass(frozen=True)
class Cells:
    """An equal-area grid over an azimuth x elevation region; band 0 is the lowest, column 0 the first in azimuth."""

    bands: int
    columns: int
    azimuth_deg: tuple[float, float] = (-180.0, 180.0)
    elevation_deg: tuple[float, float] = (-90.0, 90.0)

    @property
    def wraps(self) -> bool:
        return self.azimuth_deg[1] - self.azimuth_deg[0] >= 360

    @property
    def sphere_frac(self) -> float:
        """The region's share of the whole sphere."""
        low, high = np.sin(np.radians(self.elevation_deg))
        return float((self.azimuth_deg[1] - self.azimuth_deg[0]) / 360 * (high - low) / 2)

    def index(self, azimuth_deg: np.ndarray, elevation_deg: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(band, column) of each view; what lies outside the region goes to the nearest cell."""
        low, high = np.sin(np.radians(self.elevation_deg))
        start, stop = self.azimuth_deg
        turned = (np.asarray(azimuth_deg) - start) % 360 if self.wraps else np.asarray(azimuth_deg) - start
        band = (np.sin(np.radians(elevation_deg)) - low) / (high - low) * self.bands
        column = turned / (stop - start) * self.columns
        return _clip(band, self.bands), _clip(column, self.columns)

    def bounds(self, band: int, column: int) -> dict[str, tuple[float, float]]:
        low, high = np.sin(np.radians(self.elevation_deg))
        sines = low + (high - low) * np.array([band, band + 1]) / self.bands
        azimuths = np.linspace(*self.azimuth_deg, self.columns + 1)
        elevations = np.degrees(np.arcsin(np.clip(sines, -1, 1)))
        return {
            "azimuth_deg": (float(azimuths[column]), float(azimuths[column + 1])),
            "elevation_deg": (float(elevations[0]), float(elevations[1])),
        }

    def centre(self, band: int, column: int) -> tuple[float, float]:
        """(azimuth, elevation) in degrees of the point that halves the cell's area both ways."""
        bounds = self.bounds(band, column)
        sine = np.sin(np.radians(bounds["elevation_deg"])).mean()
        return sum(bounds["azimuth_deg"]) / 2, math.degrees(math.asin(sine))

    def neighbours(self, band: int, column: int) -> set[tuple[int, int]]:
        """Cells that share an edge, azimuth wrapped, and across a pole all cells that touch it."""
        beside = [column - 1, column + 1]
        beside = [c % self.columns for c in beside] if self.wraps else [c for c in beside if 0 <= c < self.columns]
        found = {(band, c) for c in beside} | {(b, column) for b in (band - 1, band + 1) if 0 <= b < self.bands}
        at_pole = {0: self.elevation_deg[0] <= -90, self.bands - 1: self.elevation_deg[1] >= 90}
        if at_pole.get(band):
            found |= {(band, c) for c in range(self.columns)}
        return found - {(band, column)}


def _clip(position: np.ndarray, n: int) -> np.ndarray:
    return np.clip(np.floor(position).astype(int), 0, n - 1)


def choose_cells(n_views: int, azimuth_deg=(-180.0, 180.0), elevation_deg=(-90.0, 90.0)) -> Cells:
    """About VIEWS_PER_CELL views a cell, MOST_CELLS cells or so, each about as wide as high on the equal-area cylinder."""
    region = Cells(1, 1, tuple(azimuth_deg), tuple(elevation_deg))
    wanted = min(MOST_CELLS, max(1, n_views / VIEWS_PER_CELL))
    width = math.radians(azimuth_deg[1] - azimuth_deg[0])
    height = 2 * region.sphere_frac * 2 * math.pi / width
    bands = max(1, round(math.sqrt(wanted * height / width)))
    return Cells(bands, max(1, round(wanted / bands)), region.azimuth_deg, region.elevation_deg)


def persistence(group: pl.DataFrame, cells: Cells) -> dict | None:
    """Figures of one object x artefact x model from its `result` column; None where no view has a pose."""
    posed = group.drop_nulls(["azimuth_deg", "elevation_deg"])
    if posed.is_empty():
        return None
    bands, columns = _places(posed, cells)
    counted = [name for name in ("result", WEIGHT, CELL) if name in posed.columns]
    rows = posed.select(counted).with_columns(place=pl.Series(bands * cells.columns + columns, dtype=pl.Int64))
    parts = rows.partition_by("place", as_dict=True)
    table = [
        _cell(cells, band, column, parts.get((band * cells.columns + column,), rows.clear()))
        for band, column in _all(cells)
    ]
    seen = sorted((cell for cell in table if cell["n"]), key=lambda cell: (cell["rate"], -cell["n"]))
    held = {(cell["band"], cell["column"]) for cell in seen if cell["rate"] >= HELD}
    rates = [cell["rate"] for cell in seen]
    contiguous_frac = largest_region(cells, held) / len(table)
    return {
        "cells": table,
        "n_cells": len(table),
        "n_cells_empty": len(table) - len(seen),
        "least_fooled": seen[0],
        "most_fooled": max(seen, key=lambda cell: (cell["rate"], cell["n"])),
        "cvar_least_fooled": tail_mean(rates, TAIL),
        "cvar_most_fooled": 1 - tail_mean([1 - rate for rate in rates], TAIL),
        "held_frac": len(held) / len(table),
        "contiguous_frac": contiguous_frac,
        "contiguous_half_width_deg": cap_half_width_deg(contiguous_frac * cells.sphere_frac),
    }


def _all(cells: Cells) -> list[tuple[int, int]]:
    return [(band, column) for band in range(cells.bands) for column in range(cells.columns)]


def _places(posed: pl.DataFrame, cells: Cells) -> tuple[np.ndarray, np.ndarray]:
    """(band, column) of each view; of a placed one, the cell that it was placed in."""
    if CELL in posed.columns:
        return np.divmod(posed[CELL].to_numpy(), cells.columns)
    return cells.index(posed["azimuth_deg"].to_numpy(), posed["elevation_deg"].to_numpy())


def _cell(cells: Cells, band: int, column: int, rows: pl.DataFrame) -> dict:
    return {"band": band, "column": column, **cells.bounds(band, column), **rate_of(rows, "fooled")}


def tail_mean(values: Collection[float], share: float) -> float:
    """CVaR: the mean of the lowest `share` of the values, the last one counted by the fraction that still fits."""
    ordered = np.sort(np.asarray(values, float))
    weights = np.clip(share * len(ordered) - np.arange(len(ordered)), 0, 1)
    return float(weights @ ordered / weights.sum())


def cap_half_width_deg(sphere_frac: float) -> float:
    """From centre to rim of the spherical cap that covers this share of the sphere: 90 degrees for a half."""
    return math.degrees(math.acos(1 - 2 * min(1.0, sphere_frac)))


def held_by(rates: Collection[float], share: float) -> float | None:
    """Of the items that are fooled at all, the largest rate that at least `share` of them reach; None without any."""
    fooled = sorted((rate for rate in rates if rate > 0), reverse=True)
    return fooled[math.ceil(share * len(fooled) - 1e-9) - 1] if fooled else None


def largest_region(cells: Cells, held: Collection[tuple[int, int]]) -> int:
    """The number of cells in the largest connected part of `held`."""
    left, largest = set(held), 0
    while left:
        queue, size = deque([left.pop()]), 0
        while queue:
            size += 1
            reached = cells.neighbours(*queue.popleft()) & left
            left -= reached
            queue.extend(reached)
        largest = max(largest, size)
    return largest
