"""What is seen in a frame, against photographs whose every number is known."""

from datetime import UTC, datetime

import numpy as np
import pytest

from rig.capture.angles import angles_of
from rig.capture.cells import Grid
from rig.capture.feed import Reading
from rig.capture.outline import Outline
from rig.capture.placement import placed
from rig.capture.quality import exposure_of
from rig.capture.record import SessionError
from rig.capture.sight import Observer
from rig.capture.triggers import Continuous, OnKey, Turntable
from rig.contracts import Mesh
from rig.geometry import invert, orbit_camera
from rig.scene import load_scene

GRID = Grid(15.0)


def reading(image, number=1):
    return Reading(number, datetime.now(UTC), image)


@pytest.fixture(scope="module")
def look(board, profile, photograph_at):
    """look(azimuth_deg, ...) -> sight, camera_from_board"""
    board_from_object = placed(board, None, "100,137.5,30,40")

    def shoot(azimuth_deg, observer=None, **options):
        image, truth = photograph_at(azimuth_deg, **options)
        observer = observer or Observer(board, profile, board_from_object)
        return observer.look(reading(image)), truth @ board_from_object

    return shoot


@pytest.mark.parametrize("azimuth_deg", [-170, -20, 65, 140])
def test_angles_of_a_photographed_object_are_the_true_ones(look, azimuth_deg):
    sight, camera_from_object = look(azimuth_deg)
    truth = angles_of(invert(camera_from_object))
    assert sight.angles.azimuth_deg == pytest.approx(truth.azimuth_deg, abs=0.3)
    assert sight.angles.elevation_deg == pytest.approx(truth.elevation_deg, abs=0.3)
    assert sight.angles.roll_deg == pytest.approx(truth.roll_deg, abs=0.3)
    assert sight.angles.distance_m == pytest.approx(truth.distance_m, rel=0.005)
    assert sight.pose.rms_px < 0.3


def test_a_turned_object_is_seen_from_elsewhere(board, profile, photograph_at):
    """The same photograph, the object turned by 40 degrees on the board: 40 degrees less azimuth."""
    image, _ = photograph_at(0)
    straight, turned = (
        Observer(board, profile, placed(board, None, f"100,137.5,0,{turn}")).look(reading(image)).angles
        for turn in (0, 40)
    )
    assert (straight.azimuth_deg - turned.azimuth_deg) % 360 == pytest.approx(40)
    assert straight.elevation_deg == pytest.approx(turned.elevation_deg)


@pytest.mark.parametrize("blur_px", [0.5, 0.8])
def test_blur_is_the_point_spread_in_pixels(look, blur_px):
    sharp = look(10, tilt_deg=10, distance_m=0.4, blur_px=blur_px)[0].blur_px
    assert sharp == pytest.approx(blur_px, abs=0.1)


def test_blur_in_one_direction_counts(board, profile, photograph_at):
    import cv2

    image, _ = photograph_at(0, tilt_deg=5, distance_m=0.4)
    still = Observer(board, profile, np.eye(4)).look(reading(image)).blur_px
    for kernel in (np.full((1, 4), 0.25), np.full((4, 1), 0.25)):
        moved = Observer(board, profile, np.eye(4)).look(reading(cv2.filter2D(image, -1, kernel))).blur_px
        assert moved > still + 0.4


def test_exposure_counts_pixels():
    image = np.full((10, 10, 3), 128, np.uint8)
    image[0, :3] = 0
    image[1, :2] = (0, 255, 0)
    found = exposure_of(image)
    assert (found.over_frac, found.under_frac) == (0.02, 0.03)
    assert found.mean_frac == pytest.approx((95 * 128 + 2 * 150) / 100 / 255, abs=0.001)


def test_a_board_that_is_not_seen_and_another_resolution_are_told(board, profile, photograph_at):
    observer = Observer(board, profile, np.eye(4))
    empty = observer.look(reading(np.full((480, 640, 3), 90, np.uint8)))
    assert (empty.pose, empty.no_pose, empty.blur_px, empty.moved_px) == (None, "board not seen", None, np.inf)
    small = observer.look(reading(photograph_at(0)[0][::2, ::2].copy()))
    assert (small.fits_profile, small.seen) == (False, None)
    assert small.no_pose == "wrong resolution: 320 x 240, calibrated at 640 x 480"


def test_a_pose_that_does_not_fit_is_not_trusted(board, profile, photograph_at):
    other = profile.model_copy(update={"lens": profile.lens.model_copy(update={"k1": 0.9})})
    sight = Observer(board, other, np.eye(4)).look(reading(photograph_at(30)[0]))
    assert sight.seen is not None
    assert sight.pose is None
    assert "do not fit its pose" in sight.no_pose


def test_triggers(board, profile, photograph_at):
    observer = Observer(board, profile, placed(board, None, None))
    at_0, again, moved = (
        observer.look(reading(photograph_at(azimuth_deg, seed=seed)[0]))
        for azimuth_deg, seed in ((0, 0), (0, 1), (5, 2))
    )
    cell = GRID.cell(at_0.angles.azimuth_deg, at_0.angles.elevation_deg)
    turntable = Turntable(GRID)
    assert not turntable.wants(at_0, {}), "nothing to compare it with: is the board at rest?"
    assert turntable.wants(again, {})
    assert not turntable.wants(again, {cell}), "this pass has the cell"
    assert not turntable.wants(moved, {}), "the board moves"
    unseen = observer.look(reading(np.zeros((480, 640, 3), np.uint8)))
    third = Continuous(3)
    assert [third.wants(sight, {}) for sight in (at_0, unseen, again, moved, at_0, again)] == [
        True, False, False, False, True, False,
    ]  # fmt: skip
    assert not OnKey().wants(again, {})


@pytest.mark.parametrize("step_deg", [5.0, 15.0, 90.0])
def test_every_direction_has_a_cell_that_holds_it(step_deg):
    grid, rng = Grid(step_deg), np.random.default_rng(0)
    every = set(grid.cells)
    for azimuth_deg, elevation_deg in [*rng.uniform((-180, -90), (180, 90), (500, 2)), (180.0, 90.0), (-180.0, -90.0)]:
        cell = grid.cell(azimuth_deg, elevation_deg)
        from_deg, to_deg, low_deg, high_deg = grid.bounds_deg(cell)
        assert cell in every
        assert (azimuth_deg - from_deg) % 360 <= to_deg - from_deg
        assert low_deg <= elevation_deg <= high_deg


def test_noise_does_not_decide_where_a_turntable_stops():
    stops = {GRID.cell(stop + noise, 45 + noise) for stop in range(-180, 180, 15) for noise in (-0.5, 0.0, 0.5)}
    assert len(stops) == 24


def test_an_object_stands_on_the_print(board):
    mesh = load_scene("turtle", ("object.radius_m=0.07",), 64).mesh
    middle = placed(board, mesh, None)
    lowest_m = (mesh.vertices_m @ middle[:3, :3].T + middle[:3, 3])[:, 2].min()
    assert lowest_m == pytest.approx(0)
    np.testing.assert_allclose(middle[:2, 3], np.array(board.size_mm) / 2000)
    on_a_box = placed(board, mesh, "10,20,50")
    np.testing.assert_allclose(on_a_box[:3, 3] - [0.01, 0.02, 0.05], [0, 0, middle[2, 3]], atol=1e-12)


@pytest.mark.parametrize("text", ["", "1", "a,b", "1,2,3,4,5", "nan,0", "1e9,0"])
def test_a_place_that_is_none_is_one_line(board, text):
    if text == "":
        return
    with pytest.raises(SessionError, match="not a place on the board"):
        placed(board, None, text)


def test_a_spheres_outline_is_the_circle_of_its_tangents():
    """Seen from distance d, a sphere of radius r shows the circle at r**2 / d from its middle."""
    import trimesh

    ball = trimesh.creation.icosphere(subdivisions=4, radius=0.5)
    vertices = np.asarray(ball.vertices)
    mesh = Mesh(vertices, np.asarray(ball.faces, np.int32), np.zeros((len(vertices), 2)), vertices, np.zeros((1, 1, 3)))
    world_from_camera = orbit_camera(30, 20, 0, 2.0)
    edges = Outline(mesh).seen_from(invert(world_from_camera))
    along = Outline(mesh).vertices_m[edges] @ (world_from_camera[:3, 3] / 2.0)
    assert len(edges) > 50
    np.testing.assert_allclose(along, 0.5**2 / 2.0, atol=0.05)
