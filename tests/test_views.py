import numpy as np
import pytest
from scipy import stats

from rig.errors import SceneError
from rig.scene import load_config
from rig.views import Dimension, dimensions_of, draw_views

CONFIG = load_config("baseball")


def values_of(policy: str, name: str, n: int = 512) -> np.ndarray:
    return np.array([view.values[name] for view in draw_views(CONFIG, n, 0, "eval", policy)])


@pytest.mark.parametrize("policy", ["random", "sobol"])
def test_directions_of_any_rotation_are_uniform_on_the_sphere(policy):
    height = np.sin(np.radians(values_of(policy, "elevation_deg")))
    azimuth = values_of(policy, "azimuth_deg")
    assert stats.kstest(height, "uniform", (-1, 2)).pvalue > 0.01
    assert stats.kstest(azimuth, "uniform", (-180, 360)).pvalue > 0.01


def test_values_stay_within_their_declared_ranges():
    views = draw_views(CONFIG, 200, 1, "eval")
    for dimension in dimensions_of(CONFIG):
        values = [view.values[dimension.name] for view in views]
        assert dimension.low <= min(values) <= max(values) <= dimension.high


def test_a_share_draws_from_the_middle_of_every_distribution_and_all_of_it_is_the_draw_itself():
    full = draw_views(CONFIG, 100, 1, "attack")
    assert draw_views(CONFIG, 100, 1, "attack", share=1.0) == full
    for dimension in dimensions_of(CONFIG):
        values = [view.values[dimension.name] for view in draw_views(CONFIG, 100, 1, "attack", share=0.3)]
        low, high = dimension.at(0.35), dimension.at(0.65)
        assert low - 1e-9 <= min(values) <= max(values) <= high + 1e-9
        wide = [view.values[dimension.name] for view in full]
        assert np.argsort(values).tolist() == np.argsort(wide).tolist() or dimension.low == dimension.high


def test_sobol_covers_more_evenly_than_random():
    discrepancies = {}
    for policy in ("random", "sobol"):
        units = np.c_[(values_of(policy, "azimuth_deg", 256) + 180) / 360, values_of(policy, "distance_m", 256) * 2 - 5]
        discrepancies[policy] = stats.qmc.discrepancy(units)
    assert discrepancies["sobol"] < 0.3 * discrepancies["random"]


@pytest.mark.parametrize("policy", ["random", "sobol"])
def test_a_longer_draw_begins_with_the_shorter_one(policy):
    assert draw_views(CONFIG, 16, 5, "eval", policy)[:8] == draw_views(CONFIG, 8, 5, "eval", policy)
    assert draw_views(CONFIG, 16, 5, "eval", policy)[8:] == draw_views(CONFIG, 8, 5, "eval", policy, start=8)


def test_views_of_different_splits_share_no_pose():
    poses = [
        tuple(view.values[name] for name in ("azimuth_deg", "elevation_deg", "roll_deg"))
        for split in ("attack", "validation", "eval")
        for view in draw_views(CONFIG, 300, 0, split)
    ]
    assert len(set(poses)) == 900


def test_a_fixed_number_stays_fixed():
    assert Dimension("fov_deg", 45, 45).at(0.7) == 45


def test_an_unknown_policy_is_named():
    with pytest.raises(SceneError, match="unknown view policy; got spiral; expected random or sobol"):
        draw_views(CONFIG, 1, 0, "eval", "spiral")
