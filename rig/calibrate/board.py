"""A calibration board: ChArUco or plain chessboard, its TOML file, and where its corners are."""

from functools import cached_property
from pathlib import Path
from typing import Annotated, Literal

import cv2
import numpy as np
import tomli_w
from pydantic import AfterValidator, Field, model_validator

from rig.errors import CalibrationError
from rig.settings import Section, read_toml, validated

DICTIONARIES = {
    name.removeprefix("DICT_"): getattr(cv2.aruco, name)
    for name in sorted(dir(cv2.aruco))
    if name.startswith("DICT_") and name.isupper()
}
MAX_SQUARES = 100  # a side
Millimetres = Annotated[float, Field(gt=0, le=10_000, allow_inf_nan=False)]


def known_dictionary(dictionary: str) -> str:
    if dictionary not in DICTIONARIES:
        raise ValueError(f"unknown dictionary; expected one of {', '.join(DICTIONARIES)}")
    return dictionary


class Board(Section):
    """What a board file says. `squares` are columns and rows of the whole pattern, not its inner corners.

    `legacy` is the layout of OpenCV before 4.6: it differs for an even number of rows (opencv#23152).
    """

    kind: Literal["charuco", "chessboard"] = "charuco"
    squares: tuple[Annotated[int, Field(ge=3, le=MAX_SQUARES)], Annotated[int, Field(ge=3, le=MAX_SQUARES)]]
    square_mm: Millimetres
    marker_mm: Millimetres | None = None
    dictionary: Annotated[str, AfterValidator(known_dictionary)] | None = None
    legacy: bool = False

    @model_validator(mode="after")
    def _is_possible(self):
        if self.kind == "chessboard":
            return self
        if self.marker_mm is None or self.dictionary is None:
            raise ValueError("a charuco board needs marker_mm and dictionary")
        if self.marker_mm >= self.square_mm:
            raise ValueError(f"marker of {self.marker_mm:g} mm is not smaller than its square of {self.square_mm:g} mm")
        needed = self.squares[0] * self.squares[1] // 2
        if needed > len(self.aruco_dictionary.bytesList):
            raise ValueError(f"needs {needed} markers; {self.dictionary} has {len(self.aruco_dictionary.bytesList)}")
        return self

    @property
    def size_mm(self) -> tuple[float, float]:
        """Width and height of the pattern."""
        return self.squares[0] * self.square_mm, self.squares[1] * self.square_mm

    @property
    def corners_shape(self) -> tuple[int, int]:
        """Inner corners: columns, rows."""
        return self.squares[0] - 1, self.squares[1] - 1

    @cached_property
    def aruco_dictionary(self) -> cv2.aruco.Dictionary:
        return cv2.aruco.getPredefinedDictionary(DICTIONARIES[self.dictionary])

    @cached_property
    def aruco_board(self) -> cv2.aruco.CharucoBoard:
        """OpenCV's board, in millimetres from the print's upper left corner."""
        board = cv2.aruco.CharucoBoard(self.squares, self.square_mm, self.marker_mm, self.aruco_dictionary)
        board.setLegacyPattern(self.legacy)
        return board

    @cached_property
    def corners_m(self) -> np.ndarray:
        """(N, 3) inner corners in the board frame, row by row from the upper left; a corner's id is its row here."""
        columns, rows = self.corners_shape
        x_mm, down_mm = np.meshgrid(np.arange(1, columns + 1), np.arange(1, rows + 1))
        up_mm = self.squares[1] - down_mm
        return np.stack([x_mm, up_mm, np.zeros_like(x_mm)], axis=-1).reshape(-1, 3) * self.square_mm / 1000

    def to_toml(self) -> str:
        return tomli_w.dumps(self.model_dump(mode="json", exclude_none=True))

    def __str__(self) -> str:
        size = f"{self.squares[0]} x {self.squares[1]} squares of {self.square_mm:g} mm"
        if self.kind == "chessboard":
            return f"chessboard {size}"
        legacy = ", legacy layout" if self.legacy else ""
        return f"ChArUco {size}, markers {self.marker_mm:g} mm of {self.dictionary}{legacy}"


def make_board(where: str, **values) -> Board:
    """A board from the command line's words; `where` opens the line about whatever is wrong."""
    return validated(Board, {key: value for key, value in values.items() if value is not None}, where, CalibrationError)


def default_board(square_mm: float = 25.0) -> Board:
    """What `rig calibrate board` makes when nothing else is asked for."""
    return make_board("default board", squares=(8, 11), square_mm=square_mm, marker_mm=18.0, dictionary="5X5_100")


def read_board(path: Path) -> Board:
    """A board file. Raises CalibrationError naming the key."""
    document = read_toml(path, "board file", CalibrationError)
    return validated(Board, document, str(path), CalibrationError)


def parse_grid(text: str, where: str) -> tuple[int, int]:
    """8x11 as columns and rows.

    >>> parse_grid("8x11", "--squares")
    (8, 11)
    """
    columns, _, rows = text.lower().partition("x")
    if not (columns.isdecimal() and rows.isdecimal()):
        raise CalibrationError("not columns x rows", where=where, got=text, expected="such as 8x11")
    return int(columns), int(rows)


def chosen_board(file: Path | None, chessboard: str | None, square_mm: float | None) -> Board:
    """The board of a board file, or a plain chessboard of so many inner corners (OpenCV's way of counting)."""
    if (file is None) == (chessboard is None):
        raise CalibrationError("which board?", expected="either --board FILE or --chessboard 9x6 --square-mm 25")
    if file is not None:
        if square_mm is not None:
            raise CalibrationError("--square-mm is for a chessboard", hint=f"square_mm of a board stands in {file}")
        return read_board(file)
    columns, rows = parse_grid(chessboard, "--chessboard")
    if square_mm is None:
        raise CalibrationError("--square-mm is missing", where="--chessboard")
    return make_board("--chessboard", kind="chessboard", squares=(columns + 1, rows + 1), square_mm=square_mm)
