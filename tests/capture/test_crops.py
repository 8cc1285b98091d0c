import numpy as np
import pytest

from rig.calibrate.lens import Lens
from rig.capture.crops import MARGIN, parse_crop, sphere_px, window
from rig.errors import RigError

SIZE_PX = (480, 640)
PINHOLE = Lens(fx_px=600, fy_px=600, cx_px=319.5, cy_px=239.5)


@pytest.mark.parametrize("text", ["full", "board", "fixed=0.6"])
def test_a_crop_is_called_what_it_was_asked_as(text):
    assert parse_crop(text).name == text


@pytest.mark.parametrize("text", ["", "fixed", "fixed=", "fixed=0", "fixed=1.1", "fixed=nan", "full=1", "centre"])
def test_a_crop_that_is_none_is_refused(text):
    with pytest.raises(RigError, match="not a crop"):
        parse_crop(text)


def test_the_whole_frame_is_the_whole_frame():
    image = np.arange(480 * 640).reshape(SIZE_PX)
    np.testing.assert_array_equal(image[window(parse_crop("full"), SIZE_PX, None)], image)


def test_a_fixed_crop_is_the_middle_square():
    rows, columns = window(parse_crop("fixed=0.5"), SIZE_PX, None)
    assert (rows, columns) == (slice(120, 360), slice(200, 440))


def test_a_board_relative_crop_holds_the_sphere_whose_outline_is_traced_ray_by_ray():
    """Second road: pixels whose ray comes within the radius of the centre."""
    camera_from_object = np.eye(4)
    camera_from_object[:3, 3] = [0.05, -0.04, 0.5]
    radius_m = 0.06
    centre_px, radius_px = sphere_px(PINHOLE, camera_from_object, radius_m)
    u, v = np.meshgrid(np.arange(640), np.arange(480))
    rays = np.stack([(u - 319.5) / 600, (v - 239.5) / 600, np.ones(u.shape)], axis=-1)
    rays /= np.linalg.norm(rays, axis=-1, keepdims=True)
    centre_m = camera_from_object[:3, 3]
    inside = np.linalg.norm(centre_m - (rays @ centre_m)[..., None] * rays, axis=-1) <= radius_m
    rows, columns = np.nonzero(inside)
    at_rows, at_columns = window(parse_crop("board"), SIZE_PX, (centre_px, radius_px))
    side = at_rows.stop - at_rows.start
    assert side == at_columns.stop - at_columns.start
    for at, where in ((at_rows, rows), (at_columns, columns)):
        assert at.start < where.min()
        assert where.max() < at.stop - 1
    widest = max(np.ptp(rows), np.ptp(columns)) + 1
    assert side / widest == pytest.approx(MARGIN, rel=0.05)


@pytest.mark.parametrize("centre_px", [(0, 0), (639, 479), (0, 200)])
def test_a_crop_stays_inside_the_frame(centre_px):
    rows, columns = window(parse_crop("board"), SIZE_PX, (np.array(centre_px, float), 40.0))
    assert (rows.stop - rows.start, columns.stop - columns.start) == (100, 100)
    assert rows.start >= 0 and rows.stop <= 480 and columns.start >= 0 and columns.stop <= 640


def test_a_sphere_nearer_than_the_frame_is_cropped_to_the_shorter_side():
    rows, columns = window(parse_crop("board"), SIZE_PX, (np.array([320.0, 240.0]), 1000.0))
    assert rows == slice(0, 480)
    assert columns.stop - columns.start == 480


@pytest.mark.parametrize("centre_px", [(-50, 200), (200, -1), (640, 200), (5000, 5000), (np.nan, 0)])
def test_an_object_that_has_left_the_frame_has_no_board_relative_crop(centre_px):
    assert window(parse_crop("board"), SIZE_PX, (np.array(centre_px, float), 40.0)) is None


def test_without_a_pose_or_with_the_camera_inside_there_is_no_board_relative_crop():
    assert window(parse_crop("board"), SIZE_PX, None) is None
    assert sphere_px(PINHOLE, np.eye(4), 0.1) is None
