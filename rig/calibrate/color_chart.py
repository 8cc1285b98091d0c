"""The colour chart: patches all over the printable cube and a grey ramp, between four markers that say where they are.

Chart frame: millimetres from the pattern's upper left corner, x right, y down.
"""

import hashlib
import itertools
from pathlib import Path
from typing import Annotated, Literal

import cv2
import numpy as np
import tomli_w
from pydantic import AfterValidator, Field, model_validator
from scipy.stats import qmc

from rig.calibrate.board import DICTIONARIES, MAX_SQUARES, Millimetres, known_dictionary
from rig.calibrate.layout import RULER_WORDS, Pattern, Sheet, lay_out_pattern, marker
from rig.errors import CalibrationError
from rig.settings import Section, read_toml, validated

SCHEMA = 1
MARKER_CELLS = 2  # a marker's cells along each side, in every corner
WHITES = 4, 5  # columns and rows with bare patches, from which the light over the chart is read
MIN_WHITES = 12  # twice the numbers of a quadratic surface
LATTICE, RAMP = 5, 17  # levels of each channel; steps of grey
Level = Annotated[int, Field(ge=0, le=255)]
Side = Annotated[int, Field(ge=2 * MARKER_CELLS + 1, le=MAX_SQUARES)]


class Chart(Section):
    """What a chart file says. `colors` are 8-bit sRGB, row by row over the cells that no marker takes."""

    schema_: int = Field(SCHEMA, alias="schema", ge=SCHEMA, le=SCHEMA)
    kind: Literal["color chart"] = "color chart"
    cells: tuple[Side, Side]  # columns, rows
    cell_mm: Millimetres
    patch_mm: Millimetres  # a patch's side; the rest of its cell is paper
    marker_mm: Millimetres
    dictionary: Annotated[str, AfterValidator(known_dictionary)]
    markers: tuple[int, int, int, int]  # identities: upper left, upper right, lower left, lower right
    colors: tuple[tuple[Level, Level, Level], ...]

    @model_validator(mode="after")
    def _is_possible(self):
        if self.patch_mm >= self.cell_mm or self.marker_mm >= MARKER_CELLS * self.cell_mm:
            raise ValueError("patches and markers must be smaller than their cells")
        if len(set(self.markers)) < 4 or not all(
            0 <= one < len(self.aruco_dictionary.bytesList) for one in self.markers
        ):
            raise ValueError(f"markers are not four different ones of {self.dictionary}")
        if len(self.colors) != len(self.centres_mm):
            raise ValueError(f"{len(self.colors)} colors for {len(self.centres_mm)} patches")
        if (self.colors_8bit == 255).all(axis=1).sum() < MIN_WHITES:
            raise ValueError(f"fewer than {MIN_WHITES} white patches")
        return self

    @property
    def size_mm(self) -> tuple[float, float]:
        return self.cells[0] * self.cell_mm, self.cells[1] * self.cell_mm

    @property
    def aruco_dictionary(self) -> cv2.aruco.Dictionary:
        return cv2.aruco.getPredefinedDictionary(DICTIONARIES[self.dictionary])

    @property
    def colors_8bit(self) -> np.ndarray:
        """(N, 3) uint8"""
        return np.array(self.colors, np.uint8).reshape(-1, 3)

    @property
    def centres_mm(self) -> np.ndarray:
        """(N, 2) middles of the patches."""
        return (np.array(patch_cells(self.cells)) + 0.5) * self.cell_mm

    @property
    def marker_corners_mm(self) -> np.ndarray:
        """(4, 4, 2): of each marker its upper left corner, then clockwise."""
        side, margin = self.marker_mm, (MARKER_CELLS * self.cell_mm - self.marker_mm) / 2
        far = [whole - margin - side for whole in self.size_mm]
        corners = np.array([[0, 0], [side, 0], [side, side], [0, side]], float)
        return np.array([[x, y] + corners for y in (margin, far[1]) for x in (margin, far[0])])

    def to_toml(self) -> str:
        return tomli_w.dumps(self.model_dump(mode="json", by_alias=True))

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.to_toml().encode()).hexdigest()


def patch_cells(cells: tuple[int, int]) -> list[tuple[int, int]]:
    """(column, row) of every cell that no marker takes, row by row."""

    def in_corner(place: int, n: int) -> bool:
        return place < MARKER_CELLS or place >= n - MARKER_CELLS

    every = ((column, row) for row, column in np.ndindex(*cells[::-1]))
    return [cell for cell in every if not all(map(in_corner, cell, cells))]


def default_chart(seed: int = 0) -> Chart:
    """176 patches for A4 and Letter; the markers are the last of a dictionary of which rig's board uses the first."""
    cells = 12, 16
    return Chart(
        schema=SCHEMA,
        cells=cells,
        cell_mm=15.0,
        patch_mm=12.0,
        marker_mm=27.0,
        dictionary="5X5_100",
        markers=(96, 97, 98, 99),
        colors=tuple(map(tuple, _colors(cells, seed).tolist())),
    )


def _colors(cells: tuple[int, int], seed: int) -> np.ndarray:
    """(N, 3): white on an even grid; elsewhere lattice, greys and a low-discrepancy rest, in no order."""
    places = patch_cells(cells)
    across, down = (
        {round((i + 0.5) * n / steps - 0.5) for i in range(steps)} for n, steps in zip(cells, WHITES, strict=True)
    )
    white = np.array([column in across and row in down for column, row in places])
    lattice = 255 * np.array(list(itertools.product(np.linspace(0, 1, LATTICE), repeat=3)))[:-1]
    greys = [[level] * 3 for level in np.linspace(0, 255, RAMP) if level % 63.75]
    rest = 255 * qmc.Sobol(3, rng=np.random.default_rng(seed)).random(256)
    colored = np.rint(np.concatenate([lattice, greys, rest])[: np.sum(~white)]).astype(int)
    colors = np.full((len(places), 3), 255)
    colors[~white] = np.random.default_rng(seed).permutation(colored)
    return colors


def chart_sheet(chart: Chart, paper: str) -> Sheet:
    left_top = chart.centres_mm - chart.patch_mm / 2
    colored = tuple(
        ((float(left), float(top), chart.patch_mm, chart.patch_mm), color)
        for (left, top), color in zip(left_top, chart.colors, strict=True)
    )
    corners = zip(chart.markers, chart.marker_corners_mm[:, 0].tolist(), strict=True)
    black = [one for name, at in corners for one in marker(chart.aruco_dictionary, name, chart.marker_mm, *at)]
    words = f"Colour chart, {len(chart.colors)} patches; printer settings as for the object. {RULER_WORDS}"
    return lay_out_pattern(Pattern(chart.size_mm, tuple(black), colored), paper, words, hint="choose a larger --paper")


def read_chart(path: Path) -> Chart:
    """A chart file. Raises CalibrationError naming the key."""
    document = read_toml(path, "chart file", CalibrationError)
    return validated(Chart, document, str(path), CalibrationError)
