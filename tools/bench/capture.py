"""Frames a second that `rig capture` keeps up with at 640 x 480: detection, pose, quality, and the page's picture.

    .venv/bin/python tools/bench/capture.py [--frames 200] [--every 10]

Photographs of a board in a folder go through the station as fast as it takes them, every n-th one onto disk; a viewer
draws each one, as the page does. Aim: 10 a second on two cores.
"""

import argparse
import tempfile
import threading
import time
from datetime import UTC, datetime
from pathlib import Path

import cv2
import numpy as np

import rig
from rig.calibrate.board import make_board
from rig.calibrate.lens import Lens
from rig.calibrate.profile import CameraProfile, Quality
from rig.calibrate.simulated import SimulatedCamera, photograph, pose_of, print_of, rays_of
from rig.capture.open import Wanted, opened
from rig.capture.page.picture import Picture
from rig.images import encode_png

BOARD = make_board("bench", squares=(8, 11), square_mm=25.0, marker_mm=18.0, dictionary="5X5_100")
LENS = Lens(fx_px=612, fy_px=609, cx_px=326, cy_px=235, k1=-0.12, k2=0.06)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=int, default=200)
    parser.add_argument("--every", type=int, default=10, help="frames for each one that is saved")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        print(measured(Path(folder), asked.frames, asked.every))


def measured(folder: Path, frames: int, every: int) -> str:
    write_desk(folder, frames)
    wanted = Wanted(
        camera=str(folder / "shots"),
        board=folder / "board.toml",
        profile=folder / "camera.toml",
        object="turtle",
        out=folder / "session",
        scene="turtle",
        scene_settings=("object.radius_m=0.05",),
        trigger="continuous",
        every=every,
    )
    with opened(wanted) as (station, scene):
        picture = Picture(BOARD, LENS, station.observer.board_from_object, scene.mesh)
        station.start_recording()
        viewer = threading.Thread(target=watch, args=(station, picture, frames))
        began_s, cpu_s = time.perf_counter(), time.process_time()
        viewer.start()
        station.run()
        took_s, cpu_s = time.perf_counter() - began_s, time.process_time() - cpu_s
        viewer.join()
        saved = station.n_kept
    return (
        f"{frames / took_s:.1f} frames a second, {1000 * cpu_s / frames:.0f} ms of CPU time a frame, all threads; "
        f"{saved} of {frames} saved"
    )


def watch(station, picture: Picture, frames: int) -> None:
    shown = 0
    while shown < frames:
        sight = station.sight
        if sight is not None and sight.reading.number != shown:
            shown = sight.reading.number
            picture.jpeg(sight)
        time.sleep(0.002)


def write_desk(folder: Path, frames: int) -> None:
    """Twelve views of a turning board, again and again."""
    camera, rng = SimulatedCamera(640, 480, LENS), np.random.default_rng(0)
    rays, printed = rays_of(camera), print_of(BOARD)
    shots = [
        encode_png(photograph(camera, rays, BOARD, printed, pose_of(BOARD, 45, turn, 0, np.zeros(2), 0.55), rng))
        for turn in range(0, 360, 30)
    ]
    (folder / "shots").mkdir()
    for number in range(frames):
        (folder / "shots" / f"{number:06}.png").write_bytes(shots[number % len(shots)])
    (folder / "board.toml").write_text(BOARD.to_toml())
    quality = Quality(rms_px=0.2, held_out_rms_px=0.2, views=1, dropped_views=0, corners=70)
    made = {"schema": 1, "date": datetime.now(UTC), "rig": rig.__version__, "opencv": cv2.__version__}
    lenses = {"lens": LENS, "standard_deviation": LENS, "quality": quality, "board": BOARD, "views": ()}
    profile = CameraProfile(width_px=640, height_px=480, **made, **lenses)
    (folder / "camera.toml").write_text(profile.to_toml())


if __name__ == "__main__":
    main()
