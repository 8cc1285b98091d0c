"""The parts of a viewpoint search against closed forms: spaces, searches, neighbourhoods, regions."""

import math

import numpy as np
import pytest
from scipy.stats import kstest

from rig.attack.goal import Goal
from rig.attack.pose_region import carried_roll_deg, distinct, draw_within, linked
from rig.attack.pose_search import SEARCHES, margins
from rig.attack.pose_space import PoseSpace, pose_space
from rig.contracts import View
from rig.errors import RigError
from rig.geometry import direction
from rig.metrics.pose import half_width
from rig.scene import load_config
from rig.sweep.neighbours import turned
from rig.views import Dimension

HERE = {"azimuth_deg": 170.0, "elevation_deg": 40.0, "roll_deg": 25.0, "distance_m": 2.7}


def space_of(*settings, over=()):
    return pose_space(load_config("turtle", settings), over)


def box(**ranges) -> PoseSpace:
    dimensions = tuple(Dimension(name, *pair) for name, pair in ranges.items())
    return PoseSpace(dimensions, tuple(ranges))


def test_pose_and_light_are_searched_as_far_as_they_vary():
    pose = ("azimuth_deg", "elevation_deg", "roll_deg", "distance_m", "offset_x_frac", "offset_y_frac")
    assert space_of().over == pose
    assert space_of("light.directional=[0.2,0.8]").over == (*pose, "light_directional")
    assert set(space_of(over=["all"]).over) == {*pose, "background_red", "background_green", "background_blue"}
    assert space_of(over=["roll_deg"]).over == ("roll_deg",)


@pytest.mark.parametrize(
    ("settings", "over", "said"),
    [
        ((), ["azimut_deg"], 'unknown dimension; got azimut_deg; did you mean "azimuth_deg"?'),
        ((), ["fov_deg"], "scene turtle fixes this dimension; got fov_deg"),
        (("views.rotation=any", "views.distance_m=3", "views.offset_frac=0", "views.azimuth_deg=0",
          "views.elevation_deg=0", "views.roll_deg=0"), [], "neither pose nor light varies"),
    ],
)  # fmt: skip
def test_a_dimension_that_cannot_be_searched_is_one_line(settings, over, said):
    with pytest.raises(RigError, match="^--over: ") as error:
        space_of(*settings, over=over)
    assert said in str(error.value) and "\n" not in str(error.value)


def test_turns_go_on_and_ends_are_mirrored():
    space = box(azimuth_deg=(-180, 180), distance_m=(2, 3))
    assert np.allclose(space.folded(np.array([[1.25, 1.25], [-0.25, -0.25]])), [[0.25, 0.75], [0.75, 0.25]])
    assert np.allclose(space.step(np.array([0.95, 0.95]), np.array([0.05, 0.05])), [0.1, -0.9])
    assert not box(azimuth_deg=(-90, 90)).wraps[0]


@pytest.mark.parametrize("name", ["cmaes", "bayes"])
def test_a_search_comes_nearer_to_a_known_optimum_than_random_draws(name):
    if name == "bayes":
        pytest.importorskip("bayes_opt")
    optimum, n, seeds = np.array([0.3, 0.62]), 120 if name == "cmaes" else 16, range(3 if name == "cmaes" else 1)

    def best(search):
        least, asked = np.inf, 0
        while asked < n:
            rows = search.ask()[: n - asked]
            found = ((rows - optimum) ** 2).sum(axis=1)
            if asked + len(rows) < n:
                search.tell(rows, found)
            least, asked = min(least, found.min()), asked + len(rows)
        return math.sqrt(least)

    found = [best(SEARCHES[name](2, seed)) for seed in seeds]
    assert np.median(found) < np.median([best(SEARCHES["random"](2, seed)) for seed in seeds]) / 3


@pytest.mark.parametrize("name", ["random", "cmaes"])
def test_a_search_depends_on_its_seed_alone(name):
    np.random.seed(1)  # noqa: NPY002 - the global generator that cma would seed
    state = np.random.get_state()[1].copy()  # noqa: NPY002
    first, again, other = (SEARCHES[name](3, seed) for seed in (5, 5, 6))
    for _ in range(4):
        rows, same = first.ask(), again.ask()
        assert np.array_equal(rows, same) and not np.array_equal(rows, other.ask())
        for search in (first, again, other):
            search.tell(rows, rows[:, 0])
    assert np.array_equal(state, np.random.get_state()[1])  # noqa: NPY002


def test_margins_are_negative_exactly_where_the_goal_is_reached():
    logits = np.random.default_rng(0).normal(size=(200, 6)).astype(np.float32)
    for goal in (Goal((1, 2), None), Goal((1, 2), 4)):
        assert np.array_equal(margins(goal, logits) < 0, goal.reached(logits))
    assert margins(Goal((0, 1), None), np.array([[1.0, 3.0, 2.5]]))[0] == pytest.approx(0.5)
    assert margins(Goal((0, 1), 2), np.array([[1.0, 3.0, 2.5]]))[0] == pytest.approx(0.5)


def test_distinct_failures_are_the_deepest_and_lie_apart():
    space = box(azimuth_deg=(-180, 180), distance_m=(2, 3))
    rows = np.array([[0.98, 0.5], [0.02, 0.5], [0.5, 0.5], [0.5, 0.95]])
    assert distinct(space, rows, np.array([-1.0, -2.0, -0.5, -3.0])) == [3, 1, 2]  # 0 is 1 across the seam


def test_neighbours_are_uniform_over_the_cap_and_keep_everything_else():
    view, radius_deg = View("", "search", {**HERE, "noise_std": 0.02}, 0), 30.0
    space = box(azimuth_deg=(-180, 180), elevation_deg=(-90, 90), roll_deg=(-180, 180))
    drawn = draw_within(space, view, radius_deg, 400, 0)
    cosines = [direction(one["azimuth_deg"], one["elevation_deg"]) @ direction(170, 40) for one in drawn]
    low = math.cos(math.radians(radius_deg))
    assert min(cosines) >= low - 1e-9
    assert kstest((np.array(cosines) - low) / (1 - low), "uniform").pvalue > 0.01  # Archimedes
    assert {(one["distance_m"], one["noise_std"]) for one in drawn} == {(2.7, 0.02)}
    assert all(-180 <= one["azimuth_deg"] < 180 for one in drawn)


def test_neighbours_stay_in_the_declared_distribution():
    view = View("", "search", HERE, 0)
    space = box(azimuth_deg=(160, 175), elevation_deg=(40, 40), roll_deg=(25, 25))
    drawn = draw_within(space, view, 20.0, 100, 0)
    azimuths = [one["azimuth_deg"] for one in drawn]
    assert min(azimuths) >= 160 and max(azimuths) <= 175 and np.ptp(azimuths) > 10
    assert np.ptp([one["roll_deg"] for one in drawn]) == 0
    assert np.allclose([one["elevation_deg"] for one in drawn], 40, atol=1e-9)


def test_a_carried_roll_is_that_of_the_shortest_turn():
    for bearing_deg in (0, 77, 200):
        azimuth_deg, elevation_deg, roll_deg = turned(170.0, 40.0, 25.0, 35.0, bearing_deg)
        carried = carried_roll_deg(View("", "", HERE, 0), azimuth_deg, elevation_deg)
        assert (carried - roll_deg + 180) % 360 - 180 == pytest.approx(0, abs=1e-9)


def test_failures_are_one_region_where_a_straight_way_between_them_fails():
    space = box(azimuth_deg=(-180, 180), distance_m=(2, 3), fov_deg=(40, 50))
    rows = np.random.default_rng(0).random((300, 3))

    def fails(i, row):
        seam = abs(row[0] - 0.5) > 0.35 and row[1] < 0.5  # one box across the seam of the turn
        return bool(seam or (abs(row[0] - 0.5) < 0.15 and row[1] > 0.6))  # and one far from it

    failing = rows[[fails(0, row) for row in rows]]
    region = linked(space, failing, fails)
    assert len(set(region)) == 2
    assert len(set(region[failing[:, 1] < 0.5])) == 1


def test_the_half_width_of_a_cap_is_its_closed_form():
    """Failing within a cap of 20 degrees about the failure itself: half of a disc of radius r with cos r = 2 cos 20 - 1."""
    cap_deg, n = 20.0, 4000
    exact_deg = math.degrees(math.acos(2 * math.cos(math.radians(cap_deg)) - 1))
    generator, radii = np.random.default_rng(0), (10.0, 20.0, 24.0, 28.0, 32.0, 36.0)
    shares = [min(1.0, (1 - math.cos(math.radians(cap_deg))) / (1 - math.cos(math.radians(r)))) for r in radii]
    rows = [
        {"radius_deg": r, "k": int(generator.binomial(n, share)), "n": n}
        for r, share in zip(radii, shares, strict=True)
    ]
    found = half_width(rows, 0)
    assert found["deg"] == pytest.approx(exact_deg, abs=0.5) and found["low"] < found["high"] < found["low"] + 2


def test_the_half_width_s_interval_holds_the_truth_as_often_as_it_says():
    shares, radii, truth, held = (1.0, 0.9, 0.6, 0.4, 0.1), (2.0, 4.0, 8.0, 16.0, 32.0), 12.0, 0
    generator = np.random.default_rng(1)
    for _ in range(60):
        rows = [
            {"radius_deg": r, "k": int(generator.binomial(24, s)), "n": 24} for r, s in zip(radii, shares, strict=True)
        ]
        found = half_width(rows, 0)
        held += found["low"] <= truth <= (np.inf if found["high"] is None else found["high"])
    assert held >= 54  # 95 % of 60 is 57; 2.5 standard errors are 4


def test_a_failure_that_never_ends_has_no_half_width():
    found = half_width([{"radius_deg": r, "k": 24, "n": 24} for r in (2.0, 64.0)], 0)
    assert found["deg"] is None and found["high"] is None
