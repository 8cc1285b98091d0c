"""The live page in a real browser: real clicks and keys, two viewers of one state, and every fault in words."""

import itertools
import json
import os
import re
import signal
import subprocess
import sys
import urllib.error
import urllib.request

import numpy as np
import pytest
from browser import CHROMIUM, Browser
from mjpeg import NetworkCamera, served

from rig.capture import read_session
from rig.capture.cells import Grid
from rig.capture.page import parts, sphere
from rig.capture.verdicts import Prediction

PIXELS = """(() => { const image = document.querySelector("#camera"), canvas = document.createElement("canvas");
    canvas.width = canvas.height = 32; const pen = canvas.getContext("2d"); pen.drawImage(image, 0, 0, 32, 32);
    return Array.from(pen.getImageData(0, 0, 32, 32).data).join(); })()"""


@pytest.fixture
def camera(photograph_at):
    """Two views of a board, each with noise of its own in every frame: a live picture never repeats itself."""
    rng = np.random.default_rng(0)
    views = [photograph_at(azimuth_deg)[0].astype(float) for azimuth_deg in (0, 20)]
    noisy = [np.clip(view + rng.normal(0, 3, view.shape), 0, 255).astype(np.uint8) for view in views * 4]
    network = NetworkCamera(noisy, fps=12)
    with served(network) as url:
        network.url = url
        yield network


@pytest.fixture
def page(camera, board, profile, tmp_path):
    """The address that `rig capture` prints."""
    (tmp_path / "board.toml").write_text(board.to_toml())
    (tmp_path / "camera.toml").write_text(profile.to_toml())
    words = ["--camera", camera.url, "--board", "board.toml", "--profile", "camera.toml", "--object", "turtle"]
    command = [sys.executable, "-m", "rig", "capture", *words, "--trigger", "continuous", "--out", "desk"]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1"}
    errors = (tmp_path / "errors.txt").open("w")
    process = subprocess.Popen(command, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, stderr=errors, text=True)
    try:
        yield re.fullmatch(r"page: (http://127\.0\.0\.1:\d+/[\w-]{22}/)\n", process.stdout.readline())[1]
    finally:
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 130
    assert (tmp_path / "errors.txt").read_text().startswith("rig: interrupted; the session is whole")
    assert (tmp_path / "desk" / "frames.parquet").exists()


@pytest.fixture
def browser(tmp_path):
    opened = Browser(tmp_path / "profile")
    yield opened
    opened.close()


def refused(url: str) -> tuple[int, str]:
    with pytest.raises(urllib.error.HTTPError) as error:
        urllib.request.urlopen(url, timeout=30)
    return error.value.code, error.value.read().decode()


@pytest.mark.skipif(CHROMIUM is None, reason="no chromium on PATH (Debian: apt-get install chromium)")
def test_the_page_in_a_browser(page, browser, camera, tmp_path):
    tab = browser.page(page)
    tab.until('document.querySelector(".state.good")')
    assert "Ready" in tab.text(".state")
    tab.until('document.querySelector("#camera").naturalWidth == 640')
    before = tab.run(PIXELS)
    tab.until(f"{PIXELS} != {before!r}", "the picture moves")

    taken_by_hand(tab, tmp_path)
    seen_by_two(tab, browser.page(page, width=400, height=900, dark=True))
    faults_in_words(tab, camera)

    assert {url.split("/")[2] for url in tab.requested if url.startswith("http")} == {page.split("/")[2]}
    assert tab.console == []
    wrong = page.replace(page.split("/")[3], "x" * 22)
    for address in (wrong, wrong + "camera.mjpg", page.rsplit("/", 2)[0] + "/", page.rsplit("/", 2)[0] + "/_nicegui"):
        code, words = refused(address)
        assert code == 403
        assert "Wrong address" in words
        assert page.split("/")[3] not in words


def taken_by_hand(tab, tmp_path) -> None:
    """Button, space bar, note, undo: each is on disk once the page says so."""
    tab.click(".take")
    tab.until('document.body.innerText.includes("frame 0 saved")')
    tab.press(" ", "Space", 32)
    tab.until('document.body.innerText.includes("frame 1 saved")')
    tab.click(".note input")
    tab.type('a <b>scratch</b> "here"')
    tab.press(" ", "Space", 32)  # typed into the note: no frame is taken
    tab.click(".add-note")
    tab.until('document.body.innerText.includes("noted at frame 1")')
    tab.click(".undo")
    tab.until('document.body.innerText.includes("frame 1 undone")')
    captured = read_session(tmp_path / "desk")
    assert [(row.frame, row.trigger) for row in captured.all_rows] == [(0, "key"), (1, "key")]
    assert captured.undone == {1}
    assert captured.notes[0].note == 'a <b>scratch</b> "here"'
    assert "1 frame in this pass" in tab.text(".count")


def seen_by_two(tab, other) -> None:
    """Started in one tab, stopped in the other; both count the same."""
    other.until('document.querySelector(".state.good")')
    tab.click(".record")
    for one in (tab, other):
        one.until('document.querySelector(".state").innerText.includes("Recording")')
        one.until('parseInt(document.querySelector(".count").innerText) >= 4')
    assert other.text(".record") == "Stop"
    other.click(".record")
    tab.until('document.querySelector(".record").innerText == "Start"')
    tab.until('document.querySelector(".state").innerText.includes("Ready")')
    other.until('document.querySelector(".state").innerText.includes("Ready")')
    tab.until(f"document.querySelector('.count').innerText == {json.dumps(other.text('.count'))}")
    assert other.run("document.documentElement.scrollWidth <= 400"), "the page is wider than a phone"


def faults_in_words(tab, camera) -> None:
    told = {"freeze": "Picture frozen", "garbage": "Broken frames", "resize": "Wrong resolution", "unplug": "No camera"}
    for fault, words in told.items():
        camera.fault = fault
        tab.until(f'document.querySelector(".state").innerText.includes("{words}")')
        camera.fault = None
        tab.until('document.querySelector(".state").innerText.includes("Ready")')


def test_what_a_model_says_is_escaped():
    evil = '<img src=x onerror="alert(1)">'
    html = parts._prediction(Prediction(evil, ((evil, 0.9), ("cup", 0.1)), "correct", evil))
    assert "<img" not in html
    assert "&lt;img" in html


def test_the_sphere_shows_azimuth_counter_clockwise_from_the_right():
    """Second road: the place of the camera's mark, from the direction it looks from."""
    grid = Grid(15.0)
    for azimuth_deg, (x, y) in {0: (1, 0), 90: (0, -1), 180: (-1, 0), -90: (0, 1)}.items():
        svg = sphere.draw(grid, sphere.SphereState((), (), (), (azimuth_deg, 45)))
        found = re.search(r'class="here" cx="([-\d.]+)" cy="([-\d.]+)"', svg)
        scale = 100 * 45 / 97.5
        assert (float(found[1]), float(found[2])) == pytest.approx((scale * x, scale * y), abs=0.1)


def test_each_hemisphere_is_shown_where_it_matters():
    grid = Grid(15.0)
    for covered, place, shown in (
        ((), None, "above"),
        (((0, 3),), (0, 40), "above"),
        ((), (0, -40), "below"),
        (((0, -3),), (0, 40), "above below"),
        (((0, 3),), (0, -40), "above below"),
    ):
        html = sphere.draw(grid, sphere.SphereState(covered, (), (), place))
        assert " ".join(re.findall(r"seen from (\w+)", html)) == shown


def test_every_cell_is_drawn_once_and_says_what_it_is():
    grid = Grid(30.0)
    above, below = (0, 1), (3, -2)
    html = sphere.draw(grid, sphere.SphereState((above, below, (1, 1)), (above, below), (below,), None))
    kinds = re.findall(r'class="cell (\w+)"', html)
    assert len(kinds) == len(grid.cells)
    assert sorted(kinds, key=["empty", "taken", "right", "fooled"].index)[-4:] == ["empty", "taken", "right", "fooled"]
    assert len(list(itertools.filterfalse("".__eq__, re.findall(r'class="cross"', html)))) == 1
