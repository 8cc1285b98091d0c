"""The built-in objects are sound meshes: closed, outward, in the unit sphere, every texel on at most one face."""

from functools import lru_cache

import cv2
import numpy as np
import pytest
import trimesh
from scipy.ndimage import binary_dilation, find_objects
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from rig.geometry import GL_FROM_CV, invert, orbit_camera
from rig.scene.builtin import BUILTINS, builtin_mesh
from rig.scene.builtin.ambient import ambient_light
from rig.scene.builtin.baseball import STITCH_TO, seam_coordinates, seam_curve, sphere
from rig.scene.builtin.charts import GUTTER_PX, enclosing_centre, pack
from rig.scene.builtin.pattern import mosaic, noise, smoothstep
from rig.scene.builtin.turtle import BODIES


@lru_cache
def built(name):
    return BUILTINS[name]()


@pytest.fixture(params=[name for name in BUILTINS if name != "card"])
def name(request):
    return request.param


@pytest.fixture
def mesh(name):
    return built(name)


def test_who_paints_a_built_in_mesh_paints_no_other(name, mesh):
    builtin_mesh(name).texture[:] = 0
    np.testing.assert_array_equal(builtin_mesh(name).texture, mesh.texture)


def as_solid(mesh) -> trimesh.Trimesh:
    """The surface without its uv seams."""
    return trimesh.Trimesh(np.round(mesh.vertices_m, 7), mesh.faces, process=True)


def face_normals(mesh) -> np.ndarray:
    a, b, c = (mesh.vertices_m[corner] for corner in mesh.faces.T)
    return np.cross(b - a, c - a)


@lru_cache
def covered(name: str) -> tuple[np.ndarray, np.ndarray]:
    """For each texel (H, W), row 0 at v = 0: how many faces hold its centre strictly inside, and its chart or 0."""
    mesh = built(name)
    height, width = mesh.texture.shape[:2]
    charts = chart_of_vertex(mesh)
    count, chart = np.zeros((height, width), int), np.zeros((height, width), int)
    for face, corners in zip(mesh.faces, mesh.uv[mesh.faces] * [width, height], strict=True):
        low, high = np.floor(corners.min(axis=0)).astype(int), np.ceil(corners.max(axis=0)).astype(int)
        x, y = (axis.ravel() for axis in np.meshgrid(np.arange(low[0], high[0]), np.arange(low[1], high[1])))
        centres = np.stack([x + 0.5, y + 0.5, np.ones_like(x)])
        weight = np.linalg.solve(np.vstack([corners.T, np.ones(3)]), centres).min(axis=0)
        np.add.at(count, (y[weight > 1e-6], x[weight > 1e-6]), 1)
        chart[y[weight > -1e-6], x[weight > -1e-6]] = charts[face[0]]
    return count, chart


def chart_of_vertex(mesh) -> np.ndarray:
    """Chart numbers (N,) from 1: vertices joined by faces, without welding the seams."""
    rows, columns = mesh.faces[:, [0, 1]].T
    more_rows, more_columns = mesh.faces[:, [1, 2]].T
    edges = np.concatenate([rows, more_rows]), np.concatenate([columns, more_columns])
    size = len(mesh.vertices_m)
    return connected_components(coo_matrix((np.ones(len(edges[0])), edges), (size, size)), directed=False)[1] + 1


def test_the_same_object_every_time(name, mesh):
    again = BUILTINS[name]()
    for field in ("vertices_m", "faces", "uv", "normals", "texture"):
        np.testing.assert_array_equal(getattr(again, field), getattr(mesh, field))


def test_arrays_are_as_the_contract_says(mesh):
    assert mesh.vertices_m.dtype == mesh.uv.dtype == mesh.normals.dtype == np.float64
    assert mesh.faces.dtype == np.int32 and 3_000 <= len(mesh.faces) <= 10_000
    assert mesh.texture.dtype == np.uint8 and mesh.texture.shape == (512, 512, 3)
    assert mesh.uv.min() >= 0 and mesh.uv.max() <= 1
    np.testing.assert_allclose(np.linalg.norm(mesh.normals, axis=1), 1)


def test_the_bounding_sphere_is_the_unit_sphere_at_the_origin(mesh):
    radius = np.linalg.norm(mesh.vertices_m, axis=1)
    assert radius.max() == pytest.approx(1, abs=1e-12)
    centre, smallest = trimesh.nsphere.minimum_nsphere(mesh.vertices_m)
    assert smallest == pytest.approx(1, abs=2e-3) and np.linalg.norm(centre) < 0.02


def test_surfaces_are_closed_and_face_outwards(mesh):
    solid = as_solid(mesh)
    assert solid.is_watertight and solid.is_winding_consistent
    assert all(body.volume > 0 for body in solid.split())


def test_vertex_normals_agree_with_the_faces(mesh):
    cosines = np.einsum("fi,fki->fk", trimesh.unitize(face_normals(mesh)), mesh.normals[mesh.faces])
    assert np.mean(cosines > 0.5) > 0.98


def test_no_two_faces_share_texels(name):
    count, chart = covered(name)
    assert count.max() == 1
    assert (chart > 0).mean() > 0.75, "most of the texture is on the object"


def test_charts_keep_their_gutters(name):
    _, chart = covered(name)
    for number in range(1, chart.max() + 1):
        near = binary_dilation(chart == number, np.ones((3, 3)), iterations=2 * GUTTER_PX - 1)
        assert set(np.unique(chart[near])) <= {0, number}


def test_gutters_carry_the_colour_of_their_chart(name, mesh):
    texture = mesh.texture[::-1]
    for rows, columns in find_objects(covered(name)[1]):
        around = tuple(slice(side.start - GUTTER_PX, side.stop + GUTTER_PX) for side in (rows, columns))
        expected = np.pad(texture[rows, columns], [(GUTTER_PX, GUTTER_PX)] * 2 + [(0, 0)], mode="edge")
        np.testing.assert_array_equal(texture[around], expected)


def test_texture_area_follows_surface_area(mesh):
    area_m2 = np.linalg.norm(face_normals(mesh), axis=1)
    (ua, va), (ub, vb), (uc, vc) = (mesh.uv[corner].T for corner in mesh.faces.T)
    density = np.abs((ub - ua) * (vc - va) - (uc - ua) * (vb - va)) / area_m2
    order = np.argsort(density)
    share = np.cumsum(area_m2[order]) / area_m2.sum()
    low, high = density[order][np.searchsorted(share, [0.05, 0.95])]
    assert high / low < 6


def test_the_rasteriser_sees_outsides(mesh):
    """With back faces culled, the silhouette is the same as with none culled."""
    assert (silhouette(mesh, cv2.RASTERIZE_CULLING_CW) == silhouette(mesh, cv2.RASTERIZE_CULLING_NONE)).mean() > 0.999


def silhouette(mesh, culling) -> np.ndarray:
    settings = cv2.TriangleRasterizeSettings()
    settings.setCullingMode(culling)
    depth = np.full((128, 128), 10, np.float32)
    world_from_camera_gl = orbit_camera(40, 25, 10, 2.6) @ GL_FROM_CV
    vertices, faces = mesh.vertices_m.astype(np.float32).reshape(-1, 1, 3), mesh.faces.reshape(-1, 1, 3)
    cv2.triangleRasterizeDepth(vertices, faces, depth, invert(world_from_camera_gl), np.pi / 4, 0.1, 10, settings)
    assert (depth < 10).mean() > 0.1
    return depth < 10


def test_the_turtle_looks_along_x_with_its_dark_shell_up():
    turtle = built("turtle")
    rows, columns = ((1 - turtle.uv[:, 1]) * 511).astype(int), (turtle.uv[:, 0] * 511).astype(int)
    brightness = turtle.texture[rows, columns].mean(axis=1)
    inner = np.linalg.norm(turtle.vertices_m[:, :2], axis=1) < 0.4
    shell, belly = inner & (turtle.normals[:, 2] > 0.7), inner & (turtle.normals[:, 2] < -0.7)
    assert brightness[shell].mean() + 60 < brightness[belly].mean()
    ahead = turtle.vertices_m[turtle.vertices_m[:, 0].argmax()]
    assert abs(ahead[1]) < 0.05, "the snout is the foremost point"


def test_the_turtle_is_seven_bodies_and_symmetric():
    turtle = built("turtle")
    assert len(as_solid(turtle).split()) == BODIES
    mirrored = np.unique(np.round(turtle.vertices_m * [1, -1, 1], 4), axis=0)
    there = np.unique(np.round(turtle.vertices_m, 4), axis=0)
    assert np.mean([np.abs(there - point).sum(1).min() < 1e-2 for point in mirrored[::40]]) == 1


def test_the_baseball_is_a_unit_sphere():
    ball = built("baseball")
    np.testing.assert_allclose(np.linalg.norm(ball.vertices_m, axis=1), 1, atol=1e-4)
    np.testing.assert_allclose(ball.normals, ball.vertices_m, atol=0.02)
    assert as_solid(ball).volume == pytest.approx(4 / 3 * np.pi, rel=5e-3)


def test_the_sphere_map_keeps_areas():
    s, t = np.random.default_rng(0).uniform(0.02, 0.98, (2, 500))
    step = 1e-5
    along, across = sphere(s + step, t) - sphere(s - step, t), sphere(s, t + step) - sphere(s, t - step)
    areas = np.linalg.norm(np.cross(along, across), axis=1) / (2 * step) ** 2
    np.testing.assert_allclose(np.median(areas), 4 * np.pi, rtol=1e-4)
    assert np.mean(np.abs(areas / (4 * np.pi) - 1) < 1e-3) > 0.98, "all but those on a crease"


def test_the_seam_is_closed_on_the_sphere_and_one_inch_wide_at_its_waist():
    curve = seam_curve()
    np.testing.assert_allclose(np.linalg.norm(curve, axis=1), 1, atol=1e-12)
    assert np.linalg.norm(np.roll(curve, -1, axis=0) - curve, axis=1).max() < 3e-3
    top = curve[curve[:, 2] > 0.9]
    assert 2 * 1.45 * np.linalg.norm(top[:, :2], axis=1).min() == pytest.approx(1.0, rel=0.02)


def test_seam_distance_agrees_with_a_search_of_all_points():
    points = trimesh.unitize(np.random.default_rng(1).normal(size=(200, 3)))
    _, across = seam_coordinates(points)
    distance = np.linalg.norm(points[:, None] - seam_curve()[None], axis=-1).min(axis=1)
    near = distance < STITCH_TO
    assert near.sum() > 10
    np.testing.assert_allclose(np.abs(across[near]), distance[near])


def test_ambient_light_of_a_ball_follows_the_integral():
    """A lone ball is only shaded by itself, so brightness is the cosine integral over the half sky it faces."""
    ball = built("baseball")
    brightness = ambient_light(ball, from_above=0.5)
    expected = (1 / 4 + 0.5 / 6 * ball.normals[:, 2]) / (1 / 4 + 0.5 / 6)
    assert np.abs(brightness - expected).mean() < 0.03


def test_the_card_is_a_square_sheet_that_faces_azimuth_0_upright():
    card = built("card")
    np.testing.assert_allclose(np.linalg.norm(card.vertices_m, axis=1).max(), 1)
    np.testing.assert_allclose(card.vertices_m[:, 0], 0, atol=1e-12)
    np.testing.assert_allclose(card.normals, np.tile([1.0, 0, 0], (len(card.normals), 1)), atol=1e-12)
    assert (face_normals(card)[:, 0] > 0).all()
    np.testing.assert_allclose(np.linalg.norm(face_normals(card), axis=1).sum() / 2, 2)  # a square of diagonal 2
    right, up = (np.corrcoef(card.uv[:, i], card.vertices_m[:, i + 1])[0, 1] for i in (0, 1))
    assert right == pytest.approx(1) and up == pytest.approx(1)  # for a camera at azimuth 0, +y is to the right
    assert covered("card")[0].max() == 1 and (covered("card")[1] > 0).mean() > 0.9


def test_packed_rectangles_keep_their_proportions():
    extents = [np.array(e) for e in ([2.0, 1.0], [1.0, 1.0], [0.5, 0.25], [0.3, 1.4])]
    boxes = pack(extents, 256)
    ratios = np.array([[box.width / e[0], box.height / e[1]] for box, e in zip(boxes, extents, strict=True)])
    assert ratios.max() / ratios.min() < 1.05
    taken = np.zeros((256, 256), int)
    for box in boxes:
        taken[box.y : box.y + box.height, box.x : box.x + box.width] += 1
    assert taken.max() == 1 and taken.sum() == sum(box.width * box.height for box in boxes)


def test_enclosing_centre_of_a_lopsided_cloud():
    points = np.array([[-1.0, 0, 0], [1, 0, 0], [0.9, 0.1, 0], [0.8, 0.2, 0.1]])
    np.testing.assert_allclose(enclosing_centre(points), 0, atol=2e-3)


def test_mosaic_border_is_half_way_between_two_seeds():
    cell, border = mosaic(np.array([[0.0, 0.3], [0.5, 5.0], [0.9, 0.0]]), np.array([[0.0, 0.0], [1.0, 0.0]]))
    np.testing.assert_allclose(border, [0.5, 0.0, 0.4])
    assert cell[0] == 0 and cell[2] == 1


def test_smoothstep_rises_and_falls():
    x = np.array([-1.0, 0.0, 0.5, 1.0, 2.0])
    np.testing.assert_allclose(smoothstep(0, 1, x), [0, 0, 0.5, 1, 1])
    np.testing.assert_allclose(smoothstep(1, 0, x), [1, 1, 0.5, 0, 0])


def test_noise_is_smooth_bounded_and_seeded():
    points = np.random.default_rng(0).uniform(-2, 2, (1000, 3))
    values = noise(points, 0.5, seed=1)
    assert np.abs(values).max() <= 1 and values.std() > 0.2
    assert np.abs(noise(points + 1e-4, 0.5, seed=1) - values).max() < 2e-3
    assert np.abs(noise(points, 0.5, seed=2) - values).max() > 0.5
