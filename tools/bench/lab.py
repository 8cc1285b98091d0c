"""How well camera and poses are recovered in the virtual lab, where every truth is known.

    .venv/bin/python tools/bench/lab.py [--seeds 3] [--frames 25] [--turn 72] [--flips 500]

Every frame goes through the lab's lens, noise and JPEG; poses use the camera found from the calibration frames, not
the true one. A turn is the object on the board, seen all round from several elevations; half of it while turning.
A z-flip is an accepted pose that is nearer to the mirrored twin of the true one than to the true one: frames for
these come from near and far, steep and flat, where a board hardly shows perspective.
"""

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np

from rig.calibrate.camera import calibrate_camera
from rig.calibrate.color import calibrate_color, write_chart
from rig.calibrate.color_chart import read_chart
from rig.calibrate.detect import detect
from rig.calibrate.pose import PoseError, estimate_pose, solve_pose
from rig.images import decode_jpeg, encode_jpeg
from rig.lab.control import Control
from rig.lab.open import open_desk

BOARD = Path(__file__).parents[2] / "calibration" / "a4-8x11.toml"
SETTLED_S = 10.0  # longer than any turn to a given azimuth takes


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scene", default="turtle")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--frames", type=int, default=25)
    parser.add_argument("--turn", type=int, default=72, help="frames of a turn")
    parser.add_argument("--flips", type=int, default=500)
    asked = parser.parse_args()
    for seed in range(asked.seeds):
        lab = Lab(asked.scene, seed)
        profile = calibration(lab, asked.frames)
        turn(lab, profile, asked.turn)
        if asked.flips:
            flips(lab, profile, asked.flips)
        color(asked.scene, seed, profile)
    speed(Lab(asked.scene, 0))


class Lab:
    """A desk whose clock goes on from photograph to photograph."""

    def __init__(self, scene: str, seed: int):
        self.desk, self.rng, self.time_s, self.seed = open_desk(scene, BOARD, seed=seed), _rng(seed), 0.0, seed

    def set(self, **control) -> None:
        self.desk.control(Control(**control), self.time_s)

    def take(self, wait_s: float) -> tuple[np.ndarray, np.ndarray, dict]:
        """The image after JPEG, camera_from_board and all the truth."""
        self.time_s += wait_s
        photo = self.desk.photograph(self.time_s)
        image = decode_jpeg(encode_jpeg(photo.image, self.desk.camera.jpeg_quality))
        return image, np.array(photo.truth["camera_from_board"]), photo.truth


def _rng(seed: int) -> np.random.Generator:
    return np.random.default_rng([seed, 5])


def calibration(lab: Lab, frames: int):
    """The board held by hand: tilted each time another way, somewhere in the frame."""
    uniform = lab.rng.uniform
    with tempfile.TemporaryDirectory() as folder:
        for number in range(frames):
            at = {"x_frac": uniform(0.3, 0.7), "y_frac": uniform(0.3, 0.7), "distance_m": uniform(0.35, 0.6)}
            turned = {"tilt_deg": uniform(0, 50), "towards_deg": uniform(0, 360), "roll_deg": uniform(0, 360)}
            lab.set(show="board", board_pose=at | turned)
            jpeg = encode_jpeg(lab.take(1.0)[0], 100)
            (Path(folder) / f"{number:03}.jpg").write_bytes(jpeg)
        profile = calibrate_camera([Path(folder)], lab.desk.board, Path(folder) / "camera.toml")
    found, true, quality = profile.lens, lab.desk.camera.lens, profile.quality
    focal = [100 * abs(getattr(found, name) / getattr(true, name) - 1) for name in ("fx_px", "fy_px")]
    centre = [abs(getattr(found, name) - getattr(true, name)) for name in ("cx_px", "cy_px")]
    print(
        f"seed {lab.seed}  calibration of {quality.views} views ({quality.corners / quality.views:.0f} corners each): "
        f"focal length {focal[0]:.3f} and {focal[1]:.3f} % off, principal point {centre[0]:.2f} and {centre[1]:.2f} px, "
        f"rms {quality.rms_px:.3f} px, held out {quality.held_out_rms_px:.3f} px",
        flush=True,
    )
    return profile


def color(scene: str, seed: int, profile) -> None:
    """The chart, printed by the lab's printer, at four exposures: colours predicted for patches that were not fitted."""
    with tempfile.TemporaryDirectory() as folder:
        write_chart("a4", Path(folder))
        desk = open_desk(scene, BOARD, chart=Path(folder) / "chart.png", seed=seed)
        for number, exposure in enumerate((0.85, 0.95, 1.0, 1.05)):
            desk.control(Control(show="chart", exposure=exposure))
            jpeg = encode_jpeg(desk.photograph(float(number)).image, desk.camera.jpeg_quality)
            (Path(folder) / f"photograph-{number}.jpg").write_bytes(jpeg)
        photographs = sorted(Path(folder).glob("photograph-*.jpg"))
        found = calibrate_color(photographs, read_chart(Path(folder) / "chart.toml"), Path(folder) / "r.toml", profile)
        print(f"seed {seed}  colour: {found.in_words()[0]}", flush=True)


def turn(lab: Lab, profile, frames: int) -> None:
    lab.set(show="object")
    for moving in (False, True):
        errors, rejected = [], 0
        for azimuth_deg in np.arange(frames) * 360 / frames:
            lab.set(
                turn_to_deg=azimuth_deg, elevation_deg=lab.rng.uniform(25, 60), distance_m=lab.rng.uniform(0.34, 0.5)
            )
            lab.time_s += SETTLED_S
            if moving:
                lab.set(turn_deg_per_s=15.0)
            image, true, _ = lab.take(0.1)
            try:
                errors.append(pose_error(estimate(lab, image, profile), true))
            except PoseError:
                rejected += 1
        rotation_deg, translation_frac = np.array(errors).T
        print(
            f"seed {lab.seed}  pose over a turn, {'turning at 15 deg/s' if moving else 'standing'}: rotation median "
            f"{np.median(rotation_deg):.3f}, p95 {np.quantile(rotation_deg, 0.95):.3f} deg; translation median "
            f"{100 * np.median(translation_frac):.3f}, p95 {100 * np.quantile(translation_frac, 0.95):.3f} % of the "
            f"distance; {rejected} of {frames} frames rejected",
            flush=True,
        )


def flips(lab: Lab, profile, frames: int) -> None:
    flipped, ambiguous, unseen, errors = 0, 0, 0, []
    for _ in range(frames):
        uniform = lab.rng.uniform
        lab.set(
            turn_to_deg=uniform(-180, 180),
            elevation_deg=uniform(20, 88),
            distance_m=np.exp(uniform(*np.log([0.35, 1.3]))),
        )
        image, true, _ = lab.take(SETTLED_S)
        try:
            found = estimate(lab, image, profile)
        except Unseen:
            unseen += 1
        except PoseError:
            ambiguous += 1
        else:
            errors.append(pose_error(found, true)[0])
            flipped += is_twin(lab, image, profile, found, true)
    print(
        f"seed {lab.seed}  z-flips: {flipped} in {frames} frames; {len(errors)} accepted (largest rotation error "
        f"{max(errors):.2f} deg), {ambiguous} rejected, {unseen} without enough of the board",
        flush=True,
    )


class Unseen(PoseError):
    """Too little of the board."""


def estimate(lab: Lab, image: np.ndarray, profile) -> np.ndarray:
    seen = detect(lab.desk.board, image)
    if seen is None:
        raise Unseen("no board")
    return estimate_pose(lab.desk.board, seen, profile).camera_from_board


def is_twin(lab: Lab, image: np.ndarray, profile, found: np.ndarray, true: np.ndarray) -> bool:
    """Whether another solution for the same corners is nearer to the truth than the accepted one."""
    seen = detect(lab.desk.board, image)
    others = solve_pose(seen.points_m(lab.desk.board), seen.corners_px, profile.lens)
    nearest = min(pose_error(other.camera_from_board, true)[0] for other in others)
    return pose_error(found, true)[0] > nearest + 1.0


def pose_error(found: np.ndarray, true: np.ndarray) -> tuple[float, float]:
    """Rotation (deg) and translation of the board's middle as a fraction of its distance."""
    between = found[:3, :3].T @ true[:3, :3]
    rotation_deg = np.degrees(np.arccos(np.clip((np.trace(between) - 1) / 2, -1, 1)))
    middle = np.array([0.1, 0.1375, 0.0, 1.0])
    off_m, distance_m = np.linalg.norm((found - true) @ middle), np.linalg.norm((true @ middle)[:3])
    return float(rotation_deg), float(off_m / distance_m)


def speed(lab: Lab, frames: int = 20) -> None:
    for what, control in (("standing", {"turn_to_deg": 10.0}), ("turning at 15 deg/s", {"turn_deg_per_s": 15.0})):
        lab.set(show="object", distance_m=0.38, elevation_deg=40.0, **control)
        lab.take(SETTLED_S)
        started_s = time.process_time()
        for _ in range(frames):
            lab.take(0.1)
        print(
            f"a frame, {what}: {1000 * (time.process_time() - started_s) / frames:.0f} ms of CPU, JPEG both ways included"
        )


if __name__ == "__main__":
    main()
