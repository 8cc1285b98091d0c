import functools
import itertools
import math
from collections import Counter

import networkx
import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rig.metrics.persistence import VIEWS_PER_CELL, Cells, choose_cells, largest_region, persistence, tail_mean


def sphere_points(n: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Azimuth and elevation of normalised Gaussians: uniform on the sphere without using sin(elevation)."""
    x, y, z = np.random.default_rng(seed).normal(size=(3, n))
    return np.degrees(np.arctan2(y, x)), np.degrees(np.arctan2(z, np.hypot(x, y)))


@pytest.mark.parametrize("cells", [Cells(3, 8), Cells(5, 11, (-90.0, 90.0), (0.0, 90.0))])
def test_cells_have_equal_area(cells):
    azimuth, elevation = sphere_points(200_000)
    inside = (azimuth >= cells.azimuth_deg[0]) & (azimuth <= cells.azimuth_deg[1])
    inside &= (elevation >= cells.elevation_deg[0]) & (elevation <= cells.elevation_deg[1])
    counts = Counter(zip(*(part.tolist() for part in cells.index(azimuth[inside], elevation[inside])), strict=True))
    expected = inside.sum() / (cells.bands * cells.columns)
    assert len(counts) == cells.bands * cells.columns
    assert max(abs(count - expected) for count in counts.values()) < 5 * math.sqrt(expected)
    assert cells.sphere_frac == pytest.approx(inside.mean(), abs=0.005)


def test_a_view_lies_within_the_bounds_of_its_cell():
    cells = Cells(4, 9)
    azimuth, elevation = sphere_points(500)
    for a, e, band, column in zip(azimuth, elevation, *cells.index(azimuth, elevation), strict=True):
        bounds = cells.bounds(band, column)
        assert bounds["azimuth_deg"][0] <= a <= bounds["azimuth_deg"][1]
        assert bounds["elevation_deg"][0] - 1e-9 <= e <= bounds["elevation_deg"][1] + 1e-9
        assert cells.index(*map(np.array, cells.centre(band, column))) == (band, column)


@pytest.mark.parametrize("n_views", [1, 30, 200, 1000, 2500])
def test_about_eight_views_a_cell(n_views):
    cells = choose_cells(n_views)
    assert cells.bands * cells.columns == pytest.approx(max(1, n_views / VIEWS_PER_CELL), rel=0.1)
    assert choose_cells(200) == Cells(3, 8)


@pytest.mark.parametrize("n_views", [3000, 10**6])
def test_more_views_than_for_cells_of_11_degrees_make_no_more_cells(n_views):
    cells = choose_cells(n_views)
    area = 4 * np.pi * cells.sphere_frac / (cells.bands * cells.columns)
    assert np.degrees(np.sqrt(area)) == pytest.approx(11.3, abs=0.5)


@functools.cache
def neighbours_by_contact(cells: Cells) -> networkx.Graph:
    """Cells that touch along a line, found by stepping over the sphere's surface in small steps."""
    graph = networkx.Graph()
    graph.add_nodes_from((band, column) for band in range(cells.bands) for column in range(cells.columns))
    for elevation in np.linspace(-89.99, 89.99, 181):
        azimuth = np.linspace(-180, 180, 721)[:-1] + 0.01
        ring = list(zip(*(part.tolist() for part in cells.index(azimuth, np.full(720, elevation))), strict=True))
        graph.add_edges_from(zip(ring, ring[1:] + ring[:1], strict=True))
    for azimuth in np.linspace(-180, 180, 73)[:-1] + 0.01:
        elevation = np.linspace(-89.99, 89.99, 721)
        meridian = list(zip(*(part.tolist() for part in cells.index(np.full(721, azimuth), elevation)), strict=True))
        graph.add_edges_from(itertools.pairwise(meridian))
    for pole in (0, cells.bands - 1):
        graph.add_edges_from(((pole, 0), (pole, column)) for column in range(cells.columns))
        graph.add_edges_from(((pole, a), (pole, b)) for a in range(cells.columns) for b in range(a))
    graph.remove_edges_from(networkx.selfloop_edges(graph))
    return graph


@settings(max_examples=60, deadline=None)
@given(st.sets(st.tuples(st.integers(0, 3), st.integers(0, 6))))
def test_largest_region_agrees_with_a_graph_built_from_contacts(held):
    components = networkx.connected_components(neighbours_by_contact(Cells(4, 7)).subgraph(held))
    assert largest_region(Cells(4, 7), held) == max(map(len, components), default=0)


def test_azimuth_wraps_and_poles_connect():
    whole, part = Cells(3, 8), Cells(3, 8, (-90.0, 90.0), (-45.0, 45.0))
    assert largest_region(whole, {(1, 0), (1, 7)}) == 2
    assert largest_region(part, {(1, 0), (1, 7)}) == 1
    assert largest_region(whole, {(2, 0), (2, 4)}) == 2
    assert largest_region(part, {(2, 0), (2, 4)}) == 1
    assert largest_region(whole, {(0, 0), (1, 1)}) == 1  # a corner is no contact


@pytest.mark.parametrize(
    ("values", "share", "expected"),
    [
        ([0.5, 0.1, 0.9, 0.3], 0.25, 0.1),
        ([0.5, 0.1, 0.9, 0.3], 0.5, 0.2),
        ([0.0, 1.0], 0.75, 1 / 3),
        ([0.4], 0.1, 0.4),
    ],
)
def test_tail_mean_by_hand(values, share, expected):
    assert tail_mean(values, share) == pytest.approx(expected)


def test_a_fooled_hemisphere_is_half_of_the_sphere():
    azimuth, elevation = sphere_points(4000)
    result = np.where(elevation > 0, "fooled", "correct")
    group = pl.DataFrame({"azimuth_deg": azimuth, "elevation_deg": elevation, "result": result})
    found = persistence(group, Cells(4, 12))
    assert found["contiguous_frac"] == found["held_frac"] == 0.5
    assert (found["least_fooled"]["rate"], found["most_fooled"]["rate"]) == (0, 1)
    assert (found["cvar_least_fooled"], found["cvar_most_fooled"]) == (0, 1)
    assert sum(cell["n"] for cell in found["cells"]) == 4000


def test_empty_cells_and_views_without_pose():
    group = pl.DataFrame(
        {"azimuth_deg": [10.0, None], "elevation_deg": [10.0, None], "result": ["fooled", "fooled"]},
    )
    found = persistence(group, Cells(2, 2))
    assert (found["n_cells"], found["n_cells_empty"], found["contiguous_frac"]) == (4, 3, 0.25)
    assert persistence(group[1:], Cells(2, 2)) is None
