"""The conventions of design section 4, a test each, named after the sentence."""

import re
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from rig import geometry, images
from rig.contracts import Intrinsics
from rig.render import Renderer, texture_tensor
from rig.scene import load_scene
from rig.views import draw_views

RIG = Path(__file__).parents[1] / "rig"
PINHOLE = geometry.intrinsics_from_fov(64, 48, 45)


def sources() -> dict[str, str]:
    return {path.relative_to(RIG).as_posix(): path.read_text() for path in RIG.rglob("*.py")}


def test_transforms_are_named_into_from_of_and_map_p_camera_to_p_world():
    world_from_camera = geometry.orbit_camera(30, 20, 10, 3.0)
    p_camera = np.array([0.2, -0.1, 2.0])
    by_matrix = (world_from_camera @ [*p_camera, 1])[:3]
    np.testing.assert_allclose(geometry.apply(world_from_camera, p_camera), by_matrix)
    np.testing.assert_allclose(geometry.apply(geometry.invert(world_from_camera), by_matrix), p_camera, atol=1e-12)


def test_invert_agrees_with_the_matrix_inverse():
    world_from_camera = geometry.orbit_camera(-70, 55, 130, 2.7, (0.1, -0.2))
    np.testing.assert_allclose(geometry.invert(world_from_camera), np.linalg.inv(world_from_camera), atol=1e-12)


def test_forbidden_names_of_transforms_do_not_occur():
    found = [name for name, text in sources().items() if re.search(r"\b(extrinsics?|c2w|w2c)\b", text)]
    assert found == []


def test_the_camera_is_opencv_plus_x_right_plus_y_down_plus_z_forward():
    camera_from_world = geometry.invert(geometry.orbit_camera(0, 0, 0, 5.0))
    np.testing.assert_allclose(geometry.apply(camera_from_world, np.zeros(3)), [0, 0, 5], atol=1e-12)
    assert geometry.apply(camera_from_world, np.array([0, 1.0, 0]))[0] > 0  # seen from +x, +y is on the right
    assert geometry.apply(camera_from_world, np.array([0, 0, 1.0]))[1] < 0  # and +z above


def test_projection_agrees_with_opencv():
    camera = Intrinsics(640, 480, 510.0, 505.0, 318.5, 241.25)
    points = np.random.default_rng(0).uniform([-1, -1, 2], [1, 1, 5], (20, 3))
    matrix = np.array([[510.0, 0, 318.5], [0, 505.0, 241.25], [0, 0, 1]])
    expected = cv2.projectPoints(points, np.zeros(3), np.zeros(3), matrix, None)[0].reshape(-1, 2)
    np.testing.assert_allclose(geometry.project(camera, points), expected, atol=1e-9)


def test_the_world_is_right_handed_with_plus_z_up():
    rotation = geometry.orbit_camera(40, 10, 0, 1.0)[:3, :3]
    np.testing.assert_allclose(np.linalg.det(rotation), 1)
    assert geometry.direction(0, 90) @ [0, 0, 1] == pytest.approx(1)


def test_azimuth_is_counter_clockwise_from_plus_x_seen_from_above_and_elevation_up_from_the_horizon():
    np.testing.assert_allclose(geometry.direction(90, 0), [0, 1, 0], atol=1e-12)
    by_scipy = Rotation.from_euler("ZY", [35, -25], degrees=True).apply([1, 0, 0])
    np.testing.assert_allclose(geometry.direction(35, 25), by_scipy, atol=1e-12)


@pytest.mark.parametrize(("azimuth_deg", "elevation_deg"), [(0, 90), (77, -90), (10, 5)])
def test_a_camera_at_an_azimuth_and_elevation_stands_there_and_looks_at_the_origin(azimuth_deg, elevation_deg):
    world_from_camera = geometry.orbit_camera(azimuth_deg, elevation_deg, 33, 2.5)
    np.testing.assert_allclose(world_from_camera[:3, 3], 2.5 * geometry.direction(azimuth_deg, elevation_deg))
    np.testing.assert_allclose(world_from_camera[:3, :3].T @ world_from_camera[:3, :3], np.eye(3), atol=1e-12)
    center = geometry.project(PINHOLE, geometry.apply(geometry.invert(world_from_camera), np.zeros(3)))
    np.testing.assert_allclose(center, [(64 - 1) / 2, (48 - 1) / 2])


def test_roll_turns_the_camera_plus_x_towards_plus_y():
    level, rolled = (geometry.orbit_camera(20, 30, roll_deg, 2.0) for roll_deg in (0, 90))
    np.testing.assert_allclose(rolled[:3, 0], level[:3, 1], atol=1e-12)


def test_an_offset_moves_the_object_right_and_down_in_the_image():
    camera_from_world = geometry.invert(geometry.orbit_camera(20, 30, 40, 2.0, (0.3, 0.2)))
    np.testing.assert_allclose(geometry.apply(camera_from_world, np.zeros(3)), [0.3, 0.2, 2.0], atol=1e-12)


def test_opengl_occurs_only_inside_render_and_the_rasteriser():
    with_gl = [name for name, text in sources().items() if re.search(r"_gl\b|GL_FROM|OpenGL\.", text)]
    assert all(name.startswith("render/") or name in {"geometry.py", "raster.py"} for name in with_gl)


def test_bgr_is_said_in_images_only():
    assert [name for name, text in sources().items() if "COLOR_BGR" in text or "COLOR_RGB2BGR" in text] == ["images.py"]


def test_pixels_are_column_row_with_integers_at_centres():
    """A point on the axis falls on the centre of an odd image: pixel (W-1)/2, an integer."""
    camera = geometry.intrinsics_from_fov(65, 49, 45)
    np.testing.assert_allclose(geometry.project(camera, np.array([0, 0, 1.0])), [32, 24])
    assert geometry.pixel_rays(camera)[24, 32] == pytest.approx([0, 0, 1])  # arrays index [v, u]


def test_the_field_of_view_is_vertical_and_reaches_the_outer_edges():
    """The rays half a pixel beyond the outermost centres enclose the angle."""
    top = geometry.pixel_rays(PINHOLE)[0, 0, 1] - 0.5 / PINHOLE.fy_px
    assert np.degrees(2 * np.arctan(-top)) == pytest.approx(45)


def test_uv_is_v_up_and_texel_centres_are_integers():
    column, row = geometry.texels_from_uv(np.array([[0.5 / 8, 1 - 0.5 / 4]]), 8, 4)
    np.testing.assert_allclose([column[0], row[0]], [0, 0], atol=1e-12)


def test_a_panorama_has_its_zenith_on_top_and_azimuth_grows_to_the_left():
    up, ahead, left = geometry.direction(0, 90), geometry.direction(0, 0), geometry.direction(1, 0)
    assert geometry.panorama_pixels(up, 360, 180)[1] == pytest.approx(-0.5)
    moved = geometry.panorama_pixels(left, 360, 180, yaw_deg=-180) - geometry.panorama_pixels(ahead, 360, 180, -180)
    np.testing.assert_allclose(moved, [-1, 0], atol=1e-9)


def test_image_is_uint8_hwc_rgb_and_batch_is_float32_nchw_rgb_in_0_1():
    red = np.zeros((1, 4, 5, 3), np.uint8)
    red[..., 0] = 255
    batch = images.batch_from_images(red)
    assert batch.dtype == torch.float32
    assert batch.shape == (1, 3, 4, 5)
    assert batch[0, 0].min() == 1
    np.testing.assert_array_equal(images.images_from_batch(batch), red)


def test_files_keep_rgb_order(tmp_path):
    image = np.random.default_rng(0).integers(0, 256, (7, 9, 3), dtype=np.uint8)
    (tmp_path / "a.png").write_bytes(images.encode_png(image))
    np.testing.assert_array_equal(images.read_image(tmp_path / "a.png"), image)
    from PIL import Image

    np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "a.png")), image)


def test_linear_is_linear_light_by_iec_61966_2_1():
    srgb = torch.linspace(0, 1, 256, dtype=torch.float64)
    linear = images.srgb_to_linear(srgb)
    import kornia

    expected = kornia.color.rgb_to_linear_rgb(srgb.expand(1, 3, 1, -1))[0, 0, 0]
    torch.testing.assert_close(linear, expected)
    torch.testing.assert_close(images.linear_to_srgb(linear), srgb)
    assert images.srgb_to_linear(torch.tensor(0.5)).item() == pytest.approx(0.21404, abs=1e-5)


def test_results_do_not_depend_on_order_or_batch_size():
    scene = load_scene("baseball", ("print.gain=[0.7,1.3]", "sensor.noise_std=[0,0.1]"), texture_px=64)
    renderer = Renderer(scene, (48, 48))
    prepared = [renderer.prepare(view) for view in draw_views(scene.config, 5, 3, "eval")]
    texture = texture_tensor(scene.mesh.texture)
    together = renderer.render(texture, prepared)
    alone = torch.cat([renderer.render(texture, [one]) for one in reversed(prepared)]).flip(0)
    assert torch.equal(together, alone)


def test_a_view_depends_on_seed_split_and_number_only():
    config = load_scene("baseball").config
    whole = draw_views(config, 6, 7, "eval")
    assert draw_views(config, 2, 7, "eval", start=4) == whole[4:]
    assert draw_views(config, 6, 8, "eval")[0].values != whole[0].values
    assert draw_views(config, 6, 7, "attack")[0].values != whole[0].values
