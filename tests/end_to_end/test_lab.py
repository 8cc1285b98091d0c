"""From a camera to a report, all over HTTP and by the commands a technician types: virtual lab, capture, sweep."""

import json
import re
import subprocess
import sys
import threading
import time
from pathlib import Path

import httpx
import polars as pl
import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))  # lab_session, chromium
from chromium import check_figures, needs_chromium
from lab_session import BOARD, true_profile

TOKEN, STOPS_DEG = "t0ken-of-the-test", (0, 90, 180, 270)


def rig(*words) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "rig", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, timeout=240)


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    """Few frames a second, and a short shutter: the lab and what looks at it share the machine with other tests.

    Blur of the turning plate is rendered eight times over.
    """
    camera = tmp_path_factory.mktemp("lab") / "camera.toml"
    camera.write_text("fps = 4.0\nshutter_s = 0.0005\n")
    command = [sys.executable, "-m", "rig", "lab", "turtle-desk", "--serve", "--token", TOKEN, "--camera", camera]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        yield process.stdout.readline().partition("/stream.mjpg")[0]
    finally:
        process.terminate()
        process.wait()


@pytest.fixture(scope="module")
def swept(address, tmp_path_factory):
    """A pass of four frames, and its sweep."""
    folder = tmp_path_factory.mktemp("afternoon")
    (folder / "camera.toml").write_text(true_profile().to_toml())
    over = threading.Event()
    hand = threading.Thread(target=turn, args=(address, over))
    hand.start()
    try:
        done = rig(
            "capture", "--camera", f"{address}/stream.mjpg?token={TOKEN}", "--board", BOARD,
            "--profile", folder / "camera.toml", "--object", "turtle", "--scene", "turtle-desk", "--headless",
            "--step-deg", 90, "--max-frames", len(STOPS_DEG), "--out", folder / "desk",
        )  # fmt: skip
    finally:
        over.set()
        hand.join()
    assert done.returncode == 0, done.stderr
    done = rig("sweep", folder / "desk", "--model", "efficientnet-lite0", "--out", folder / "run")
    assert done.returncode == 0, done.stderr
    return folder, done.stdout


def turn(address: str, over: threading.Event) -> None:
    for number in range(400):
        if over.is_set():
            return
        stop_deg = float(STOPS_DEG[number % len(STOPS_DEG)])
        httpx.post(
            f"{address}/control?token={TOKEN}", json={"turn_to_deg": stop_deg, "turn_deg_per_s": 300.0}, timeout=30
        )
        over.wait(1.0)


def test_every_stop_is_in_the_trials_with_its_pose(swept):
    rows = pl.read_parquet(swept[0] / "run" / "trials" / "part-*.parquet")
    taken = rows.filter((pl.col("source") == "capture") & (pl.col("crop") == "board"))
    assert sorted(round(azimuth) % 360 for azimuth in taken["azimuth_deg"]) == sorted(STOPS_DEG)


def test_the_turtle_is_recognised_before_the_camera_and_in_its_twins(swept):
    report = json.loads((swept[0] / "run" / "report.json").read_text())
    assert report["ok"], report["notices"]
    (gap,) = [row for row in report["metrics"]["gaps"] if row["crop"] == "board"]
    assert gap["recognised"]["n"] == 4
    assert gap["recognised"]["k_first"] >= 3
    assert gap["recognised"]["k_second"] >= 3
    assert re.search(r"Before the camera, .*: recognised by efficientnet-lite0 on \d of 4 frames", swept[1])


@needs_chromium
def test_the_report_opens_in_a_browser(swept, tmp_path):
    check_figures(swept[0] / "run" / "report.html", tmp_path, least=4)


def test_a_wrong_token_is_one_line_and_the_session_stays_whole(address, swept):
    before = (swept[0] / "desk" / "frames.jsonl").read_bytes()
    began = time.monotonic()
    done = rig(
        "capture", "--camera", f"{address}/stream.mjpg?token=wrong", "--board", BOARD, "--profile",
        swept[0] / "camera.toml", "--object", "turtle", "--scene", "turtle-desk", "--pass", "clean-2", "--headless",
        "--max-frames", 1, "--out", swept[0] / "desk",
    )  # fmt: skip
    assert done.returncode == 2
    assert done.stderr.strip().count("\n") == 0
    assert "wrong" not in done.stderr
    assert time.monotonic() - began < 60
    assert (swept[0] / "desk" / "frames.jsonl").read_bytes() == before
