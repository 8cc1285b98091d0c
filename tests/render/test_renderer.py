import dataclasses
from dataclasses import replace

import numpy as np
import pytest
import torch

from rig.contracts import Mesh, View
from rig.errors import SceneError
from rig.geometry import intrinsics_from_fov, orbit_camera, project
from rig.images import encode_png, linear_to_srgb, srgb_to_linear
from rig.render import Renderer, texture_tensor
from rig.render.gbuffer import rasterize
from rig.render.texture import MipAtlas
from rig.scene import load_scene
from rig.views import draw_views


def quad(texture: np.ndarray) -> Mesh:
    """A square of 2 m in the plane x = 0, facing +x, its texture upright when seen from there."""
    vertices_m = np.array([[0, -1.0, -1], [0, 1, -1], [0, 1, 1], [0, -1, 1]])
    uv = np.array([[0, 0], [1, 0], [1, 1], [0, 1.0]])
    return Mesh(vertices_m, np.array([[0, 1, 2], [0, 2, 3]], np.int32), uv, np.tile([1.0, 0, 0], (4, 1)), texture)


def seen_head_on(settings: tuple = (), texture_px: int = 16, size_px: int = 64):
    """A scene of one quad that just fills the frame, its renderer and one prepared view."""
    texture = np.random.default_rng(0).integers(0, 256, (texture_px, texture_px, 3), dtype=np.uint8)
    fills = f"views.fov_deg={2 * np.degrees(np.arctan(1 / 4))}"
    level = ("views.azimuth_deg=0", "views.elevation_deg=0", "views.roll_deg=0", "views.offset_frac=0")
    scene = load_scene("baseball", (*level, "views.distance_m=4", fills, *settings))
    scene = dataclasses.replace(scene, mesh=quad(texture))
    renderer = Renderer(scene, (size_px, size_px))
    return renderer, renderer.prepare(draw_views(scene.config, 1, 0, "eval")[0])


def test_a_texture_seen_texel_by_pixel_comes_back_exactly():
    renderer, prepared = seen_head_on(texture_px=64, size_px=64)
    frame = renderer.frames(renderer.scene.mesh.texture, [prepared])[0]
    np.testing.assert_array_equal(frame.image, renderer.scene.mesh.texture)


def test_a_texture_seen_from_behind_is_culled():
    renderer, _ = seen_head_on(("views.azimuth_deg=180",))
    assert len(renderer.prepare(draw_views(renderer.scene.config, 1, 0, "eval")[0]).pixels) == 0


def test_minified_colours_are_area_averages():
    """Four texels a pixel: the mip level that is their mean."""
    renderer, prepared = seen_head_on(texture_px=128, size_px=64)
    mean = torch.nn.functional.avg_pool2d(texture_tensor(renderer.scene.mesh.texture)[None], 2)[0]
    one_level = dataclasses.replace(prepared, lod=torch.ones_like(prepared.lod))
    image = renderer.render(texture_tensor(renderer.scene.mesh.texture), [one_level])[0]
    assert (image - mean).abs().max() <= 0.5 / 255 + 1e-5


def test_level_of_detail_counts_texels_a_pixel():
    """Head on at 4 texels a pixel's side: half the footprint's diagonal is 4 / sqrt(2), level 1.5."""
    renderer, prepared = seen_head_on(texture_px=256, size_px=64)
    np.testing.assert_allclose(prepared.lod, 1.5, atol=1e-3)


def test_uv_at_a_pixel_is_the_uv_of_the_surface_point_there():
    """Second road: project known surface points and compare the interpolated uv at the pixels they fall on."""
    mesh = quad(np.zeros((8, 8, 3), np.uint8))
    camera = intrinsics_from_fov(80, 60, 50)
    world_from_camera = orbit_camera(25, 30, 15, 3.0)
    seen = rasterize(mesh, camera, world_from_camera)
    v, u = np.divmod(seen.pixels, 80)
    points = np.stack([np.zeros(len(seen.uv)), seen.uv[:, 0] * 2 - 1, seen.uv[:, 1] * 2 - 1], axis=1)
    rotation, position = world_from_camera[:3, :3], world_from_camera[:3, 3]
    np.testing.assert_allclose(project(camera, (points - position) @ rotation), np.stack([u, v], 1), atol=1e-3)


def test_an_off_centre_camera_sees_what_projection_says():
    mesh = quad(np.zeros((8, 8, 3), np.uint8))
    camera = dataclasses.replace(intrinsics_from_fov(80, 60, 50), cx_px=47.25, cy_px=22.5, fx_px=70.0)
    world_from_camera = orbit_camera(-20, 10, 5, 3.0)
    seen = rasterize(mesh, camera, world_from_camera)
    v, u = np.divmod(seen.pixels, 80)
    points = np.stack([np.zeros(len(seen.uv)), seen.uv[:, 0] * 2 - 1, seen.uv[:, 1] * 2 - 1], axis=1)
    in_camera = (points - world_from_camera[:3, 3]) @ world_from_camera[:3, :3]
    np.testing.assert_allclose(project(camera, in_camera), np.stack([u, v], 1), atol=1e-3)


def test_lookup_gradient_is_the_transpose_of_lookup():
    """<M t, y> = <t, M' y>: autograd's backward against the forward, in double precision."""
    rng = torch.Generator().manual_seed(0)
    texture = torch.rand(3, 24, 40, generator=rng, dtype=torch.float64, requires_grad=True)
    uv, lod = (
        torch.rand(500, 2, generator=rng, dtype=torch.float64),
        4 * torch.rand(500, generator=rng, dtype=torch.float64),
    )
    weights = torch.rand(500, 3, generator=rng, dtype=torch.float64)
    value = (MipAtlas(texture).sample(uv, lod) * weights).sum()
    (gradient,) = torch.autograd.grad(value, texture)
    torch.testing.assert_close((gradient * texture).sum(), value)


def test_textures_repeat_across_their_edges():
    texture = torch.rand(3, 8, 8)
    outside = MipAtlas(texture).sample(torch.tensor([[1.3, -0.6]]), torch.zeros(1))
    inside = MipAtlas(texture).sample(torch.tensor([[0.3, 0.4]]), torch.zeros(1))
    torch.testing.assert_close(outside, inside)
    at_edge = MipAtlas(texture).sample(torch.tensor([[0.0, 0.5 / 8]]), torch.zeros(1))[0]
    torch.testing.assert_close(at_edge, (texture[:, 7, 0] + texture[:, 7, 7]) / 2)


def test_print_error_acts_on_the_texture_and_photo_error_on_the_image():
    settings = ("print.gain=0.7", "print.offset=0.1", "sensor.gain=0.5", "sensor.offset=0.05", "background.color=0.8")
    renderer, prepared = seen_head_on(settings, texture_px=64)
    image = renderer.render(texture_tensor(renderer.scene.mesh.texture), [prepared])[0]
    texture = texture_tensor(renderer.scene.mesh.texture)
    expected = (texture * 0.7 + 0.1).clamp(0, 1) * 0.5 + 0.05
    assert (image - expected).abs().max() <= 0.51 / 255
    empty = dataclasses.replace(prepared, pixels=prepared.pixels[:0], uv=prepared.uv[:0], lod=prepared.lod[:0])
    background = renderer.render(texture, [empty])
    torch.testing.assert_close(background, torch.full_like(background, round(255 * (0.8 * 0.5 + 0.05)) / 255))


def test_light_is_lambert_in_linear_light():
    settings = ("light.ambient=0.2", "light.directional=0.6", "light.azimuth_deg=60", "light.elevation_deg=0")
    renderer, prepared = seen_head_on(settings, texture_px=64)
    texture = texture_tensor(renderer.scene.mesh.texture)
    image = renderer.render(texture, [prepared])[0]
    expected = linear_to_srgb(srgb_to_linear(texture) * (0.2 + 0.6 * np.cos(np.radians(60)))).clamp(0, 1)
    assert (image - expected).abs().max() <= 0.51 / 255


def test_noise_has_the_declared_deviation_and_belongs_to_the_view():
    renderer, prepared = seen_head_on(("sensor.noise_std=0.05", "sensor.gain=0", "sensor.offset=0.5"), size_px=128)
    texture = texture_tensor(renderer.scene.mesh.texture)
    image = renderer.render(texture, [prepared])
    assert image.std().item() == pytest.approx(0.05, rel=0.02)
    assert torch.equal(image, renderer.render(texture, [prepared]))


@pytest.mark.parametrize("setting", ["sensor.blur_px=2.5", "sensor.resolution_frac=0.25", "sensor.jpeg_quality=20"])
def test_a_worse_lens_sensor_or_codec_keeps_the_mean_and_loses_detail(setting):
    sharp_renderer, prepared = seen_head_on(size_px=64, texture_px=64)
    renderer, worse = seen_head_on((setting,), size_px=64, texture_px=64)
    sharp, soft = (
        r.frames(r.scene.mesh.texture, [p])[0].image.astype(float)
        for r, p in ((sharp_renderer, prepared), (renderer, worse))
    )
    assert abs(sharp.mean() - soft.mean()) < 3
    assert np.abs(np.diff(soft, axis=1)).mean() < 0.8 * np.abs(np.diff(sharp, axis=1)).mean()


EVERYTHING = (
    "sensor.blur_px=[0, 6]",
    "sensor.resolution_frac=[0.3, 1]",
    "sensor.gain=[0.8, 1.2]",
    "sensor.offset=[-0.1, 0.1]",
    "sensor.noise_std=[0, 0.05]",
    "sensor.jpeg_quality=[30, 95]",
)


@pytest.mark.parametrize("settings", [EVERYTHING[:1], EVERYTHING])
def test_a_frame_is_the_same_bits_alone_and_in_any_batch(settings):
    scene = load_scene("turtle", settings, 64)
    renderer = Renderer(scene, (48, 48))
    views = draw_views(scene.config, 6, 0, "eval")
    sharp = View("sharp", "eval", dict(views[0].values) | {"blur_px": 0.0, "resolution_frac": 1.0}, 1)
    prepared = [renderer.prepare(view) for view in (sharp, *views)]
    together = renderer.frames(scene.mesh.texture, prepared)
    for frame, one in zip(together, prepared, strict=True):
        (alone,) = renderer.frames(scene.mesh.texture, [one])
        assert np.array_equal(frame.image, alone.image), frame.view.id


def test_a_blur_wider_than_the_frame_leaves_its_mean():
    (sharp_renderer, sharp), (renderer, soft) = seen_head_on(size_px=32), seen_head_on(("sensor.blur_px=50",), 16, 32)
    frames = [r.frames(r.scene.mesh.texture, [p])[0].image for r, p in ((sharp_renderer, sharp), (renderer, soft))]
    assert frames[1].std((0, 1)).max() < 0.05 * frames[0].std((0, 1)).min()
    assert np.abs(frames[1].mean((0, 1)) - frames[0].mean((0, 1))).max() < 3


def test_blur_agrees_with_opencv():
    import cv2

    sharp_renderer, sharp = seen_head_on(texture_px=64)
    renderer, blurred = seen_head_on(("sensor.blur_px=1.5",), texture_px=64)
    truth = cv2.GaussianBlur(
        sharp_renderer.frames(sharp_renderer.scene.mesh.texture, [sharp])[0].image,
        (11, 11),
        1.5,
        borderType=cv2.BORDER_REFLECT_101,
    )
    ours = renderer.frames(renderer.scene.mesh.texture, [blurred])[0].image
    assert np.abs(ours.astype(int) - truth).max() <= 1


def test_photographs_and_panoramas_stand_behind_the_object(tmp_path):
    gradient = np.repeat(np.linspace(0, 255, 90).astype(np.uint8)[None, :, None], 60, axis=0).repeat(3, axis=2)
    (tmp_path / "photo.png").write_bytes(encode_png(gradient))
    for kind in ("photo", "panorama"):
        settings = (f"background.kind={kind}", f'background.files=["{tmp_path}/photo.png"]')
        scene = load_scene("baseball", (*settings, "views.distance_m=20"))
        renderer = Renderer(scene, (48, 48))
        frames = renderer.frames(
            scene.mesh.texture, [renderer.prepare(v) for v in draw_views(scene.config, 3, 0, "eval")]
        )
        assert all(frame.image[..., 0].std() > 3 for frame in frames)
        assert not np.array_equal(frames[0].image, frames[1].image)


def test_an_object_that_reaches_behind_the_camera_is_refused():
    with pytest.raises(SceneError, match="the camera may be inside the object"):
        load_scene("baseball", ("views.distance_m=0.5",))
    scene = load_scene("baseball")
    (view,) = draw_views(scene.config, 1, 0, "eval")
    with pytest.raises(SceneError, match="the object reaches behind the camera"):
        Renderer(scene, (32, 32)).prepare(replace(view, values=view.values | {"distance_m": 0.5}))


def test_clipped_pixels_pass_no_gradient_and_rounding_passes_it_unchanged():
    renderer, prepared = seen_head_on(("sensor.gain=2",), texture_px=64, size_px=64)
    texture = texture_tensor(renderer.scene.mesh.texture).requires_grad_()
    renderer.render(texture, [prepared]).sum().backward()
    clipped = 2 * texture.detach() > 1
    torch.testing.assert_close(texture.grad, torch.where(clipped, 0.0, 2.0), atol=1e-3, rtol=0)
