"""Flat islands against surfaces whose flat shape, or whose distortion, is known in closed form."""

import dataclasses

import numpy as np
import pytest

from rig.contracts import Mesh
from rig.printing.islands import Island, islands_of
from rig.printing.pages import AROUND_MM, largest_scale, lay_out, room_mm
from rig.scene import load_scene


def patch(surface, n: int = 24, uv_of=None) -> Mesh:
    """surface(s, t) over the unit square as n x n quads; uv is (s, t), or what `uv_of` makes of it."""
    s, t = np.meshgrid(np.linspace(0, 1, n + 1), np.linspace(0, 1, n + 1))
    corner = (np.arange(n)[:, None] * (n + 1) + np.arange(n)).ravel()
    quads = np.stack([corner, corner + 1, corner + n + 2, corner + n + 1], axis=1)
    uv = np.stack([s, t], axis=-1).reshape(-1, 2)
    return Mesh(
        surface(s, t).reshape(-1, 3),
        np.concatenate([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]]).astype(np.int32),
        uv if uv_of is None else uv_of(uv),
        np.zeros((len(uv), 3)),
        np.zeros((1, 1, 3), np.uint8),
    )


def half_cylinder(s, t):
    """Radius 20 mm, 70 mm high, seen from outside with s to the right."""
    angle = np.pi * s
    return np.stack([0.02 * np.sin(angle), -0.02 * np.cos(angle), 0.07 * t], axis=-1)


def band(s, t, lowest=-0.6, highest=0.6):
    """Of a sphere of radius 50 mm: longitude over 1 rad, latitude between two angles."""
    latitude = lowest + (highest - lowest) * t
    ring = np.stack([np.cos(latitude) * np.cos(s), np.cos(latitude) * np.sin(s), np.sin(latitude)], axis=-1)
    return 0.05 * ring


def lengths(corners: np.ndarray) -> np.ndarray:
    """(F, 3) of triangles (F, 3, ...)."""
    return np.linalg.norm(corners - np.roll(corners, -1, axis=1), axis=-1)


def only(mesh: Mesh) -> Island:
    (island,) = islands_of(mesh, 1000.0)
    return island


@pytest.mark.parametrize("sheared", [np.eye(2), np.array([[0.3, 0.1], [-0.2, 0.8]])], ids=["square", "sheared"])
def test_a_surface_that_can_be_unrolled_is_printed_at_true_scale_whatever_its_uv(sheared):
    mesh = patch(half_cylinder, uv_of=lambda uv: uv @ sheared.T)
    island = only(mesh)
    np.testing.assert_allclose(lengths(island.corners_mm), 1000 * lengths(mesh.vertices_m[mesh.faces]), rtol=1e-9)
    np.testing.assert_allclose([*island.scale.most, *island.scale.worst], 1, atol=1e-9)
    assert island.surface_mm2 == pytest.approx(np.pi * 20 * 70, rel=0.002)


def test_every_edge_is_as_long_as_on_the_object_within_the_stated_error():
    mesh = patch(band)
    island = only(mesh)
    ratio = lengths(island.corners_mm) / (1000 * lengths(mesh.vertices_m[mesh.faces]))
    low, high = island.scale.worst
    assert low - 1e-9 <= ratio.min() <= ratio.max() <= high + 1e-9
    assert ratio.max() > 1 + 0.9 * (high - 1)  # the bound is reached


def test_the_scale_error_of_a_spheres_band_is_the_closed_form():
    """Along a parallel at latitude b, true length is R cos b; printed, the same for all: mean, equal in area."""
    island = only(patch(band, n=60))
    latitude = np.linspace(-0.6, 0.6, 20001)
    weights = np.cos(latitude) / np.cos(latitude).sum()
    across = np.sqrt((weights * np.cos(latitude) ** 2).sum())  # printed width of a radian, before areas are made equal
    equal = np.sqrt(np.cos(latitude).mean() / across)
    expected = across * equal / np.cos(0.6)
    assert island.scale.worst[1] == pytest.approx(expected, rel=0.01)
    assert island.scale.worst[0] == pytest.approx(min(across * equal, equal), rel=0.01)
    assert island.scale.most[1] < island.scale.worst[1]


def test_an_island_looks_as_its_surface_does_from_outside():
    for mirrored in (False, True):
        mesh = patch(half_cylinder, uv_of=lambda uv, m=mirrored: uv * [-1, 1] + [1, 0] if m else uv)
        a, b, c = np.moveaxis(only(mesh).corners_mm, 1, 0)
        first, second = b - a, c - a
        assert (
            first[:, 0] * second[:, 1] > first[:, 1] * second[:, 0]
        ).all()  # faces are counter-clockwise from outside


@pytest.mark.parametrize("turns", [0, 1, 2, 3])
def test_uv_and_millimetres_stay_together_when_an_island_is_turned(turns):
    mesh = patch(half_cylinder, uv_of=lambda uv: uv @ np.array([[0.3, 0.1], [-0.2, 0.8]]).T)
    island = only(mesh)
    for _ in range(turns):
        island = island.turned()
    ones = np.ones((*island.corners_mm.shape[:2], 1))
    uv = np.concatenate([island.corners_mm, ones], axis=-1) @ island.uv_from_mm.T
    np.testing.assert_allclose(uv, mesh.uv[mesh.faces[island.faces]], atol=1e-9)
    assert island.corners_mm.min() == pytest.approx(0, abs=1e-9)


def test_the_outline_is_the_border_and_nothing_else():
    mesh = patch(half_cylinder)
    outline = only(mesh).outline_mm(mesh)
    assert np.linalg.norm(outline[:, 0] - outline[:, 1], axis=1).sum() == pytest.approx(
        2 * (np.pi * 20 + 70), rel=0.002
    )


def test_parts_that_touch_in_uv_only_are_islands_of_their_own():
    mesh = patch(half_cylinder, n=2)
    apart = mesh.faces.copy()
    apart[4:] += len(mesh.vertices_m)  # the second triangle of each quad gets vertices elsewhere, at the same uv
    far = dataclasses.replace(
        mesh,
        vertices_m=np.r_[mesh.vertices_m, mesh.vertices_m + 1],
        uv=np.r_[mesh.uv, mesh.uv],
        faces=apart,
    )
    assert len(islands_of(mesh, 1000.0)) == 1
    assert len(islands_of(far, 1000.0)) > 1


def test_faces_without_area_are_left_out():
    mesh = patch(half_cylinder, n=4)
    flat = dataclasses.replace(mesh, faces=np.r_[mesh.faces, [[0, 0, 1], [2, 3, 2]]].astype(np.int32))
    assert len(only(flat).faces) == len(mesh.faces)


@pytest.fixture(scope="module")
def turtle() -> Mesh:
    return load_scene("turtle").mesh


@pytest.mark.parametrize("paper", ["a4", "a3", "letter"])
def test_islands_lie_within_the_page_and_apart(turtle, paper):
    fitting = largest_scale(islands_of(turtle, 1000.0), paper)
    pages = lay_out(islands_of(turtle, 1000.0 * fitting * 0.999), paper)
    assert sum(len(page.islands) for page in pages) == 14
    assert sorted(one.number for page in pages for one in page.islands) == list(range(1, 15))
    for page in pages:
        boxes = np.array([(p.left_mm, p.top_mm, *p.island.size_mm) for p in page.islands])
        near, far = boxes[:, :2] - AROUND_MM, boxes[:, :2] + boxes[:, 2:] + AROUND_MM
        assert near.min() >= 4 - 1e-6
        assert (far <= np.array(page.paper_mm) - 4 + 1e-6).all()
        for i in range(len(boxes)):
            for j in range(i):
                assert (near[i] >= far[j] - 1e-6).any() or (near[j] >= far[i] - 1e-6).any()
    assert min(room_mm(paper)) > 150
