"""Figures of a session's pixel attack from rows written by hand, where every share is known."""

import numpy as np
import polars as pl
import pytest

from rig.metrics.dwell import spell_about, spells
from rig.metrics.intervals import wilson
from rig.metrics.pixel_session import elsewhere, median, over_angle, over_time, spells_about, time_step

STEP_S, STEP_DEG = 2.0, 10.0
BASE = {"attack": "a", "reading": "sensor-fixed", "dot_px": None, "n_pixels": 1, "condition": "carried"}


def row(item, number, home, fooled, clean_correct=True, **more):
    angle_deg, offset_s = STEP_DEG * abs(number - home), STEP_S * (number - home)
    where = {"item": f"p-{item}", "view": f"p-{item}" if number == home else f"p-{item} at {number}", "number": number}
    said = {"fooled": fooled, "correct": not fooled, "clean_correct": clean_correct, "seen_px": 1}
    return BASE | where | {"angle_deg": angle_deg, "offset_s": offset_s, "value": offset_s} | said | more


def falling(n_items=4, n_frames=9):
    """Item i is found on the middle frame and fools up to i frames to either side."""
    home = n_frames // 2
    return pl.DataFrame(
        [row(i, number, home, abs(number - home) <= i) for i in range(n_items) for number in range(n_frames)]
    )


def test_angles_are_put_together_and_the_frame_itself_stands_alone():
    (curve,) = over_angle(falling())
    points = {(point["low_deg"], point["high_deg"]): point for point in curve["points"]}
    assert list(points) == [(0, 0), (7.5, 15), (15, 25), (25, 35), (35, 45)]
    assert [point["angle_deg"] for point in points.values()] == [0, 10, 20, 30, 40]
    assert [(point["k"], point["n"]) for point in points.values()] == [(4, 4), (6, 8), (4, 8), (2, 8), (0, 8)]
    assert curve["half_width"]["deg"] == pytest.approx(20), "where a half of the frames is left"
    assert (points[0, 0]["low"], points[0, 0]["high"]) == wilson(4, 4)
    assert points[15, 25]["method"] == "cluster bootstrap by item"


def test_a_frame_whose_clean_twin_is_wrong_counts_nowhere():
    lost = pl.concat([falling(), pl.DataFrame([row(0, 5, 4, True, clean_correct=False, view="other")])])
    (before,), (after,) = over_angle(falling()), over_angle(lost)
    assert before["points"] == after["points"]
    assert elsewhere(lost)[0]["others"] == elsewhere(falling())[0]["others"]
    assert over_time(lost) == over_time(falling())


def test_another_frame_from_the_same_place_is_not_the_frame_itself():
    still = pl.concat([falling(1), pl.DataFrame([row(0, 9, 4, False, angle_deg=0.0)])])
    (curve,) = over_angle(still)
    assert [(point["k"], point["n"]) for point in curve["points"]][:2] == [(1, 1), (0, 1)]


def test_time_goes_both_ways_in_round_steps():
    """Offsets of -8 to 8 s: steps of one second would be 8 a side."""
    (curve,) = over_time(falling())
    assert curve["step_s"] == 1.0
    found = {point["offset_s"]: (point["k"], point["n"]) for point in curve["points"]}
    expected = {-7.5: (0, 4), -5.5: (1, 4), -3.5: (2, 4), -1.5: (3, 4), 0.0: (4, 4)}
    assert found == expected | {-offset_s: counts for offset_s, counts in expected.items()}
    assert [time_step(longest_s) for longest_s in (0, 8, 8.1, 100, 0.3)] == pytest.approx([1, 1, 2, 20, 0.05])


def test_elsewhere_is_every_frame_but_its_own():
    (found,) = elsewhere(falling())
    assert (found["home"]["k"], found["home"]["n"]) == (4, 4)
    assert (found["others"]["k"], found["others"]["n"]) == (0 + 2 + 4 + 6, 4 * 8)
    assert found["others"]["low"] <= 12 / 32 <= found["others"]["high"]
    wide, narrow = found["others"]["high"] - found["others"]["low"], -np.subtract(*wilson(12, 32))
    assert wide > 1.3 * narrow, "eight frames of an item are not eight draws"


def test_a_run_is_the_one_about_the_frame_and_ends_where_nothing_was_judged():
    (found,) = spells_about(falling())
    assert [one["frames"] for one in found["items"]] == [1, 3, 5, 7]
    assert [one["seconds"] for one in found["items"]] == [0, 4, 8, 12]
    assert found["n_open"] == 0 and found["frames"]["median"] == 4 and found["frames"]["longest"] == 7
    (cut,) = spells_about(falling().filter(pl.col("number") != 5))
    assert [one["frames"] for one in cut["items"]] == [1, 2, 3, 4] and cut["n_open"] == 4
    wrong = falling().with_columns(clean_correct=pl.col("number") != 5)
    assert spells_about(wrong)[0]["items"] == cut["items"]


def test_a_run_about_a_frame_that_is_not_fooled_has_no_length():
    fooled = np.array([True, True, False, True])
    judged, time_s = np.ones(4, bool), np.arange(4.0)
    assert spell_about(fooled, judged, time_s, 2) == {"frames": 0, "seconds": 0.0, "open_ended": False}
    whole = spell_about(np.ones(4, bool), judged, time_s, 2)
    assert whole == {"frames": 4, "seconds": 3.0, "open_ended": True}
    assert whole["frames"] == spells(np.ones(4, bool), time_s)["longest_frames"]


def test_the_median_s_interval_is_that_of_items_drawn_again():
    values, rng = np.random.default_rng(1).normal(5, 2, 25), np.random.default_rng(2)
    again = np.sort([np.median(rng.choice(values, 25)) for _ in range(3000)])
    found = median(values, 0)
    assert found["median"] == np.median(values) and found["longest"] == values.max()
    assert (found["low"], found["high"]) == pytest.approx((again[75], again[2925]), abs=0.25)
    assert median(np.array([3.0]), 0) == {"median": 3.0, "low": None, "high": None, "longest": 3.0}
