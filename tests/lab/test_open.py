"""What the command line may name, and what it may not."""

import json
import re

import numpy as np
import pytest

from rig.calibrate.detect import detect
from rig.contracts import Artefact
from rig.errors import RigError
from rig.images import encode_png, read_image
from rig.lab.control import Control
from rig.lab.open import open_desk
from rig.runs import RunFolder

from .conftest import BOARD


@pytest.fixture
def painted(tmp_path):
    """A run with an artefact, and its texture beside it."""
    texture = np.full((64, 64, 3), (250, 0, 250), np.uint8)
    (tmp_path / "texture.png").write_bytes(encode_png(texture))
    RunFolder.start(tmp_path / "run", ["rig"], {}, 0).save_artefact(Artefact("adversarial", texture))
    return tmp_path


@pytest.mark.parametrize("given", [{"texture": "texture.png"}, {"run": "run"}])
def test_an_artefact_is_worn_when_asked_for(painted, given):
    desk = open_desk("turtle", BOARD, **{name: painted / path for name, path in given.items()})
    clean = desk.photograph().image
    desk.control(Control(texture="adversarial"))
    photo = desk.photograph()
    assert photo.truth["artefact"] == "adversarial"
    assert is_magenta(photo.image).sum() > 3000
    assert not is_magenta(clean).any()


def is_magenta(image: np.ndarray) -> np.ndarray:
    red, green, blue = np.moveaxis(image.astype(int), -1, 0)
    return (red - green > 40) & (blue - green > 40)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"scene": "tortoise"}, "no such scene"),
        ({"board": "no.toml"}, "cannot read the board file"),
        ({"texture": "texture.png", "run": "run"}, "--texture and --run exclude each other"),
        ({"texture": "run/run.json"}, "not a readable image"),
        ({"run": "elsewhere"}, "not a run folder"),
        ({"run": "run", "artefact": "other"}, "cannot read artefact.json"),
        ({"chart": "no.png"}, "cannot read the file"),
        ({"camera": "run/run.json"}, "not valid TOML"),
        ({"radius_m": float("nan")}, "object_radius_m"),
        ({"radius_m": 5.0}, "object_radius_m"),
    ],
)
def test_what_cannot_be_opened_is_one_line(painted, given, message):
    files = {"board", "texture", "run", "chart", "camera"}
    words = {name: painted / value if name in files else value for name, value in given.items()}
    with pytest.raises(RigError, match=re.escape(message)) as error:
        open_desk(**{"scene": "turtle", "board": BOARD} | words)
    assert "\n" not in str(error.value)


def rig(monkeypatch, *words: str) -> None:
    from rig.cli import main

    monkeypatch.setattr("sys.argv", ["rig", *words])
    main()


def test_the_command_writes_a_photograph_and_prints_its_truth(tmp_path, monkeypatch, capsys):
    out = tmp_path / "desk.png"
    with pytest.raises(SystemExit) as end:
        rig(monkeypatch, "lab", "turtle", "--out", str(out), "--radius-m", "0.04")
    truth = json.loads(capsys.readouterr().out)
    assert not end.value.code and truth["object_radius_m"] == 0.04
    desk = open_desk("turtle", BOARD)
    seen = detect(desk.board, read_image(out))
    true = desk.camera.lens.project(seen.points_m(desk.board), np.array(truth["camera_from_board"]))
    assert np.linalg.norm(seen.corners_px - true, axis=1).max() < 0.5


@pytest.mark.parametrize("words", [[], ["--serve", "--out", "x.png"]])
def test_the_command_wants_to_know_which(monkeypatch, capsys, words):
    with pytest.raises(SystemExit) as end:
        rig(monkeypatch, "lab", "turtle", *words)
    assert end.value.code == 2
    assert capsys.readouterr().err == "rig: rig lab: expected either --serve or --out\n"
