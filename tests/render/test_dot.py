"""A pixel's footprint on the object: against closed forms on a plane, rays cast at a turtle, and the renderer itself."""

import dataclasses

import cv2
import numpy as np
import pytest
import torch

from rig.contracts import Mesh
from rig.geometry import intrinsics_from_fov, orbit_camera, pixel_rays
from rig.images import linear_to_srgb, srgb_to_linear
from rig.render import Renderer
from rig.render.dot import albedo, dot_at
from rig.scene import load_scene
from rig.views import draw_views


def plane(texture_px: int) -> Mesh:
    """A square of 2 m in the plane x = 0, facing +x, its texture upright when seen from there."""
    vertices_m = np.array([[0, -1.0, -1], [0, 1, -1], [0, 1, 1], [0, -1, 1]])
    uv = np.array([[0, 0], [1, 0], [1, 1], [0, 1.0]])
    texture = np.zeros((texture_px, texture_px, 3), np.uint8)
    return Mesh(vertices_m, np.array([[0, 1, 2], [0, 2, 3]], np.int32), uv, np.tile([1.0, 0, 0], (4, 1)), texture)


FILLS = 2 * np.degrees(np.arctan(1 / 4))  # from 4 m away the plane just fills the frame


def test_head_on_a_pixel_is_distance_over_focal_length():
    camera = intrinsics_from_fov(50, 50, FILLS)
    dot = dot_at(plane(200), camera, orbit_camera(0, 0, 0, 4.0), row=10, column=30)
    side_mm = 1000 * 4.0 / camera.fx_px
    assert side_mm == pytest.approx(40)
    assert (dot.width_mm, dot.height_mm) == pytest.approx((side_mm, side_mm), rel=1e-3)
    assert (dot.area_mm2, dot.painted_mm2) == pytest.approx((side_mm**2, side_mm**2), rel=2e-3)
    expected = {(row, column) for row in range(40, 44) for column in range(120, 124)}  # 4 x 4 texels a pixel
    assert {tuple(texel) for texel in dot.texels.tolist()} == expected
    assert dot.covered_frac == 1


def test_a_slanted_surface_is_longer_by_one_over_the_cosine():
    camera = intrinsics_from_fov(51, 51, 5.0)  # narrow, so that perspective hardly matters
    for slant_deg in (0, 45, 70):
        dot = dot_at(plane(64), camera, orbit_camera(slant_deg, 0, 0, 4.0), row=25, column=25)
        side_mm = 4000 / camera.fx_px
        assert dot.height_mm == pytest.approx(side_mm, rel=1e-3)
        assert dot.width_mm == pytest.approx(side_mm / np.cos(np.radians(slant_deg)), rel=2e-3)


def test_a_larger_dot_and_one_smaller_than_a_texel():
    camera, head_on = intrinsics_from_fov(50, 50, FILLS), orbit_camera(0, 0, 0, 4.0)
    large = dot_at(plane(200), camera, head_on, 10, 30, size_px=3)
    assert large.width_mm == pytest.approx(120, rel=1e-3) and len(large.texels) == 144
    small = dot_at(plane(10), camera, head_on, 12, 33)  # a texel is 5 x 5 pixels
    assert small.texels.tolist() == [[2, 6]]
    assert small.area_mm2 == pytest.approx(1600, rel=2e-3) and small.painted_mm2 == pytest.approx(25 * 1600, rel=2e-3)


def test_a_pixel_beside_the_object_is_no_dot_and_one_on_its_edge_is_partly_covered():
    camera, head_on = intrinsics_from_fov(50, 50, 2 * FILLS), orbit_camera(0, 0, 0, 4.0)
    assert dot_at(plane(64), camera, head_on, 2, 25) is None
    covered = [dot_at(plane(64), camera, head_on, row, 25, 5.0) for row in range(8, 18)]
    fractions = [dot.covered_frac for dot in covered if dot]
    assert min(fractions) < 0.8 and max(fractions) == 1 and fractions == sorted(fractions)


@pytest.fixture(scope="module")
def turtle():
    scene = load_scene("turtle", ("views.offset_frac=0",), texture_px=512)
    renderer = Renderer(scene, (96, 96))
    views = draw_views(scene.config, 3, 1, "eval")
    return scene, renderer, views


def first_hit(mesh, origin, ray):
    """Point and unit normal where a ray first meets a mesh: every triangle's equation solved by itself."""
    a, b, c = mesh.vertices_m[mesh.faces].transpose(1, 0, 2)
    matrices = np.stack([np.broadcast_to(ray, a.shape), a - b, a - c], axis=-1)
    t, u, v = np.linalg.solve(matrices, (a - origin)[..., None])[..., 0].T
    t[(u < 0) | (v < 0) | (u + v > 1) | (t <= 0)] = np.inf
    normal = np.cross(b - a, c - a)[t.argmin()]
    return origin + t.min() * ray, normal / np.linalg.norm(normal)


def test_sizes_on_a_turtle_are_those_of_rays(turtle):
    """Second road: neighbouring rays against the plane of the triangle that a pixel's centre hits."""
    scene, renderer, views = turtle
    compared = 0
    for view in views:
        camera = intrinsics_from_fov(96, 96, view.values["fov_deg"])
        world_from_camera = renderer.world_from_camera(view)
        pixels = renderer.prepare(view).pixels.numpy()
        for pixel in np.random.default_rng(0).choice(pixels, 6, replace=False):
            row, column = divmod(int(pixel), 96)
            dot = dot_at(scene.mesh, camera, world_from_camera, row, column, size_px=0.02)  # within one triangle
            near = dataclasses.replace(camera, cx_px=camera.cx_px - column, cy_px=camera.cy_px - row)
            ray = world_from_camera[:3, :3] @ pixel_rays(near)[0, 0]
            origin = world_from_camera[:3, 3]
            point, normal = first_hit(scene.mesh, origin, ray)
            steps = [world_from_camera[:3, i] * 0.02 / camera.fx_px for i in (0, 1)]
            to_plane = (point - origin) @ normal
            moved = [origin + (ray + step) * (to_plane / ((ray + step) @ normal)) for step in steps]
            sides_mm = [1000 * np.linalg.norm(one - point) for one in moved]
            if dot is None or dot.covered_frac < 1 or max(sides_mm) > 20 * min(sides_mm):
                continue  # at a silhouette a pixel has no one size
            assert (dot.width_mm, dot.height_mm) == pytest.approx(sides_mm, rel=0.03)
            compared += 1
    assert compared >= 12


def test_a_painted_dot_is_seen_at_its_pixel_and_nowhere_far_from_it(turtle):
    scene, renderer, views = turtle
    prepared = renderer.prepare(views[0])
    camera = intrinsics_from_fov(96, 96, views[0].values["fov_deg"])
    clean = renderer.frames(scene.mesh.texture, [prepared])[0].image.astype(int)
    places = np.random.default_rng(3).choice(prepared.pixels.numpy(), 12, replace=False)
    strongest = 0
    for pixel in places:
        row, column = divmod(int(pixel), 96)
        dot = dot_at(scene.mesh, camera, renderer.world_from_camera(views[0]), row, column, size_px=2)
        painted = dot.painted(scene.mesh.texture, np.array([255, 0, 255]))
        assert ((painted != scene.mesh.texture).any(axis=2)).sum() <= len(dot.texels)
        change = np.abs(renderer.frames(painted, [prepared])[0].image - clean).sum(axis=2)
        rows, columns = np.nonzero(change > 30)
        assert np.abs(rows - row).max(initial=0) <= 4 and np.abs(columns - column).max(initial=0) <= 4
        strongest += change[row, column] == change.max() > 60
    assert strongest >= 9


def test_what_is_printed_appears_as_asked_where_the_light_allows():
    color = np.array([200, 120, 40])
    for light in (0.8, 1.0, 1.6):
        printed = albedo(color, light)
        seen = linear_to_srgb(srgb_to_linear(torch.tensor(printed / 255)) * light).clamp(0, 1) * 255
        assert np.abs(seen.numpy() - color).max() <= 1
    assert albedo(np.array([255, 255, 255]), 0.5).tolist() == [255, 255, 255]


def mask_of(texels, texture_px):
    mask = np.zeros((texture_px, texture_px), np.uint8)
    mask[texels[:, 0], texels[:, 1]] = 1
    return mask


def test_a_dot_across_a_seam_of_the_uv_map_is_painted_on_both_sides():
    """Two of the ball's charts meet in it, turned against each other."""
    level = [f"views.{name}=0" for name in ("azimuth_deg", "elevation_deg", "roll_deg", "offset_frac")]
    scene = load_scene("baseball", tuple(level), texture_px=512)
    renderer = Renderer(scene, (64, 64))
    (view,) = draw_views(scene.config, 1, 0, "eval")
    camera = intrinsics_from_fov(64, 64, view.values["fov_deg"])
    dot = dot_at(scene.mesh, camera, renderer.world_from_camera(view), 40, 32, size_px=6)
    n_parts, _ = cv2.connectedComponents(mask_of(dot.texels, 512))
    assert n_parts - 1 == 2
    assert dot.painted_mm2 == pytest.approx(dot.area_mm2, rel=0.05)
    assert len(np.unique(dot.texels, axis=0)) == len(dot.texels) > 100
    assert dot.area_mm2 == pytest.approx(dot.width_mm * dot.height_mm, rel=0.01)
