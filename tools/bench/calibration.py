"""How well a camera whose every number is known is recovered from rendered photographs of a board.

    .venv/bin/python tools/bench/calibration.py [--cameras 5] [--frames 25]

One row a camera: errors of focal length (%) and principal point (px), rms and held-out rms (px).
"""

import argparse

import numpy as np

from rig.calibrate.board import make_board
from rig.calibrate.detect import detect
from rig.calibrate.fit import calibrate, held_out_rms_px
from rig.calibrate.lens import Lens
from rig.calibrate.simulated import SimulatedCamera, photograph, pose_of, print_of, rays_of

BOARD = make_board("bench", squares=(8, 11), square_mm=25.0, marker_mm=18.0, dictionary="5X5_100")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cameras", type=int, default=5)
    parser.add_argument("--frames", type=int, default=25)
    asked = parser.parse_args()
    print("camera  views  fx %   fy %   cx px  cy px  rms px  held-out px")
    for number in range(asked.cameras):
        print(row(number, asked.frames), flush=True)


def row(number: int, frames: int) -> str:
    rng = np.random.default_rng(number)
    camera = random_camera(rng)
    rays, printed = rays_of(camera), print_of(BOARD)
    images = (photograph(camera, rays, BOARD, printed, random_pose(rng), rng) for _ in range(frames))
    detections = [seen for seen in (detect(BOARD, image) for image in images) if seen is not None]
    fit = calibrate(BOARD, detections)
    found, true = fit.lens, camera.lens
    focal = [100 * abs(getattr(found, name) / getattr(true, name) - 1) for name in ("fx_px", "fy_px")]
    centre = [abs(getattr(found, name) - getattr(true, name)) for name in ("cx_px", "cy_px")]
    held_out = held_out_rms_px(BOARD, detections, fit.views)
    return (
        f"{number:6}  {len(fit.views):5}  {focal[0]:.3f}  {focal[1]:.3f}  {centre[0]:5.2f}  {centre[1]:5.2f}  "
        f"{fit.rms_px:6.3f}  {held_out:.3f}"
    )


def random_camera(rng) -> SimulatedCamera:
    focal = rng.uniform(500, 800)
    radial = {"k1": rng.uniform(-0.25, 0.1), "k2": rng.uniform(-0.05, 0.1)}
    tangential = {name: rng.uniform(-0.002, 0.002) for name in ("p1", "p2")}
    centre = {"cx_px": 319.5 + rng.normal(0, 8), "cy_px": 239.5 + rng.normal(0, 8)}
    return SimulatedCamera(
        640, 480, Lens(fx_px=focal, fy_px=focal * rng.uniform(0.99, 1.01), **centre, **radial, **tangential)
    )


def random_pose(rng) -> np.ndarray:
    return pose_of(
        BOARD,
        rng.uniform(0, 50),
        rng.uniform(0, 360),
        rng.uniform(0, 360),
        rng.uniform(-0.2, 0.2, 2),
        rng.uniform(0.4, 0.8),
    )


if __name__ == "__main__":
    main()
