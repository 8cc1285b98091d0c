"""`rig capture` as a user starts it: folders, a network camera, kill -9 and resume, and bad input."""

import os
import re
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from mjpeg import NetworkCamera, served
from typer.testing import CliRunner

from rig.capture import read_session
from rig.capture.session import open_session
from rig.cli import app
from rig.errors import RigError
from rig.images import encode_png

STOPS_DEG = (0, 15, 30, 45)


@pytest.fixture(scope="module")
def desk(board, profile, photograph_at, tmp_path_factory):
    """A folder with board, profile and photographs: two of each stop of a turntable, one of a moving board, one of none."""
    folder = tmp_path_factory.mktemp("desk")
    (folder / "board.toml").write_text(board.to_toml())
    (folder / "camera.toml").write_text(profile.to_toml())
    (folder / "shots").mkdir()
    shots = [photograph_at(azimuth_deg, seed=seed)[0] for azimuth_deg in STOPS_DEG for seed in (0, 1)]
    shots += [photograph_at(52)[0], np.full((480, 640, 3), 90, np.uint8)]
    for number, image in enumerate(shots):
        (folder / "shots" / f"{number:02}.png").write_bytes(encode_png(image))
    return folder


def arguments(desk, out, *more, camera=None):
    given = {"--camera": camera or desk / "shots", "--board": desk / "board.toml", "--profile": desk / "camera.toml"}
    given |= {"--object": "turtle", "--out": out}
    return ["capture", *(str(word) for pair in given.items() for word in pair), *map(str, more)]


def run(*words):
    """What `rig` prints, and the error that `rig.cli.main` would tell in one line."""
    done = CliRunner().invoke(app, list(words))
    if done.exception is not None and not isinstance(done.exception, RigError | SystemExit):
        raise done.exception
    return done


def test_a_folder_becomes_a_session_by_turntable(desk, tmp_path):
    done = run(*arguments(desk, tmp_path / "s", "--headless"))
    assert done.exit_code == 0, done.exception
    assert "4 frames in pass clean-1, 4 cells" in done.output
    captured = read_session(tmp_path / "s")
    azimuths_deg = [row.pose.azimuth_deg for row in captured.rows]
    steps_deg = np.diff(np.unwrap(azimuths_deg, period=360))
    np.testing.assert_allclose(np.abs(steps_deg), 15, atol=0.5)
    assert [row.trigger for row in captured.rows] == ["turntable"] * 4
    assert captured.header.passes[0].camera.source == "shots"
    for (_, frame), number in zip(captured.frames(), (1, 3, 5, 7), strict=True):  # the second of each stop is at rest
        assert encode_png(frame.image) == (desk / "shots" / f"{number:02}.png").read_bytes()
    assert (tmp_path / "s" / "frames.parquet").exists()


def test_every_second_good_frame_and_a_second_pass(desk, tmp_path):
    words = arguments(desk, tmp_path / "s", "--headless", "--trigger", "continuous", "--every", "2")
    assert run(*words).exit_code == 0
    assert run(*words, "--artefact", "adversarial", "--max-frames", "2").exit_code == 0
    captured = read_session(tmp_path / "s")
    assert [(row.pass_, row.artefact) for row in captured.rows] == [("clean-1", "clean")] * 5 + [
        ("adversarial-1", "adversarial")
    ] * 2


def test_the_scene_places_the_object_on_the_print(desk, tmp_path):
    words = ("--headless", "--max-frames", "1", "--trigger", "continuous", "--scene", "turtle")
    assert run(*arguments(desk, tmp_path / "s", *words, "--set", "object.radius_m=0.07")).exit_code == 0
    captured = read_session(tmp_path / "s")
    row = captured.rows[0]
    assert captured.header.scene["object"]["radius_m"] == 0.07
    values = captured.values(row)
    camera_m = np.linalg.inv(captured.camera_from_object(row))[:3, 3]
    assert np.linalg.norm(camera_m) == pytest.approx(values["distance_m"])
    assert abs(values["offset_x_frac"]) < 3
    assert values["fov_deg"] == pytest.approx(np.degrees(2 * np.arctan(240 / 609)))


def test_a_network_camera_is_captured_and_its_secret_is_not_kept(desk, board, photograph_at, tmp_path):
    camera = NetworkCamera([photograph_at(azimuth_deg)[0] for azimuth_deg in (0, 20)], fps=20)
    with served(camera) as url:
        words = arguments(
            desk, tmp_path / "s", "--headless", "--trigger", "continuous", "--max-frames", "5", camera=url
        )
        assert run(*words).exit_code == 0
    captured = read_session(tmp_path / "s")
    assert len(captured.rows) == 5
    assert re.fullmatch(r"http://127.0.0.1:\d+/stream.mjpg", captured.header.passes[0].camera.source)
    assert "s3cret" not in (tmp_path / "s" / "session.json").read_text()


def test_kill_9_during_capture_and_resume(desk, photograph_at, tmp_path):
    """Killed as soon as some frames are there; the same command goes on with the pass."""
    camera = NetworkCamera([photograph_at(azimuth_deg)[0] for azimuth_deg in (0, 20)], fps=20)
    journal = tmp_path / "s" / "frames.jsonl"
    with served(camera) as url:
        words = arguments(desk, tmp_path / "s", "--headless", "--trigger", "continuous", camera=url)
        process = subprocess.Popen([sys.executable, "-m", "rig", *words], env=os.environ | {"OMP_NUM_THREADS": "1"})
        deadline = time.monotonic() + 120
        while not journal.exists() or journal.read_bytes().count(b"\n") < 4:
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
        process.wait()
        killed = read_session(tmp_path / "s")
        assert len(killed.rows) >= 4
        assert len([frame for _, frame in killed.frames()]) == len(killed.rows), "every picture is whole"
        more = len(killed.rows) + 3
        assert run(*words, "--max-frames", str(more)).exit_code == 0
    resumed = read_session(tmp_path / "s")
    assert resumed.rows[: len(killed.rows)] == killed.rows
    assert len(resumed.rows) == more
    assert len(resumed.header.passes) == 1


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (("--camera", "no/such/folder"), "no such camera"),
        (("--camera", "97"), "camera 97: cannot be opened"),
        (("--board", "none.toml"), "cannot read the board file"),
        (("--profile", "none.toml"), "cannot read the camera profile"),
        (("--object", "../turtle"), "--object: not a name"),
        (("--artefact", "a/b"), "--artefact: not a name"),
        (("--pass", "<b>"), "--pass: not a name"),
        (("--out", "sessions/.."), "not empty and holds no session|not a name"),
        (("--trigger", "sometimes"), "unknown trigger"),
        (("--step-deg", "7"), "does not divide 90"),
        (("--scene", "unicorn"), "no such scene"),
        (("--model", "none.onnx"), "no such model"),
        (("--target", "rifle"), "give --model, too"),
        (("--object-at", "middle"), "not a place on the board"),
        (("--camera-set", "exposure=-6"), "only a camera given by its index can be set"),
        (("--camera-set", "magic=1"), "unknown setting"),
        (("--camera-set", "exposure=dark"), "not a setting"),
        (("--trigger", "key"), "needs the page"),
    ],
)
def test_bad_input_is_one_line_and_nothing_is_written(desk, tmp_path, monkeypatch, more, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "sessions").mkdir()
    done = run(*arguments(desk, tmp_path / "s", "--headless"), *more)
    assert isinstance(done.exception, RigError), done.output
    assert re.search(message, str(done.exception))
    assert "\n" not in str(done.exception)
    assert [found.name for found in tmp_path.rglob("*")] == ["sessions"]


def test_a_session_that_is_being_written_is_refused(desk, tmp_path, header):
    session = open_session(tmp_path / "s", header)
    try:
        done = run(*arguments(desk, tmp_path / "s", "--headless"))
    finally:
        session.close()
    assert "another rig capture is writing" in str(done.exception)


def test_photographs_of_another_size_are_not_taken(desk, tmp_path, photograph_at):
    (tmp_path / "small").mkdir()
    (tmp_path / "small" / "0.png").write_bytes(encode_png(photograph_at(0)[0][::2, ::2].copy()))
    words = arguments(desk, tmp_path / "s", "--headless", "--trigger", "continuous", camera=tmp_path / "small")
    done = run(*words)
    assert "0 frames in pass" in done.output
    assert read_session(tmp_path / "s").rows == ()
