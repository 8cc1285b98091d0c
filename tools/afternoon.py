"""From box to result: board, camera, printer, attack, two passes each of a clean and an adversarial turtle, report.

    .venv/bin/python tools/afternoon.py --out runs/afternoon

Every `rig` command is shown as it is run. Before a real desk the same commands take your camera's index or URL; here the
camera is the virtual lab's, over HTTP, and this script is the hand that holds the board and turns the plate. What is done
is not done again: start it once more and it goes on.
"""

import argparse
import os
import shlex
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

STEP_DEG = 15
SETTLE_S = 1.0  # longer than the plate needs for a step, and the camera for a frame
HELD = [  # tilt, towards, roll, x, y, distance: corners, middle, near, far, tilted each way
    *[(tilt, towards, 0, x, y, 0.5) for tilt, towards in ((25, 0), (30, 120), (25, 240)) for x, y in ((0.3, 0.35), (0.7, 0.65))],
    *[(35, towards, roll, 0.5, 0.5, 0.45) for towards, roll in ((0, 0), (60, 15), (120, -15), (180, 0), (240, 15), (300, -15))],
    *[(10, towards, 0, x, y, 0.55) for towards, x, y in ((0, 0.25, 0.3), (90, 0.75, 0.3), (180, 0.25, 0.7), (270, 0.75, 0.7))],
    *[(20, towards, 90, 0.5, 0.5, distance) for towards, distance in ((0, 0.38), (90, 0.42), (180, 0.6), (270, 0.7))],
    *[(40, towards, 0, 0.5, 0.5, 0.5) for towards in (30, 90, 150, 210, 270, 330)],
]  # fmt: skip
PASSES = [
    ("clean", "clean-1"),
    ("clean", "clean-2"),
    ("adversarial", "adversarial-1"),
    ("adversarial", "adversarial-2"),
]
ELEVATIONS_DEG = {"clean-1": 35, "adversarial-1": 35, "clean-2": 45, "adversarial-2": 45}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("runs/afternoon"))
    parser.add_argument("--steps", type=int, default=200, help="of the attack")
    parser.add_argument("--model", default="efficientnet-lite0")
    asked = parser.parse_args()
    out = asked.out
    out.mkdir(parents=True, exist_ok=True)
    board, chart = out / "board.toml", out / "chart"
    camera, response = out / "camera.toml", out / "response.toml"
    once(board, "calibrate", "board", "--out", out / "board")
    once(chart / "chart.toml", "calibrate", "color", "--chart-only", "--out", chart)
    if not (camera.exists() and response.exists()):
        with lab("--board", board, "--chart", chart / "chart.png") as desk:
            with moving(desk, hold_the_board):
                once(
                    camera, "calibrate", "camera", "--live", desk.url("stream.mjpg"), "--board", board, "--out", camera
                )
            photographs = photograph_the_chart(desk, out / "chart-photographs")
        chart_words = ("--chart", chart / "chart.toml", "--camera", camera)
        once(response, "calibrate", "color", photographs, *chart_words, "--out", response)
    measured = ("--set", f"print.response={response}")
    attack = out / "attack"
    rig("attack", "texture", "turtle-desk", "--model", asked.model, "--target", "rifle", "--steps", asked.steps,
        "--set", "attack.views_per_step=16", "--set", "attack.validate_every=25", "--delta-e", 30, *measured,
        "--out", attack)  # fmt: skip
    once(out / "print" / "print.json", "print", attack, "--size-mm", 100, "--out", out / "print")
    session, seen = out / "desk", ("--camera", "{camera}", "--board", board, "--profile", camera)
    with lab("--board", board, "--run", attack) as desk:
        for artefact, name in PASSES:
            desk.post({"texture": artefact, "elevation_deg": ELEVATIONS_DEG[name], "distance_m": 0.45})
            words = [desk.url("stream.mjpg") if word == "{camera}" else word for word in seen]
            with moving(desk, turn_the_plate):
                rig("capture", *words, "--object", "turtle", "--scene", "turtle-desk", *measured, "--artefact", artefact,
                    "--pass", name, "--headless", "--max-frames", 360 // STEP_DEG, "--out", session)  # fmt: skip
    rig("sweep", session, "--model", asked.model, "--artefact", attack / "artefacts" / "adversarial", "--target", "rifle",
        "--out", out / "sweep")  # fmt: skip


def once(result: Path, *words) -> None:
    if not result.exists():
        rig(*words)


def rig(*words) -> None:
    command = [str(word) for word in words]
    print(f"\n$ rig {shlex.join(command)}", flush=True)
    if code := subprocess.run([sys.executable, "-m", "rig", *command]).returncode:
        sys.exit(code)


class Desk:
    """The lab's camera by its address, and the hand that moves what lies before it."""

    def __init__(self, address: str, token: str):
        self._address, self._token = address, token

    def url(self, route: str) -> str:
        return f"{self._address}/{route}?token={self._token}"

    def post(self, control: dict) -> None:
        httpx.post(self.url("control"), json=control, timeout=30).raise_for_status()

    def frame(self) -> bytes:
        answer = httpx.get(self.url("frame.jpg"), timeout=30)
        answer.raise_for_status()
        return answer.content


@contextmanager
def lab(*words) -> Iterator[Desk]:
    """The virtual lab in a process of its own."""
    token = os.urandom(16).hex()
    command = ["lab", "turtle-desk", "--serve", "--token", token, *map(str, words)]
    print(f"\n$ rig {shlex.join(command)} &", flush=True)
    process = subprocess.Popen([sys.executable, "-m", "rig", *command], stdout=subprocess.PIPE, text=True)
    try:
        first = process.stdout.readline()
        if not first:
            sys.exit("the virtual lab did not start")
        yield Desk(first.partition("/stream.mjpg")[0], token)
    finally:
        process.terminate()
        process.wait()


@contextmanager
def moving(desk: Desk, hand) -> Iterator[None]:
    """A hand at work on the desk while something else looks at it."""
    over = threading.Event()
    thread = threading.Thread(target=hand, args=(desk, over), daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def hold_the_board(desk: Desk, over: threading.Event) -> None:
    names = ("tilt_deg", "towards_deg", "roll_deg", "x_frac", "y_frac", "distance_m")
    number = 0
    while not over.is_set():
        pose = dict(zip(names, map(float, HELD[number % len(HELD)]), strict=True))
        desk.post({"show": "board", "board_pose": pose})
        number += 1
        over.wait(2 * SETTLE_S)


def turn_the_plate(desk: Desk, over: threading.Event) -> None:
    azimuth_deg = 0
    while not over.is_set():
        desk.post({"show": "object", "turn_to_deg": float(azimuth_deg % 360)})
        azimuth_deg += STEP_DEG
        over.wait(SETTLE_S)


def photograph_the_chart(desk: Desk, folder: Path) -> Path:
    """Four photographs at exposures about the camera's own."""
    folder.mkdir(exist_ok=True)
    for number, exposure in enumerate((0.85, 0.95, 1.0, 1.05)):
        desk.post({"show": "chart", "exposure": exposure})
        time.sleep(SETTLE_S)
        (folder / f"chart-{number}.jpg").write_bytes(desk.frame())
    desk.post({"exposure": 1.0})
    return folder


if __name__ == "__main__":
    main()
