"""`rig calibrate board` and `rig calibrate camera` as a user starts them, bad input included."""

import json
import re
import sys
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from rig.calibrate.board import read_board
from rig.calibrate.profile import read_profile
from rig.cli import app
from rig.errors import RigError
from rig.images import encode_png

sys.path.insert(0, str(Path(__file__).parents[1] / "capture"))
from mjpeg import NetworkCamera, served  # noqa: E402

PLACES = [  # tilt_deg, towards_deg, roll_deg, centre_ray, distance_m
    (tilt, 40 * number, 25 * number, np.array([0.22 * (number % 3 - 1), 0.18 * (number // 3 - 1)]), 0.55)
    for number, tilt in enumerate((30, 35, 40, 25, 30, 35, 40, 30, 25))
]


def run(*words):
    """What `rig` prints, and the error that `rig.cli.main` would tell in one line."""
    done = CliRunner().invoke(app, ["calibrate", *map(str, words)])
    if done.exception is not None and not isinstance(done.exception, RigError | SystemExit):
        raise done.exception
    return done


@pytest.fixture(scope="module")
def images(take):
    return [take(*place, seed=number)[0] for number, place in enumerate(PLACES)]


@pytest.fixture(scope="module")
def folder(images, board, tmp_path_factory):
    found = tmp_path_factory.mktemp("photographs")
    for number, image in enumerate(images):
        (found / f"{number}.png").write_bytes(encode_png(image))
    (found / "board.toml").write_text(board.to_toml())
    return found


def test_a_board_is_written_and_described(tmp_path):
    words = ("--squares", "6x8", "--square-mm", "20", "--marker-mm", "15", "--dictionary", "4X4_50", "--legacy")
    done = run("board", "--out", tmp_path / "desk", *words)
    assert done.exit_code == 0
    assert done.output.split() == [f"{tmp_path}/desk.{kind}" for kind in ("pdf", "png", "toml")]
    board = read_board(tmp_path / "desk.toml")
    assert (board.squares, board.square_mm, board.marker_mm, board.legacy) == ((6, 8), 20, 15, True)


def test_a_board_that_may_be_printed_already_is_not_replaced(tmp_path):
    assert run("board", "--out", tmp_path / "desk").exit_code == 0
    before = (tmp_path / "desk.pdf").read_bytes()
    assert "describes another sheet" in str(run("board", "--out", tmp_path / "desk", "--square-mm", "24").exception)
    assert (tmp_path / "desk.pdf").read_bytes() == before


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--squares", "8by11"), "--squares: not columns x rows; got 8by11"),
        (("--squares", "2x2"), "squares"),
        (("--squares", "0x11"), "squares"),
        (("--square-mm", "-1"), "square_mm"),
        (("--square-mm", "nan"), "square_mm"),
        (("--square-mm", "60"), "mm"),
        (("--marker-mm", "30"), "is not smaller than its square"),
        (("--dictionary", "7X7"), "unknown dictionary"),
        (("--dictionary", "4X4_50", "--squares", "12x12", "--square-mm", "10", "--marker-mm", "7"), "needs 72 markers"),
        (("--paper", "napkin"), "paper"),
    ],
)
def test_a_board_that_cannot_be_is_one_line(tmp_path, words, message):
    done = run("board", "--out", tmp_path / "desk", *words)
    assert isinstance(done.exception, RigError), done.output
    assert message in str(done.exception)
    assert "\n" not in str(done.exception)
    assert not list(tmp_path.iterdir())


def test_a_camera_is_calibrated_in_words_and_as_json(folder, camera, tmp_path):
    words = ("camera", folder, "--board", folder / "board.toml", "--out", tmp_path / "cam.toml")
    done = run(*words)
    assert done.exit_code == 0
    assert re.search(r"fx_px 6\d\d\.\d\d \+- \d", done.output)
    assert "held out" in done.output
    told = json.loads(run(*words, "--json").stdout)
    assert told["lens"]["fx_px"] == pytest.approx(camera.lens.fx_px, rel=0.01)
    assert (told["width_px"], told["height_px"]) == (640, 480)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("{folder}",), "which board?"),
        (("{folder}", "--board", "{folder}/none.toml"), "cannot read the board file"),
        (("{folder}", "--board", "{folder}/0.png"), "0.png: not valid TOML"),
        (("{folder}", "--board", "{folder}/board.toml", "--square-mm", "25"), "--square-mm is for a chessboard"),
        (("{folder}", "--chessboard", "9x6"), "--square-mm is missing"),
        (("{folder}", "--chessboard", "nine", "--square-mm", "25"), "--chessboard: not columns x rows"),
        (("{folder}", "--chessboard", "7x10", "--square-mm", "inf"), "square_mm"),
        (("{folder}/none", "--board", "{folder}/board.toml"), "no such file or folder"),
        (("{folder}/board.toml", "--board", "{folder}/board.toml"), "neither an image nor a video"),
        (("{folder}/0.png", "--board", "{folder}/board.toml"), "too few views of the board; got 1"),
        (("--board", "{folder}/board.toml"), "which photographs?"),
        (("{folder}", "--live", "0", "--board", "{folder}/board.toml"), "which photographs?"),
        (("--live", "97", "--board", "{folder}/board.toml"), "camera 97: cannot be opened"),
    ],
)
def test_what_cannot_be_calibrated_is_one_line(folder, tmp_path, words, message):
    done = run("camera", *(word.format(folder=folder) for word in words), "--out", tmp_path / "cam")
    assert isinstance(done.exception, RigError), done.output
    assert message in str(done.exception)
    assert "\n" not in str(done.exception)
    assert not list(tmp_path.iterdir())


def test_a_live_camera_is_calibrated_with_guidance(images, folder, camera, tmp_path):
    """A network camera before which the board is held in one place after another, for ten frames each."""
    rng = np.random.default_rng(0)
    held = [
        np.clip(image + rng.normal(0, 1, image.shape), 0, 255).astype(np.uint8) for image in images for _ in range(10)
    ]
    network = NetworkCamera(held, fps=20)
    words = ("--views", "8", "--board", folder / "board.toml", "--out", tmp_path / "cam.toml")
    with served(network) as url:
        done = run("camera", "--live", url, *words)
        assert done.exit_code == 0, done.exception
        again = run("camera", "--live", url, *words)
    profile = read_profile(tmp_path / "cam.toml")
    assert profile.quality.views + profile.quality.dropped_views == 8
    assert profile.lens.fx_px == pytest.approx(camera.lens.fx_px, rel=0.02)
    assert [view.name for view in profile.views] == [f"{number:03}.png" for number in range(8)]
    assert re.search(r"\n\d views; (missing|frame and tilts)", done.stderr)
    assert "cam-photographs: is there already" in str(again.exception)
