"""Boards on paper: true scale measured in the rasterised PDF and in the PNG, by a library that did not write them."""

import re

import numpy as np
import pypdfium2
import pytest
from PIL import Image

from rig.calibrate.board import make_board, parse_grid, read_board
from rig.calibrate.detect import detect
from rig.calibrate.layout import PAPERS_MM, lay_out
from rig.calibrate.sheet import write_board
from rig.errors import CalibrationError

DPI = 254  # a tenth of a millimetre a pixel
CHARUCO = {"squares": (8, 11), "square_mm": 25.0, "marker_mm": 18.0, "dictionary": "5X5_100"}
BOARDS = {
    "a4": ("a4", CHARUCO),
    "turned": ("a4", CHARUCO | {"squares": (11, 8), "square_mm": 24.0}),
    "ruler beside": ("letter", CHARUCO | {"square_mm": 24.0}),
    "even rows, legacy": (
        "letter",
        CHARUCO | {"squares": (6, 8), "square_mm": 21.5, "marker_mm": 15.7, "legacy": True},
    ),
    "chessboard": ("a4", {"kind": "chessboard", "squares": (10, 7), "square_mm": 25.0}),
}


@pytest.fixture(scope="module", params=BOARDS, ids=str)
def printed(request, tmp_path_factory):
    paper, values = BOARDS[request.param]
    board = make_board("test", **values)
    out = tmp_path_factory.mktemp("boards") / "board"
    write_board(board, paper, out)
    return board, PAPERS_MM[paper], out


def rasterised(out) -> np.ndarray:
    page = pypdfium2.PdfDocument(f"{out}.pdf")[0]
    return np.ascontiguousarray(page.render(scale=DPI / 72, rev_byteorder=True).to_numpy()[:, :, :3])


def test_the_pdf_page_is_the_paper(printed):
    _, paper_mm, out = printed
    size_mm = [side / 72 * 25.4 for side in pypdfium2.PdfDocument(f"{out}.pdf")[0].get_size()]
    np.testing.assert_allclose(sorted(size_mm), paper_mm, atol=0.01)


@pytest.mark.parametrize("kind", ["pdf", "png"])
def test_corners_lie_where_the_board_file_says_to_a_twentieth_of_a_millimetre(printed, kind):
    board, _, out = printed
    if kind == "pdf":
        image, mm_per_px = rasterised(out), 25.4 / DPI
    else:
        with Image.open(f"{out}.png") as file:
            image, mm_per_px = np.array(file.convert("RGB")), 25.4 / file.info["dpi"][0]
    seen = detect(read_board(out.with_suffix(".toml")), image)
    assert len(seen.ids) == (board.squares[0] - 1) * (board.squares[1] - 1)
    across, down = (seen.corners_px * mm_per_px).T
    expected = 1000 * seen.points_m(board)
    if board.kind == "chessboard" and abs(down[0] - down.max()) < 1:  # a chessboard has no upper end
        expected = expected.max(axis=0) + expected.min(axis=0) - expected
    offset = np.stack([across, -down], axis=1) - expected[:, :2]
    np.testing.assert_allclose(offset - offset.mean(axis=0), 0, atol=0.05)


def test_the_longest_line_beside_the_pattern_is_a_ruler_of_100_mm(printed):
    board, paper_mm, out = printed
    ink = rasterised(out)[:, :, 0] < 200  # a line of two pixels may lie across three
    paper = next(name for name, size_mm in PAPERS_MM.items() if size_mm == paper_mm)
    left, top, width, height = (np.array(lay_out(board, paper).pattern.black) * DPI / 25.4).T
    ink[int(min(top)) : int(max(top + height)) + 2, int(min(left)) : int(max(left + width)) + 2] = False
    longest_px = max(longest_run(line) for lines in (ink, ink.T) for line in lines)
    ends_mm = 0.1  # the end ticks are centred on their marks: half of each lies outside
    assert longest_px / DPI * 25.4 == pytest.approx(100 + 2 * ends_mm, abs=0.15)


def longest_run(line: np.ndarray) -> int:
    return max(map(len, bytes(line.astype(np.uint8)).replace(b"\0", b" ").split()), default=0)


def test_a_board_is_read_back_as_written(printed):
    board, _, out = printed
    assert read_board(out.with_suffix(".toml")) == board


def test_the_board_frame_is_right_handed_with_z_out_of_the_paper():
    corners_m = make_board("test", **CHARUCO).corners_m
    np.testing.assert_allclose(corners_m[0], [0.025, 0.25, 0])  # upper left
    np.testing.assert_allclose(corners_m[6], [0.175, 0.25, 0])  # upper right
    np.testing.assert_allclose(corners_m[-1], [0.175, 0.025, 0])  # lower right


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"marker_mm": 25.0}, "marker of 25 mm is not smaller than its square of 25 mm"),
        ({"marker_mm": 30.0}, "marker of 30 mm is not smaller"),
        ({"square_mm": float("nan")}, "square_mm"),
        ({"square_mm": float("inf")}, "square_mm"),
        ({"marker_mm": -1.0}, "marker_mm"),
        ({"dictionary": "5X5"}, "unknown dictionary"),
        ({"squares": (2, 11)}, "squares"),
        ({"squares": (20, 20)}, "needs 200 markers; 5X5_100 has 100"),
        ({"colour": "red"}, 'unknown key "colour"'),
    ],
)
def test_an_impossible_board_is_one_line(values, message):
    with pytest.raises(CalibrationError, match=re.escape(message)) as error:
        make_board("board.toml", **CHARUCO | values)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("paper", PAPERS_MM)
def test_a_board_larger_than_the_paper_is_refused(paper):
    with pytest.raises(CalibrationError, match="larger than the paper"):
        lay_out(make_board("test", **CHARUCO | {"square_mm": max(PAPERS_MM[paper]) / 11}), paper)


def test_another_board_in_place_of_a_printed_one_is_refused(tmp_path):
    write_board(make_board("test", **CHARUCO), "a4", tmp_path / "b")
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(CalibrationError, match="another sheet"):
        write_board(make_board("test", **CHARUCO | {"square_mm": 20.0}), "a4", tmp_path / "b")
    write_board(make_board("test", **CHARUCO), "a4", tmp_path / "b")
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


@pytest.mark.parametrize("text", ["8", "8x", "x", "8x11x2", "-8x11", "8.5x11", "eight", ""])
def test_a_grid_that_is_none_is_refused(text):
    with pytest.raises(CalibrationError, match="--squares: not columns x rows"):
        parse_grid(text, "--squares")
