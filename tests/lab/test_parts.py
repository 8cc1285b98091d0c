"""Lens, plate and controls on their own."""

import json

import numpy as np
import pytest

from rig.calibrate.lens import Lens
from rig.calibrate.simulated import distort, undistort
from rig.errors import RigError
from rig.geometry import finer_camera, project
from rig.lab.control import parse_control
from rig.lab.optics import Optics
from rig.lab.settings import LabCamera, read_lab_camera
from rig.lab.turntable import Turntable


def test_bent_points_are_where_browns_model_written_out_has_them_and_come_back():
    camera = LabCamera()
    rng = np.random.default_rng(0)
    depth_m = rng.uniform(0.2, 2, (200, 1))
    ideal = rng.uniform([-0.55, -0.4], [0.55, 0.4], (200, 2))
    optics = Optics(camera)
    bent, seen = optics.bend(np.c_[ideal * depth_m, depth_m])
    assert seen.all()
    np.testing.assert_allclose(bent[:, 2:], depth_m)
    np.testing.assert_allclose(bent[:, :2] / depth_m, distort(camera.lens, ideal), atol=1e-9)
    np.testing.assert_allclose(undistort(camera.lens, bent[:, :2] / depth_m), ideal, atol=1e-9)


def test_points_behind_the_camera_or_far_outside_the_frame_are_not_seen():
    seen = Optics(LabCamera()).bend(np.array([[0.0, 0, 1], [0, 0, -1], [5, 0, 1], [0, 0, 0]]))[1]
    assert seen.tolist() == [True, False, False, False]


@pytest.mark.parametrize("k1", [-0.9, -3.0, float("-1e6")])
def test_a_lens_that_folds_the_picture_is_refused(k1):
    with pytest.raises(RigError, match="folds the picture"):
        Optics(LabCamera(lens=Lens(fx_px=400, fy_px=400, cx_px=320, cy_px=240, k1=k1)))


def test_a_finer_camera_splits_each_pixel_evenly():
    camera = Optics(LabCamera()).camera
    points = np.random.default_rng(0).uniform([-0.4, -0.3, 1], [0.4, 0.3, 2], (50, 3))
    coarse, fine = project(camera, points), project(finer_camera(camera, 3), points)
    np.testing.assert_allclose((fine - 1) / 3, coarse, atol=1e-9)  # the middle one of three lies on the pixel's centre


def test_a_plate_turns_on_from_where_it_is():
    plate = Turntable().told(10.0, None, 20.0)
    assert plate.azimuth_at(10.0) == 0 and plate.azimuth_at(11.5) == pytest.approx(30)
    assert plate.azimuth_at(20.0) == pytest.approx(-160)  # 200 is within -180 .. 180
    stopped = plate.told(12.0, None, 0.0)
    assert stopped.azimuth_at(99.0) == pytest.approx(40) and stopped.speed_at(99.0) == 0


@pytest.mark.parametrize(("start", "target", "way"), [(0, 90, 90), (170, -170, 20), (-170, 170, -20), (10, 370, 0)])
def test_a_target_is_reached_by_the_shorter_way_and_then_the_plate_stands(start, target, way):
    plate = Turntable(azimuth_deg=start).told(5.0, target, -10.0)
    assert plate.azimuth_at(5.5) == pytest.approx((start + np.sign(way) * min(5.0, abs(way)) + 180) % 360 - 180)
    arrived_s = 5.0 + abs(way) / 10
    assert plate.speed_at(arrived_s + 0.01) == 0
    assert plate.azimuth_at(arrived_s + 100) == pytest.approx((target + 180) % 360 - 180)


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ({}, "nothing to do"),
        ({"turn_to_deg": "90"}, "turn_to_deg"),
        ({"turn_to_deg": True}, "turn_to_deg"),
        ({"turn_to_deg": float("nan")}, "turn_to_deg"),
        ({"turn_to_deg": 1e9}, "turn_to_deg"),
        ({"turn_deg_per_s": 1000}, "turn_deg_per_s"),
        ({"turn_to_deg": 20, "turn_deg_per_s": 0}, "reaches no azimuth"),
        ({"distance_m": 0}, "distance_m"),
        ({"distance_m": float("inf")}, "distance_m"),
        ({"elevation_deg": -10}, "elevation_deg"),
        ({"exposure": 0}, "exposure"),
        ({"light": {"ambient": -1}}, "ambient"),
        ({"light": {"color": 1}}, 'unknown key "color"'),
        ({"show": "turtle"}, "show"),
        ({"texture": "../../etc/passwd"}, "texture"),
        ({"fault": "fire"}, "fault"),
        ({"board_pose": {"tilt_deg": 91}}, "tilt_deg"),
        ({"distance": 1}, 'did you mean "distance_m"'),
        ([1], "not a JSON object"),
    ],
)
def test_a_bad_control_is_one_line(document, message):
    with pytest.raises(RigError, match=message) as error:
        parse_control(json.dumps(document).encode())
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("body", [b"", b"{", b"\xff\xfe", b"turn", b"[" * 5000])
def test_what_is_no_json_is_one_line(body):
    with pytest.raises(RigError, match="not valid JSON"):
        parse_control(body)


def test_a_lab_camera_is_read_from_its_file(tmp_path):
    path = tmp_path / "camera.toml"
    path.write_text("width_px = 800\n[lens]\nfx_px = 700\nfy_px = 700\ncx_px = 400\ncy_px = 240\nk1 = -0.1\n")
    camera = read_lab_camera(path)
    assert (camera.width_px, camera.height_px, camera.lens.k1, camera.fps) == (800, 480, -0.1, 15)
    path.write_text("widht_px = 800\n")
    with pytest.raises(RigError, match='unknown key "widht_px"; did you mean "width_px"'):
        read_lab_camera(path)
