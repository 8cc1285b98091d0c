"""Photographs against their own truth, by roads that share no code with the renderer."""

import cv2
import numpy as np
import pytest

from rig.calibrate.detect import detect
from rig.calibrate.simulated import SimulatedCamera, photograph, print_of, rays_of
from rig.errors import RigError
from rig.lab.control import Control
from rig.lab.settings import Arrangement, Light, Printer

HELD = [
    {"tilt_deg": 0.0, "distance_m": 0.5},
    {"tilt_deg": 35.0, "towards_deg": 70.0, "roll_deg": 30.0, "x_frac": 0.4, "distance_m": 0.4},
    {"tilt_deg": 40.0, "towards_deg": 200.0, "roll_deg": -100.0, "y_frac": 0.55, "distance_m": 0.45},
]
CLEAN_CAMERA = {"noise_std": 0.0, "blur_px": 0.0}


def corner_errors_px(desk, photo) -> np.ndarray:
    """(N, 2) where corners are found, less where OpenCV projects them by the truth."""
    seen = detect(desk.board, photo.image)
    true = desk.camera.lens.project(seen.points_m(desk.board), np.array(photo.truth["camera_from_board"]))
    return seen.corners_px - true


@pytest.mark.parametrize("pose", HELD)
def test_corners_of_the_held_board_are_where_truth_projects_them(desk_of, pose):
    desk = desk_of()
    desk.control(Control(show="board", board_pose=pose))
    errors = corner_errors_px(desk, desk.photograph())
    assert len(errors) >= 60  # of 70
    assert np.sqrt((errors**2).sum(axis=1).mean()) < 0.12
    np.testing.assert_allclose(errors.mean(axis=0), 0, atol=0.03)


def test_corners_on_the_plate_are_where_truth_projects_them_all_round(desk_of):
    desk = desk_of()
    for number, azimuth_deg in enumerate((0.0, 80.0, 200.0)):
        desk.control(Control(turn_to_deg=azimuth_deg), 10.0 * number)
        photo = desk.photograph(10.0 * number + 9)
        assert photo.truth["azimuth_deg"] == pytest.approx((azimuth_deg + 180) % 360 - 180)
        errors = corner_errors_px(desk, photo)
        assert len(errors) >= 12  # object and mat cover many
        assert np.linalg.norm(errors, axis=1).max() < 0.5
        np.testing.assert_allclose(errors.mean(axis=0), 0, atol=0.05)


def test_the_board_looks_as_the_simulated_camera_sees_it(desk_of, board):
    """Flat parts only: a sensor sums light, the simulated camera sums what is encoded."""
    even = Arrangement(light=Light(ambient=1.0, directional=0.0), desk=float(((110 / 255 + 0.055) / 1.055) ** 2.4))
    desk = desk_of({"arrangement": even}, **CLEAN_CAMERA)
    desk.control(Control(show="board", board_pose=HELD[1]))
    photo = desk.photograph()
    camera = SimulatedCamera(640, 480, desk.camera.lens, noise_std=0.0, blur_px=0.0)
    pose = np.array(photo.truth["camera_from_board"])
    other = photograph(camera, rays_of(camera), board, print_of(board), pose, np.random.default_rng(0))
    grey = other[..., 0].astype(float)
    flat = cv2.dilate(grey, np.ones((5, 5))) - cv2.erode(grey, np.ones((5, 5))) < 3
    edges_m = np.array([[0.0, 0, 0], [0.2, 0, 0], [0.2, 0.275, 0], [0, 0.275, 0]])
    pattern = np.zeros(grey.shape, np.uint8)
    cv2.fillConvexPoly(pattern, np.rint(desk.camera.lens.project(edges_m, pose)).astype(np.int32), 1)
    inside = flat & (pattern == 1)
    difference = np.abs(photo.image[..., 0].astype(float) - grey)[inside]
    assert inside.sum() > 10_000 and grey[inside].min() < 40 and grey[inside].max() > 210
    assert difference.max() <= 3


def test_the_object_covers_the_pixels_that_its_triangles_project_to(desk_of):
    """Seen as the difference between a white and a black object."""
    white, black = (np.full((256, 256, 3), value, np.uint8) for value in (255, 0))
    desk = desk_of({"adversarial": black}, **CLEAN_CAMERA)
    desk._painted["clean"] = desk_of({"adversarial": white})._painted["adversarial"]
    seen = {}
    for texture in ("clean", "adversarial"):
        desk.control(Control(texture=texture, turn_to_deg=40.0, elevation_deg=30.0))
        photo = desk.photograph(9.0)
        seen[texture] = photo.image.astype(int)
    covered = (seen["clean"] - seen["adversarial"]).max(axis=2) > 40
    mesh = desk._painted["clean"].mesh
    pixels = desk.camera.lens.project(mesh.vertices_m, np.array(photo.truth["camera_from_object"]))
    expected = np.zeros(covered.shape, np.uint8)
    for triangle in np.rint(16 * pixels[mesh.faces]).astype(np.int32):
        cv2.fillConvexPoly(expected, triangle, 1, shift=4)
    expected = cv2.erode(expected, np.ones((3, 3), np.uint8)) == 1, expected == 1  # fillConvexPoly draws its rim
    assert covered.sum() > 3000
    assert not (expected[0] & ~covered).sum() > 0.005 * covered.sum()
    assert not (covered & ~expected[1]).sum() > 0.005 * covered.sum()


def test_the_object_stands_on_the_middle_of_the_board_in_its_stated_size(desk_of):
    desk = desk_of({"arrangement": Arrangement(object_radius_m=0.05)})
    vertices_m = desk._painted["clean"].mesh.vertices_m
    assert np.linalg.norm(vertices_m, axis=1).max() == pytest.approx(0.05, rel=1e-6)
    on_board = vertices_m + desk.board_from_object[:3, 3]
    assert on_board[:, 2].min() == pytest.approx(0, abs=1e-12)
    np.testing.assert_allclose(desk.board_from_object[:2, 3], [0.1, 0.1375])
    truth = desk.photograph().truth
    into_object, into_board = (np.array(truth[f"camera_from_{name}"]) for name in ("object", "board"))
    np.testing.assert_allclose(into_object, into_board @ np.array(truth["board_from_object"]), atol=1e-12)


def test_the_camera_stands_where_truth_says(desk_of):
    desk = desk_of()
    desk.control(Control(turn_to_deg=30.0, elevation_deg=50.0, distance_m=0.6))
    truth = desk.photograph(9.0).truth
    eye = np.linalg.inv(np.array(truth["camera_from_object"]))[:3, 3]
    assert np.linalg.norm(eye) == pytest.approx(0.6)
    assert np.degrees(np.arcsin(eye[2] / 0.6)) == pytest.approx(50)
    assert np.degrees(np.arctan2(eye[1], eye[0])) == pytest.approx(30)


def test_the_same_seed_and_calls_give_the_same_pixels(desk_of):
    def frames(seed):
        desk = desk_of({"seed": seed}, width_px=320, height_px=240)
        desk.control(Control(turn_deg_per_s=40.0))
        return [desk.photograph(at_s).image for at_s in (0.0, 0.1, 0.2)]

    first, again, other = frames(3), frames(3), frames(4)
    for one, two, three in zip(first, again, other, strict=True):
        np.testing.assert_array_equal(one, two)
        assert (one != three).mean() > 0.5
    assert (first[0] != first[1]).any()


def test_noise_has_its_stated_size_and_is_new_in_every_frame(desk_of):
    desk = desk_of(noise_std=0.02)
    one, two = (desk.photograph().image.astype(float) for _ in range(2))
    unclipped = (one > 30) & (one < 225)
    assert (one - two)[unclipped].std() / np.sqrt(2) == pytest.approx(0.02 * 255, rel=0.03)


def test_twice_the_exposure_is_twice_the_light(desk_of):
    desk = desk_of(**CLEAN_CAMERA)
    images = []
    for exposure in (0.4, 0.8):
        desk.control(Control(exposure=exposure))
        images.append(((desk.photograph().image / 255 + 0.055) / 1.055) ** 2.4)
    middle = (images[0] > 0.1) & (images[1] < 0.95)
    assert np.median(images[1][middle] / images[0][middle]) == pytest.approx(2, rel=0.01)


def test_a_turning_plate_blurs_about_the_pose_in_the_middle_of_the_exposure(desk_of):
    desk = desk_of(shutter_s=0.03, noise_std=0.0)
    sharp = sharpness(desk.photograph(1.0).image)
    desk.control(Control(turn_deg_per_s=60.0), 0.0)
    photo = desk.photograph(1.0)
    assert photo.truth["moving"] and photo.truth["azimuth_deg"] == pytest.approx(60)
    desk.control(Control(turn_deg_per_s=0.0), 1.0)
    assert sharpness(photo.image) < 0.6 * min(sharp, sharpness(desk.photograph(1.0).image))
    np.testing.assert_allclose(corner_errors_px(desk, photo).mean(axis=0), 0, atol=0.1)


def sharpness(image) -> float:
    return float(cv2.Laplacian(image[..., 1], cv2.CV_64F).var())


def test_a_chart_is_evenly_lit_and_printed_as_stated(desk_of):
    chart = np.full((400, 600, 3), 255, np.uint8)
    colours = [(255, 255, 255), (0, 0, 0), (200, 40, 60), (30, 160, 90), (128, 128, 128), (20, 60, 220)]
    for number, colour in enumerate(colours):
        chart[:, 100 * number : 100 * number + 100] = colour
    desk = desk_of({"chart": chart}, **CLEAN_CAMERA)
    desk.control(Control(show="chart"))
    photo = desk.photograph()
    upper_left, upper_right, lower_right, lower_left = np.array(photo.truth["chart_corners_px"])
    printer = Printer.model_validate(photo.truth["printer"])
    for number, colour in enumerate(colours):
        across, down = (number + 0.5) / 6, 0.4
        u, v = upper_left + across * (upper_right - upper_left) + down * (lower_left - upper_left)
        seen = photo.image[round(v) - 8 : round(v) + 9, round(u) - 8 : round(u) + 9].reshape(-1, 3)
        np.testing.assert_allclose(seen.mean(axis=0), printed(printer, colour), atol=1.0)
        assert np.ptp(seen, axis=0).max() <= 1


def printed(printer: Printer, colour) -> np.ndarray:
    """8-bit sRGB, written out."""
    encoded = np.array(colour) / 255
    linear = np.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4) ** printer.gamma
    paper, black = np.array(printer.paper), np.array(printer.black)
    reflected = black + (paper - black) * np.array([np.dot(row, linear) for row in printer.mixing])
    return 255 * np.where(reflected <= 0.0031308, reflected * 12.92, 1.055 * reflected ** (1 / 2.4) - 0.055)


@pytest.mark.parametrize(
    ("control", "message"),
    [
        ({"texture": "adversarial"}, "this lab has no such texture"),
        ({"show": "chart"}, "this lab has no chart"),
        ({"distance_m": 0.06}, "behind the camera or touch it"),
        ({"show": "board", "board_pose": {"tilt_deg": 80.0, "distance_m": 0.1}}, "behind the camera or touch it"),
    ],
)
def test_what_cannot_be_done_is_refused_and_changes_nothing(desk_of, control, message):
    desk = desk_of()
    before = desk.state
    with pytest.raises(RigError, match=message):
        desk.control(Control.model_validate(control | {"exposure": 2.0}))
    assert desk.state == before
