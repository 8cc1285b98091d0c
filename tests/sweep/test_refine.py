import sys
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from rig.campaign.refine import neighbours
from rig.metrics.persistence import Cells
from rig.scene import load_config
from rig.sweep.refine import allocate, equally, next_size, round_ids, spread, whole
from rig.views import draw_views, place_of, placed_ids, placed_views

sys.path.insert(0, str(Path(__file__).parents[2] / "tools" / "bench"))
from refine import BANDS, COLUMNS, simulate  # noqa: E402

CONFIG = load_config("baseball")


def placed(cells, bands=3, columns=8, start=0):
    return placed_views(CONFIG, bands, columns, placed_ids("eval", 1, cells, start), seed=5)


def test_a_placed_view_lies_in_the_cell_that_its_id_names():
    views, grid = placed(list(range(24)) * 3), Cells(3, 8)
    azimuths, elevations = (
        np.array([view.values[f"{name}_deg"] for view in views]) for name in ("azimuth", "elevation")
    )
    bands, columns = grid.index(azimuths, elevations)
    assert [place_of(view.id) for view in views] == [(1, b * 8 + c) for b, c in zip(bands, columns, strict=True)]


def test_cells_in_equal_numbers_give_the_declared_distribution():
    views = placed(list(range(24)) * 20)
    assert (
        stats.kstest(np.sin(np.radians([view.values["elevation_deg"] for view in views])), "uniform", (-1, 2)).pvalue
        > 0.01
    )
    assert stats.kstest([view.values["azimuth_deg"] for view in views], "uniform", (-180, 360)).pvalue > 0.01


def test_a_placed_view_is_the_random_one_of_its_number_but_for_its_direction():
    (view,), plain = placed([7], start=3), draw_views(CONFIG, 1, 5, "eval", start=3)[0]
    assert view.seed == plain.seed
    moved = {name for name in view.values if view.values[name] != plain.values[name]}
    assert moved <= {"azimuth_deg", "elevation_deg"}
    assert placed([0, 7], start=2)[1] == view  # whatever else is drawn


def test_ids_of_a_round_name_its_cells_and_go_on_in_number():
    rounds = [[2, 1, 1], [1, 3, 1]]
    assert round_ids("eval", rounds, 0)[-1] == "eval-r00-c0002-000003"
    assert [place_of(one) for one in round_ids("eval", rounds, 1)] == [(1, 0), (1, 1), (1, 1), (1, 1), (1, 2)]
    assert round_ids("eval", rounds, 1)[0].endswith("-000004")


def test_plain_views_have_no_place():
    assert place_of("eval-000012") is None


def test_whole_numbers_keep_the_sum():
    assert whole(np.array([1.5, 1.5, 2.0])).tolist() == [2, 1, 2]
    assert equally(7, 30).sum() == 30 and set(equally(7, 30)) == {4, 5}


def test_views_go_where_outcomes_vary_and_every_cell_has_one():
    found = allocate(np.array([0.25, 0.25, 0.0025, 0.0]), 46)
    assert found.sum() == 46 and found.min() == 1
    assert found[0] == found[1] == pytest.approx(10 * (found[2] - 1) + 1, abs=6)


def test_the_border_between_two_answers_is_less_certain_than_what_lies_behind_it():
    near = [[1], [0, 2], [1, 3], [2, 4], [3, 5], [4]]
    found = spread(np.array([8, 8, 8, 0, 0, 0]), np.full(6, 8), near)
    assert found[2] == pytest.approx(found[3]) and found[2] > 1.3 * found[0] > 0


def test_rounds_end_at_the_precision_or_with_the_budget():
    assert next_size(200, 0.029, 0.03, 1000, 24) == 0
    assert next_size(990, 0.05, 0.03, 1000, 24) == 0  # ten views left are no round of 24 cells
    assert next_size(200, 0.05, 0.03, 1000, 24) == 100  # at most half of what was spent
    assert next_size(200, 0.031, 0.03, 1000, 24) == 24
    assert next_size(200, 0.05, 0.03, 310, 24) == 110  # the rest joins the last


def test_rates_are_unbiased_where_added_counts_are_not():
    """24 cells of one rate: two thirds of 8 views on average miss a rare answer, and such cells are looked at less."""
    rates = np.full(BANDS * COLUMNS, 0.1)
    found = simulate(
        np.random.default_rng(1),
        rates,
        neighbours(Cells(BANDS, COLUMNS)),
        views=200,
        half_width=0.0,
        most=600,
        runs=400,
    )
    error = found["rate"].std() / np.sqrt(200)
    assert abs(found["rate"].mean() - 0.1) < 3 * error
    assert found["added"].mean() - 0.1 < -3 * error
    held = (found["low"] <= 0.1) & (found["high"] >= 0.1)
    assert 0.89 <= held.mean() <= 0.99
