"""Calibration and pose against a camera whose every number is known, and bad views of its board."""

import re

import cv2
import numpy as np
import pytest

from rig.calibrate.board import make_board
from rig.calibrate.camera import calibrate_camera
from rig.calibrate.detect import Detection, detect
from rig.calibrate.lens import Lens
from rig.calibrate.pose import PoseError, require_unambiguous, solve_pose
from rig.calibrate.profile import read_profile
from rig.calibrate.simulated import distort, pose_of, undistort
from rig.errors import CalibrationError, RigError
from rig.images import encode_png

# tilt_deg, towards_deg, roll_deg, centre_ray, distance_m
PLACES = [
    (tilt, 30 + 40 * number, 25 * number, np.array([0.22 * ((number % 3) - 1), 0.18 * ((number // 3) % 3 - 1)]), 0.55)
    for number, tilt in enumerate((30, 35, 40, 25, 30, 35, 40, 30, 25, 35, 0, 40))
]


@pytest.fixture(scope="module")
def images(take):
    return [take(*place, seed=number)[0] for number, place in enumerate(PLACES)]


def saved(images, folder):
    for number, image in enumerate(images):
        (folder / f"{number:02}.png").write_bytes(encode_png(image))
    return [folder]


def test_the_simulated_lens_is_opencvs(camera):
    ideal = np.stack(np.meshgrid(np.linspace(-0.5, 0.5, 9), np.linspace(-0.4, 0.4, 7)), axis=-1).reshape(-1, 2)
    pixels = distort(camera.lens, ideal) * [camera.lens.fx_px, camera.lens.fy_px] + camera.lens.matrix[:2, 2]
    theirs = camera.lens.project(np.c_[ideal, np.ones(len(ideal))], np.eye(4))
    np.testing.assert_allclose(pixels, theirs, atol=1e-9)
    np.testing.assert_allclose(undistort(camera.lens, distort(camera.lens, ideal)), ideal, atol=1e-9)


def test_a_dozen_photographs_give_back_the_camera(board, camera, images, tmp_path):
    profile = calibrate_camera(saved(images, tmp_path), board, tmp_path / "camera.toml")
    assert read_profile(tmp_path / "camera.toml") == profile
    assert profile.quality.held_out_rms_px <= 0.4
    for name, per_mille in (("fx_px", 5), ("fy_px", 5)):
        assert getattr(profile.lens, name) == pytest.approx(getattr(camera.lens, name), rel=per_mille / 1000)
    assert profile.lens.cx_px == pytest.approx(camera.lens.cx_px, abs=2)
    assert profile.lens.cy_px == pytest.approx(camera.lens.cy_px, abs=2)
    assert (tmp_path / "camera.png").stat().st_size > 1000


def test_a_photographed_pose_is_found(board, camera, take):
    image, truth = take(35, 60, 20, np.array([0.05, -0.05]), 0.6)
    seen = detect(board, image)
    found = solve_pose(seen.points_m(board), seen.corners_px, camera.lens)[0].camera_from_board
    turn_deg = np.degrees(np.linalg.norm(cv2.Rodrigues(found[:3, :3].T @ truth[:3, :3])[0]))
    assert turn_deg <= 0.3
    np.testing.assert_allclose(found[:3, 3], truth[:3, 3], atol=0.005 * 0.6)


def test_no_accepted_pose_is_the_mirrored_one(camera):
    """A small far board, whose two solutions fit about equally well: wrong ones must be refused."""
    small = make_board("test", squares=(5, 7), square_mm=12.0, marker_mm=9.0, dictionary="5X5_100")
    rng = np.random.default_rng(1)
    accepted = refused = flipped_first = 0
    for _ in range(300):
        truth = pose_of(
            small, rng.uniform(5, 60), rng.uniform(0, 360), rng.uniform(0, 360), rng.uniform(-0.3, 0.3, 2), 0.8
        )
        corners_px = camera.lens.project(small.corners_m, truth)
        seen = Detection(np.arange(len(corners_px)), corners_px + rng.normal(0, 0.3, corners_px.shape), (640, 480))
        solutions = solve_pose(seen.points_m(small), seen.corners_px, camera.lens)
        wrong = mirrored(solutions[0].camera_from_board, truth)
        flipped_first += wrong
        try:
            require_unambiguous(solutions, "image")
        except PoseError:
            refused += 1
        else:
            accepted += 1
            assert not wrong
    assert accepted > 100
    assert refused > 0
    assert flipped_first > 0, "the simulated poses are too easy to tell anything"


def mirrored(found: np.ndarray, truth: np.ndarray) -> bool:
    """Whether the found normal is nearer to the truth's mirrored at the line of sight than to the truth's.

    Twins less than 15 degrees apart are within the noise of so small a board (both refine to one pose): no flip.
    """
    sight = truth[:3, 3] / np.linalg.norm(truth[:3, 3])
    normal = truth[:3, 2]
    twin = 2 * (normal @ sight) * sight - normal
    return normal @ twin < np.cos(np.radians(15)) and found[:3, 2] @ twin > found[:3, 2] @ normal


def test_another_lens_does_not_fit(board, camera, take):
    seen = detect(board, take(*PLACES[0])[0])
    wrong = Lens(**camera.lens.model_dump() | {"k1": 0.8})
    assert solve_pose(seen.points_m(board), seen.corners_px, wrong)[0].rms_px > 1.0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda images: [], "no images in the folder"),
        (lambda images: images[:4], "too few views of the board; got 4"),
        (lambda images: [image[:, ::-1] for image in images], "mirrored"),
        (lambda images: [np.full_like(images[0], 128)] * 3, "the board was seen in none of the images; got 3 images"),
        (lambda images: [*images[:3], images[0][:400]], "images are of different sizes"),
    ],
)
def test_unusable_photographs_are_one_line(board, images, tmp_path, change, message):
    folders = saved([np.ascontiguousarray(image) for image in change(images)], tmp_path)
    with pytest.raises(CalibrationError, match=re.escape(message)) as error:
        calibrate_camera(folders, board, tmp_path / "camera")
    assert "\n" not in str(error.value)
    assert not list(tmp_path.glob("camera*"))


def test_another_dictionary_is_named(images, tmp_path):
    other = make_board("test", squares=(8, 11), square_mm=25.0, marker_mm=18.0, dictionary="6X6_250")
    with pytest.raises(CalibrationError, match="markers of another dictionary are: 5X5_100"):
        calibrate_camera(saved(images[:1], tmp_path), other, tmp_path / "camera")


def test_views_without_tilt_are_refused(board, take, tmp_path):
    flat = [take(0, 0, 0, np.array([0.04 * (n % 3), 0.05 * (n // 3)]), 0.6, seed=n)[0] for n in range(7)]
    with pytest.raises(CalibrationError, match="alike|focal length open|do not determine"):
        calibrate_camera(saved(flat, tmp_path), board, tmp_path / "camera")


@pytest.mark.parametrize("content", [b"", b"hello", b"\x89PNG\r\n\x1a\n"])
def test_a_corrupt_image_is_named(board, tmp_path, content):
    (tmp_path / "bad.png").write_bytes(content)
    with pytest.raises(RigError, match="bad.png: not a readable image"):
        calibrate_camera([tmp_path], board, tmp_path / "camera")


def test_a_dark_board_beside_something_bright_is_seen(board, take):
    image = take(20, 40, 10, np.zeros(2), 0.45)[0] // 5
    image[:40] = 255
    assert len(detect(board, image).ids) >= 50  # of 70
