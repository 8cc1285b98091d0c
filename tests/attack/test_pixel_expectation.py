"""EOT pixels on planted networks whose best answer is known by trying every place."""

import numpy as np
import pytest

from rig.attack.goal import Goal
from rig.attack.pixel.fitness import margin
from rig.attack.pixel.search import search_all
from rig.attack.pixel.settings import search_settings
from rig.attack.pixel.space import CORNERS, set_pixels
from rig.attack.pixel.task import Task
from rig.attack.pixel_expectation import CLAMP, Looks, affordable, search_expected
from rig.errors import RigError

SIDE_PX, REACH_PX = 16, 6
IMAGE = np.full((SIDE_PX, SIDE_PX, 3), 60, np.uint8)
TASK = Task("flat", IMAGE, Goal((0,), None), 1)


class LeftIsSafe:
    """Class 1 for a bright pixel left of column 10, the more so the further right: strongest where a shift ends it."""

    def __init__(self):
        self.asked = 0

    def predict(self, images):
        self.asked += len(images)
        bright = (images.min(axis=3) > 200).any(axis=1)  # (N, W)
        strength = np.where(np.arange(SIDE_PX) < 10, 2 + np.arange(SIDE_PX), 0)
        return np.stack([np.ones(len(images)), (bright * strength).max(axis=1)], axis=1).astype(np.float32)


def shifted_looks():
    """The frame moved right by 0 .. REACH_PX pixels, candidate and all."""

    def frames(pixels, which):
        image = set_pixels(IMAGE, pixels[None])[0]
        return np.stack([np.roll(image, shift, axis=1) for shift in range(REACH_PX + 1)[which]])

    return Looks(REACH_PX + 1, frames)


def settings(max_queries=4000, **more):
    return search_settings("rig", {"max_queries": max_queries} | more)


def columns_that_hold():
    """By hand: a pixel must stay left of column 10 when moved by as much as REACH_PX."""
    return set(range(10 - REACH_PX))


def test_pixels_are_found_that_hold_on_every_frame_where_the_single_frame_search_finds_others():
    model = LeftIsSafe()
    found = search_expected(TASK, shifted_looks(), model, settings(), seed=0)
    (row, column, *color) = found.change.pixels[0]
    assert column in columns_that_hold() and min(color) > 200
    assert found.held_frac == 1 and found.loss == pytest.approx(-CLAMP)
    assert found.queries == model.asked <= 4000
    assert [loss for _, loss in found.history] == sorted((loss for _, loss in found.history), reverse=True)
    (single,) = search_all([TASK], LeftIsSafe(), settings(stop="confident"), seed=0)
    assert single.reached and single.change.pixels[0, 1] == 9, (
        "the strongest place of one frame is the first to be lost"
    )


def expected_loss(pixels):
    """A second road: frame by frame, in plain Python."""
    logits = [LeftIsSafe().predict(frame[None])[0] for frame in shifted_looks().frames(pixels, slice(0, 7))]
    losses = [max(margin(TASK.goal, one[None])[0], -CLAMP) for one in logits]
    return float(np.mean(losses)), float(np.mean([one[1] > one[0] for one in logits]))


def test_what_is_found_is_the_mean_over_frames_and_no_place_and_corner_is_better():
    places = np.stack(np.indices((1, SIDE_PX)), axis=-1).reshape(-1, 1, 2)  # the network tells no rows apart
    every = np.concatenate([np.broadcast_to(places, (16, 8, 2)), np.broadcast_to(CORNERS, (16, 8, 3))], axis=2)
    least = min(expected_loss(pixels[None])[0] for pixels in every.reshape(-1, 5))
    for budget in (200, 3000):
        found = search_expected(TASK, shifted_looks(), LeftIsSafe(), settings(budget), seed=1)
        assert (found.loss, found.held_frac) == pytest.approx(expected_loss(found.change.pixels))
    assert found.loss == pytest.approx(least) == -CLAMP


def test_every_frame_is_a_query_and_the_budget_is_never_passed():
    for budget in (7, 8, 100, 701):
        model = LeftIsSafe()
        found = search_expected(TASK, shifted_looks(), model, settings(budget), seed=0)
        assert found.queries == model.asked <= budget and found.queries > budget - 3 * 7


def test_as_many_candidates_as_the_queries_pay_for():
    for queries in (0, 3, 7, 8, 50, 51, 999):
        cost = [n + -(-n // 4) * 6 for n in range(queries + 2)]
        assert affordable(queries, 7) == max(n for n, price in enumerate(cost) if price <= queries)


def test_a_result_depends_on_its_seed_only():
    again = [search_expected(TASK, shifted_looks(), LeftIsSafe(), settings(700), seed) for seed in (3, 3, 4)]
    pixels = [found.change.pixels.tolist() for found in again]
    assert again[0].history == again[1].history and pixels[0] == pixels[1] != pixels[2]


def test_what_cannot_be_done_is_refused():
    for given, message in ((settings(3), "budget"), (search_settings("su2019", {}), "budget")):
        with pytest.raises(RigError, match=message):
            search_expected(TASK, shifted_looks(), LeftIsSafe(), given, 0)
    with pytest.raises(RigError, match="scores only"):
        search_expected(TASK, shifted_looks(), LeftIsSafe(), search_settings("white-box", {}), 0)
