"""The digital twin: the same camera as calibrated, the same pose as measured."""

import dataclasses
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))  # lab_session
sys.path.insert(0, str(Path(__file__).parent))  # test_dot
from lab_session import BOARD, true_profile
from test_dot import first_hit

from rig.calibrate.board import read_board
from rig.calibrate.lens import Lens
from rig.errors import CalibrationError
from rig.geometry import apply, intrinsics_from_fov, invert, orbit_camera, texels_from_uv
from rig.lab import Desk
from rig.lab.control import Control
from rig.lab.settings import LabCamera
from rig.render import Renderer
from rig.render.lens import UNDISTORT_UNTIL, lens_map
from rig.render.twin import TwinRenderer
from rig.scene import load_scene
from rig.views import draw_views

FLAT = ("background.color=[0, 0]", "sensor.noise_std=0", "sensor.gain=1", "sensor.offset=0")


@pytest.fixture(scope="module")
def scene():
    return load_scene("turtle", ("object.radius_m=0.07", "light.ambient=1", "light.directional=0"), 256)


def profile_of(lens: Lens, width_px: int = 640, height_px: int = 480):
    return true_profile().model_copy(update={"lens": lens, "width_px": width_px, "height_px": height_px})


def test_without_distortion_a_twin_is_the_renderer_s_own_frame(scene):
    (view,) = draw_views(scene.config, 1, 0, "eval")
    view = dataclasses.replace(view, values=view.values | {"distance_m": 0.4, "fov_deg": 45.0, "noise_std": 0.0})
    camera = intrinsics_from_fov(160, 120, 45.0)
    lens = Lens(fx_px=camera.fx_px, fy_px=camera.fy_px, cx_px=camera.cx_px, cy_px=camera.cy_px)
    renderer, twin = Renderer(scene, (120, 160)), TwinRenderer(scene, profile_of(lens, 160, 120))
    object_from_camera = renderer.world_from_camera(view)
    (expected,) = renderer.frames(scene.mesh.texture, [renderer.prepare(view)])
    (found,) = twin.frames(scene.mesh.texture, [twin.prepare(view, invert(object_from_camera))])
    difference = np.abs(found.image.astype(int) - expected.image)
    assert found.image.shape == (120, 160, 3)
    assert (difference > 1).mean() < 0.001  # the pinhole's frame is larger: a float may round another way


def test_a_twin_lies_where_the_virtual_lab_s_bent_vertices_lie():
    """Two roads through the lens: here frames are resampled, in the lab every vertex is projected with distortion."""
    scene = load_scene("turtle", ("object.radius_m=0.05",), 256)
    lens = Lens(fx_px=640, fy_px=640, cx_px=322, cy_px=238, k1=-0.3, k2=0.1)
    desk = Desk(scene, read_board(BOARD), LabCamera(lens=lens, noise_std=0.0, blur_px=0.0))
    desk.control(Control(turn_to_deg=40.0))
    clean = desk.photograph(10.0)
    camera_from_object = np.array(clean.truth["camera_from_object"])
    twin = TwinRenderer(scene, profile_of(lens))
    (view,) = draw_views(scene.config, 1, 0, "eval")
    magenta = {"background_red": 1.0, "background_green": 0.0, "background_blue": 1.0}
    view = dataclasses.replace(view, values=view.values | magenta | {"noise_std": 0.0, "blur_px": 0.0})
    (frame,) = twin.frames(scene.mesh.texture, [twin.prepare(view, camera_from_object)])
    mask = ~((frame.image[..., 0] > 200) & (frame.image[..., 1] < 60) & (frame.image[..., 2] > 200))
    points = apply(camera_from_object, desk._painted["clean"].mesh.vertices_m)
    bent, seen = desk._optics.bend(points)
    pixels = bent[seen, :2] / bent[seen, 2:] * [lens.fx_px, lens.fy_px] + [lens.cx_px, lens.cy_px]
    rows, columns = np.nonzero(mask)
    for axis, where in ((0, columns), (1, rows)):
        assert where.min() == pytest.approx(pixels[:, axis].min(), abs=1.5)
        assert where.max() == pytest.approx(pixels[:, axis].max(), abs=1.5)


def test_a_lens_map_sends_every_pixel_where_opencv_projects_it_from():
    """Round trip: the pinhole's ray of each pixel, projected with distortion, is the pixel."""
    profile = true_profile()
    mapped = lens_map(profile)
    pinhole, lens = mapped.pinhole, profile.lens
    some = mapped.pixels[::37, ::41].reshape(-1, 2).astype(float)
    x, y = (some[:, 0] - pinhole.cx_px) / pinhole.fx_px, (some[:, 1] - pinhole.cy_px) / pinhole.fy_px
    back = lens.project(np.c_[x, y, np.ones(len(x))], np.eye(4))
    u, v = np.meshgrid(np.arange(0, 640, 41), np.arange(0, 480, 37))
    np.testing.assert_allclose(back, np.c_[u.ravel(), v.ravel()], atol=1e-3)


def test_a_lens_that_folds_is_refused():
    with pytest.raises(CalibrationError, match="cannot be undone"):
        lens_map(profile_of(Lens(fx_px=300, fy_px=300, cx_px=320, cy_px=240, k1=-0.6, k2=0.0)))


BENT = Lens(fx_px=640, fy_px=640, cx_px=322, cy_px=238, k1=-0.3, k2=0.1)  # 60 px off at the corners


def test_a_dot_lies_on_the_point_of_the_surface_that_its_pixel_shows(scene):
    """Second road: points of known texture coordinates, sent through OpenCV's projection to the pixel that shows them."""
    twins, mesh = TwinRenderer(scene, profile_of(BENT)), scene.mesh
    camera_from_object = invert(orbit_camera(30, 35, 10, 0.26, (0.03, -0.02)))
    footprints = twins.footprints(camera_from_object)
    corners = mesh.vertices_m[mesh.faces]
    centres, uv = corners.mean(axis=1), mesh.uv[mesh.faces].mean(axis=1)
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    towards = invert(camera_from_object)[:3, 3] - centres
    facing = (normals * towards).sum(axis=1) / np.linalg.norm(normals, axis=1) / np.linalg.norm(towards, axis=1)
    pixels = BENT.project(centres, camera_from_object)
    straight = pixels_of_the_pinhole(BENT, centres, camera_from_object)
    place_m, compared = invert(camera_from_object)[:3, 3], 0
    height_px, width_px = mesh.texture.shape[:2]
    for i in np.random.default_rng(0).permutation(np.flatnonzero(facing > 0.7)):
        (u, v), displaced_px = np.rint(pixels[i]).astype(int), np.abs(pixels[i] - straight[i]).max()
        if not (0 <= u < 640 and 0 <= v < 480) or displaced_px < 3:
            continue
        if np.linalg.norm(first_hit(mesh, place_m, centres[i] - place_m)[0] - centres[i]) > 1e-6:
            continue  # a flipper lies before it
        dot = footprints.dot(int(v), int(u), 2.0)
        column, row = texels_from_uv(uv[i], width_px, height_px)
        assert np.abs(dot.texels - [row, column]).max(axis=1).min() < 1.5
        compared += 1
    assert compared >= 25


def pixels_of_the_pinhole(lens, points, camera_from_object):
    plain = Lens(fx_px=lens.fx_px, fy_px=lens.fy_px, cx_px=lens.cx_px, cy_px=lens.cy_px)
    return plain.project(points, camera_from_object)


def test_a_pixel_of_a_bent_frame_has_the_size_that_its_corners_have():
    """Against the four corners of the pixel, each undone by itself: the area of what lies between them."""
    lens, mapped = BENT, lens_map(profile_of(BENT))
    for row, column in ((240, 320), (3, 5), (470, 600), (0, 639)):
        around = np.array([[-0.5, -0.5], [0.5, -0.5], [0.5, 0.5], [-0.5, 0.5]]) + [column, row]
        ideal = cv2.undistortPoints(around[:, None], lens.matrix, lens.distortion, criteria=UNDISTORT_UNTIL)[:, 0]
        x, y = (ideal * [lens.fx_px, lens.fy_px]).T
        area = 0.5 * abs(np.dot(x, np.roll(y, 1)) - np.dot(y, np.roll(x, 1)))
        straight_row, straight_column, times = mapped.straight(row, column)
        assert times == pytest.approx(np.sqrt(area), rel=3e-3)
        assert (straight_column, straight_row) == pytest.approx(mapped.pixels[row, column].tolist())
