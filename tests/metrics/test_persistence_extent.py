"""Half-widths in degrees and quantiles over items, each against a second road."""

import math

import numpy as np
import polars as pl
import pytest
from scipy.integrate import quad

from rig.metrics.persistence import Cells, cap_half_width_deg, held_by, persistence


@pytest.mark.parametrize("half_width_deg", [0.5, 10.0, 60.0, 90.0, 135.0, 180.0])
def test_a_cap_of_that_half_width_has_that_area(half_width_deg):
    """Rings of the cap integrated numerically."""
    area, _ = quad(lambda polar: 2 * math.pi * math.sin(polar), 0, math.radians(half_width_deg))
    assert cap_half_width_deg(area / (4 * math.pi)) == pytest.approx(half_width_deg, abs=1e-6)


def test_no_area_is_no_width_and_rounding_does_not_leave_the_sphere():
    assert cap_half_width_deg(0.0) == 0 and cap_half_width_deg(1 + 1e-12) == 180


@pytest.mark.parametrize("cells", [Cells(8, 16), Cells(6, 12, (-90.0, 90.0), (0.0, 90.0))])
def test_a_fooled_cap_comes_out_as_wide_as_it_is(cells):
    """Views fooled within 40 degrees of the pole; cells are whole, so the width is right to about half a cell."""
    rng = np.random.default_rng(0)
    azimuth = rng.uniform(*cells.azimuth_deg, 20_000)
    elevation = np.degrees(np.arcsin(rng.uniform(*np.sin(np.radians(cells.elevation_deg)), 20_000)))
    result = np.where(elevation > 50, "fooled", "correct")
    found = persistence(pl.DataFrame({"azimuth_deg": azimuth, "elevation_deg": elevation, "result": result}), cells)
    whole_cap = cells.azimuth_deg[1] - cells.azimuth_deg[0] >= 360
    expected = 40 if whole_cap else math.degrees(math.acos(1 - (1 - math.cos(math.radians(40))) / 2))
    assert found["contiguous_half_width_deg"] == pytest.approx(expected, abs=6)


@pytest.mark.parametrize("share", [0.5, 0.9, 1.0])
def test_so_many_fooled_items_reach_the_rate_and_no_higher_rate_has_as_many(share):
    rng = np.random.default_rng(1)
    for n in (1, 2, 3, 9, 10, 11, 30):
        rates = [0.0, 0.0, *np.round(rng.uniform(0.01, 1, n), 2).tolist()]
        held, fooled = held_by(rates, share), [rate for rate in rates if rate > 0]
        assert sum(rate >= held for rate in fooled) >= share * n
        assert sum(rate > held for rate in fooled) < share * n


def test_items_that_are_never_fooled_have_no_persistence():
    assert held_by([0.0, 0.0], 0.9) is None and held_by([], 0.9) is None
