"""Where ink goes on a sheet of paper, in millimetres from its upper left corner. PDF and PNG both draw this.

A rectangle is (left, top, width, height).
"""

from dataclasses import dataclass

import cv2
import numpy as np

from rig.calibrate.board import Board
from rig.errors import CalibrationError

PAPERS_MM = {"a4": (210.0, 297.0), "letter": (215.9, 279.4), "a3": (297.0, 420.0)}  # ISO 216; ANSI/ASME Y14.1 A
UNPRINTABLE_MM = 4.0  # what most printers leave white at an edge
QUIET_MM = 4.0  # white between pattern and ruler
RULER_MM, STRIP_MM = 100.0, 5.0  # the check ruler's length; the height of its strip, its words included
TICK_MM, LINE_MM = 2.0, 0.2
RULER_WORDS = "Print at 100 %: this ruler is 100 mm."

Rectangle = tuple[float, float, float, float]
Color = tuple[int, int, int]  # 8-bit sRGB


@dataclass(frozen=True)
class Pattern:
    """What a sheet is for, from its own upper left corner."""

    size_mm: tuple[float, float]
    black: tuple[Rectangle, ...]
    colored: tuple[tuple[Rectangle, Color], ...] = ()

    def moved(self, left_mm: float, top_mm: float) -> "Pattern":
        def at(rectangle: Rectangle) -> Rectangle:
            return left_mm + rectangle[0], top_mm + rectangle[1], *rectangle[2:]

        return Pattern(self.size_mm, tuple(map(at, self.black)), tuple((at(r), color) for r, color in self.colored))


@dataclass(frozen=True)
class Strip:
    """The check ruler with words below it. Upright, its own upper left corner is the page's lower left of it."""

    place_mm: tuple[float, float]  # of its own upper left corner
    upright: bool
    words: str

    @property
    def ruler(self) -> tuple[Rectangle, ...]:
        """In the strip's own coordinates: a tick every 10 mm, centred on its mark, and the line they stand on."""
        marks = np.arange(0, RULER_MM + 1, 10)
        ticks = tuple((float(mark) - LINE_MM / 2, 0.0, LINE_MM, TICK_MM) for mark in marks)
        return (*ticks, (0.0, TICK_MM - LINE_MM, RULER_MM, LINE_MM))


@dataclass(frozen=True)
class Sheet:
    """One page."""

    paper_mm: tuple[float, float]
    pattern: Pattern  # in the page's coordinates
    strip: Strip


def lay_out(board: Board, paper: str) -> Sheet:
    """A board with its ruler on a sheet."""
    pattern = Pattern(board.size_mm, tuple(pattern_mm(board)))
    return lay_out_pattern(pattern, paper, f"{board}. {RULER_WORDS}", hint="make --square-mm smaller")


def known_paper_mm(paper: str) -> tuple[float, float]:
    """Width and height, upright. Raises CalibrationError for a paper that rig does not know."""
    if paper not in PAPERS_MM:
        raise CalibrationError("unknown paper", where="--paper", got=paper, expected=" or ".join(PAPERS_MM))
    return PAPERS_MM[paper]


def lay_out_pattern(pattern: Pattern, paper: str, words: str, hint: str) -> Sheet:
    """A pattern in the middle of a sheet, the ruler below it or, where there is no room, beside it."""
    known_mm = known_paper_mm(paper)
    for paper_mm in (known_mm, known_mm[::-1]):
        spare_x, spare_y = (whole - part for whole, part in zip(paper_mm, pattern.size_mm, strict=True))
        if min(spare_x, spare_y) < 2 * UNPRINTABLE_MM or max(spare_x, spare_y) < _SPARE_MM:
            continue
        upright = spare_y < _SPARE_MM
        left, top = (spare_x / 2, _first_margin(spare_y)) if not upright else (_first_margin(spare_x), spare_y / 2)
        left, top = round(left, 1), round(top, 1)  # whole pixels of the PNG
        return Sheet(paper_mm, pattern.moved(left, top), Strip(strip_place_mm(paper_mm, upright), upright, words))
    raise _too_large(pattern, paper, hint)


_SPARE_MM = 2 * UNPRINTABLE_MM + QUIET_MM + STRIP_MM


def _first_margin(spare_mm: float) -> float:
    """White before the pattern: as much as between pattern and ruler."""
    return max(UNPRINTABLE_MM, (spare_mm - UNPRINTABLE_MM - STRIP_MM) / 2)


def strip_place_mm(paper_mm: tuple[float, float], upright: bool) -> tuple[float, float]:
    width, height = paper_mm
    inward = UNPRINTABLE_MM + STRIP_MM
    if upright:
        return width - inward, (height + RULER_MM) / 2
    return (width - RULER_MM) / 2, height - inward


def _too_large(pattern: Pattern, paper: str, hint: str) -> CalibrationError:
    width, height = pattern.size_mm
    room = "{:g} x {:g} mm".format(*PAPERS_MM[paper])
    return CalibrationError(
        "pattern is larger than the paper has room for",
        where=f"--paper {paper}",
        got=f"{width:g} x {height:g} mm",
        expected=f"{2 * UNPRINTABLE_MM:g} mm less than {room}, and {_SPARE_MM:g} mm less on one side for the ruler",
        hint=hint,
    )


def pattern_mm(board: Board) -> list[Rectangle]:
    """A board's black rectangles, from the pattern's own upper left corner."""
    if board.kind == "chessboard":
        return _squares(
            board, [(column, row) for row, column in np.ndindex(*board.squares[::-1]) if (column + row) % 2]
        )
    markers = board.aruco_board.getObjPoints()
    in_marker = {tuple((corners.mean(axis=0)[:2] / board.square_mm).astype(int)) for corners in markers}
    every = {(column, row) for row, column in np.ndindex(*board.squares[::-1])}
    rectangles = _squares(board, sorted(every - in_marker))
    for identity, corners in zip(board.aruco_board.getIds(), markers, strict=True):
        number = int(identity[0] if np.ndim(identity) else identity)
        rectangles += marker(board.aruco_dictionary, number, board.marker_mm, *map(float, corners[0][:2]))
    return rectangles


def _squares(board: Board, places: list[tuple[int, int]]) -> list[Rectangle]:
    side = board.square_mm
    return [(column * side, row * side, side, side) for column, row in places]


def marker(dictionary: cv2.aruco.Dictionary, identity: int, side_mm: float, left: float, top: float) -> list[Rectangle]:
    """One marker's black cells, joined along each row; its border of one cell is black."""
    cells = dictionary.markerSize + 2
    black = cv2.aruco.generateImageMarker(dictionary, identity, cells) == 0
    cell = side_mm / cells
    return [
        (left + start * cell, top + row * cell, (end - start) * cell, cell)
        for row in range(cells)
        for start, end in _runs(black[row])
    ]


def _runs(row: np.ndarray) -> list[tuple[int, int]]:
    """Starts and ends of the stretches of True."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], row, [False]]).astype(int)))
    return list(zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True))
