"""`rig capture` before the virtual lab, over HTTP: another renderer than the photographs', every truth known."""

import json
import threading
import time
import urllib.request

import cv2
import numpy as np
import pytest

from rig.capture import read_session
from rig.capture.open import Wanted, opened
from rig.lab import Desk
from rig.lab.feed import Feed
from rig.lab.server import served
from rig.lab.settings import LENS
from rig.scene import load_scene

STOPS_DEG = (0, 75, -150, -30)


@pytest.fixture(scope="module")
def lab(board):
    feed = Feed(Desk(load_scene("turtle", texture_px=256), board))
    with served(feed, "token") as address:
        yield feed, address


def control(address, **wanted):
    request = urllib.request.Request(f"{address}/control?token=token", json.dumps(wanted).encode(), method="POST")
    with urllib.request.urlopen(request, timeout=30) as answer:
        assert json.load(answer) == {"ok": True}


def truth(address) -> dict:
    with urllib.request.urlopen(f"{address}/truth?token=token", timeout=30) as answer:
        return json.load(answer)


def until(true, seconds=60):
    end_s = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end_s
        time.sleep(0.05)


def test_a_turn_of_the_turntable_and_every_fault(lab, board, profile, tmp_path):
    _, address = lab
    real = profile.model_copy(update={"lens": LENS})
    (tmp_path / "board.toml").write_text(board.to_toml())
    (tmp_path / "camera.toml").write_text(real.to_toml())
    wanted = Wanted(
        camera=f"{address}/stream.mjpg?token=token",
        board=tmp_path / "board.toml",
        profile=tmp_path / "camera.toml",
        object="turtle",
        scene="turtle",
        scene_settings=(f"object.radius_m={truth(address)['object_radius_m']}",),
        out=tmp_path / "desk",
    )
    truths = []
    with opened(wanted) as (station, _):
        thread = threading.Thread(target=station.run)
        thread.start()
        station.start_recording()
        for stop_deg in STOPS_DEG:
            control(address, turn_to_deg=stop_deg, turn_deg_per_s=400.0)
            until(lambda n=len(truths): station.n_kept > n)
            truths.append(truth(address))
        for fault, title in (
            ("freeze", "Picture frozen"),
            ("stall", "Camera silent"),
            ("resize", "Wrong resolution"),
            ("unplug", "No camera"),
        ):
            control(address, fault=fault)
            until(lambda title=title: station.state.title == title)
            control(address, fault="none")
            until(lambda: station.state.title == "Recording")
        station.stop()
        thread.join()
    captured = read_session(tmp_path / "desk")
    assert len(captured.rows) == len(STOPS_DEG), "faults add no frame"
    for row, true in zip(captured.rows, truths, strict=True):
        np.testing.assert_allclose(captured.board_from_object(row), true["board_from_object"], atol=1e-9)
        assert (row.pose.azimuth_deg - true["azimuth_deg"] + 180) % 360 - 180 == pytest.approx(0, abs=0.5)
        assert row.pose.elevation_deg == pytest.approx(true["elevation_deg"], abs=0.5)
        assert row.pose.distance_m == pytest.approx(true["distance_m"], rel=0.005)
        found, expected = captured.camera_from_object(row), np.array(true["camera_from_object"])
        assert np.degrees(np.linalg.norm(cv2.Rodrigues(found[:3, :3].T @ expected[:3, :3])[0])) < 0.5
