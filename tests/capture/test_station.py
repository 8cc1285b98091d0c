"""The one state of a capture, and the words for it; with real cameras, sessions and limits of the disk."""

import contextlib
import resource
import threading
import time

import numpy as np
import pytest
from mjpeg import NetworkCamera, served

from rig.capture import feed as feed_module
from rig.capture import read_session
from rig.capture import station as station_module
from rig.capture.open import Wanted, opened
from rig.capture.record import SessionError
from rig.images import encode_png


@pytest.fixture(scope="module")
def shots(photograph_at):
    return [photograph_at(azimuth_deg, seed=seed)[0] for azimuth_deg in (0, 30) for seed in (0, 1)]


@pytest.fixture
def wanted(board, profile, tmp_path):
    (tmp_path / "board.toml").write_text(board.to_toml())
    (tmp_path / "camera.toml").write_text(profile.to_toml())

    def make(camera, **more):
        files = {"board": tmp_path / "board.toml", "profile": tmp_path / "camera.toml", "out": tmp_path / "desk"}
        return Wanted(camera=str(camera), object="turtle", **files, **more)

    return make


@pytest.fixture
def network(shots, monkeypatch):
    monkeypatch.setattr(feed_module, "PAUSES_S", (0.05,))
    camera = NetworkCamera(shots, fps=15)
    with served(camera) as url:
        yield camera, url


@contextlib.contextmanager
def running(wanted):
    with opened(wanted) as (station, _):
        thread = threading.Thread(target=station.run)
        thread.start()
        try:
            yield station
        finally:
            station.stop()
            thread.join()


def until(true, what=""):
    end_s = time.monotonic() + 30
    while not true():
        assert time.monotonic() < end_s, what
        time.sleep(0.02)


def test_a_frame_is_taken_when_asked_for_and_only_then(wanted, network):
    with running(wanted(network[1], trigger="key")) as station:
        until(lambda: station.state.title == "Ready")
        time.sleep(0.3)
        assert station.n_kept == 0
        station.take()
        until(lambda: station.n_kept == 1)
        station.start_recording()
        time.sleep(0.3)
        assert station.n_kept == 1, "this trigger takes nothing on its own"
        assert station.undo().frame == 0
        assert station.undo() is None
        assert station.last == "nothing to undo in this pass"


def test_nothing_is_taken_of_a_camera_that_is_not_there(wanted, network):
    camera, url = network
    with running(wanted(url, trigger="key")) as station:
        until(lambda: station.state.title == "Ready")
        camera.fault = "unplug"
        until(lambda: station.state.title == "No camera")
        assert station.now is None
        station.take()
        assert station.last.startswith("nothing taken: ")
        camera.fault = None
        until(lambda: station.state.title == "Ready")
        time.sleep(0.3)
        assert station.n_kept == 0, "a request outlived the camera"


def test_a_board_out_of_sight_is_told_and_a_frame_without_pose_says_so(wanted, network, tmp_path):
    camera, url = network
    with running(wanted(url, trigger="continuous")) as station:
        until(lambda: station.state.title == "Ready")
        grey = NetworkCamera([np.full((480, 640, 3), level, np.uint8) for level in (80, 120)])
        camera._jpegs = grey._jpegs
        until(lambda: station.state.title == "Board not seen")
        station.start_recording()
        station.take()
        until(lambda: station.n_kept == 1)
        assert station.last == "frame 0 saved, without a pose: board not seen"
        time.sleep(0.3)
        assert station.n_kept == 1, "of its own accord it takes good frames only"
    row = read_session(tmp_path / "desk").rows[0]
    assert (row.pose, row.no_pose, row.trigger) == (None, "board not seen", "key")


def test_a_full_disk_stops_the_recording_in_words_and_can_be_cleared(wanted, network, tmp_path):
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    with running(wanted(network[1], trigger="continuous")) as station:
        station.start_recording()
        until(lambda: station.n_kept >= 2)
        resource.setrlimit(resource.RLIMIT_FSIZE, (2000, hard))  # the kernel refuses every picture from now on
        try:
            until(lambda: station.state.title == "Not saved")
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        assert "cannot write (File too large)" in station.state.words
        assert not station.recording
        kept = station.n_kept
        station.start_recording()
        until(lambda: station.n_kept > kept)
        assert station.state.title == "Recording"
    assert len(list(read_session(tmp_path / "desk").frames())) > kept


def test_without_a_page_it_gives_up_at_last(wanted, network, monkeypatch):
    camera, url = network
    monkeypatch.setattr(station_module, "GIVE_UP_S", 0.6)
    with opened(wanted(url, trigger="continuous")) as (station, _):
        station.start_recording()
        threading.Timer(0.5, lambda: setattr(camera, "fault", "unplug")).start()
        with pytest.raises(SessionError, match="stream.mjpg: .*; the session is whole"):
            station.run(give_up=True)


def test_a_file_waits_for_start(wanted, shots, tmp_path):
    (tmp_path / "shots").mkdir()
    for number, image in enumerate(shots):
        (tmp_path / "shots" / f"{number}.png").write_bytes(encode_png(image))
    with running(wanted(tmp_path / "shots", trigger="continuous")) as station:
        until(lambda: station.sight is not None)
        time.sleep(0.4)
        assert station.sight.reading.number == 1
        station.start_recording()
        until(lambda: station.state.title == "At the end")
        assert station.n_kept == len(shots) - 1, "the first was shown before the start"


def test_a_second_pass_has_its_own_cells_and_undo(wanted, shots, tmp_path):
    (tmp_path / "shots").mkdir()
    for number, image in enumerate(shots):
        (tmp_path / "shots" / f"{number}.png").write_bytes(encode_png(image))
    for artefact in ("clean", "adversarial"):
        with opened(wanted(tmp_path / "shots", artefact=artefact)) as (station, _):
            station.start_recording()
            station.run()
            assert (station.n_kept, len(station.covered)) == (2, 2)
    with opened(wanted(tmp_path / "shots")) as (station, _):
        assert station.undo().artefact == "clean"
        assert len(station.covered) == 1
    assert [row.artefact for row in read_session(tmp_path / "desk").rows] == ["clean", "adversarial", "adversarial"]
