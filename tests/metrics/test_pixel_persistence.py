"""Curves, half-widths and destruction rates of tables written by hand, and by counting again in plain Python."""

import math

import numpy as np
import polars as pl
import pytest
from scipy.stats import binomtest

from rig.metrics.intervals import wilson
from rig.metrics.pixel_persistence import angle_curves, clustered, crossing, destruction, gain

BASE = {"attack": "a", "reading": "sensor-fixed", "dot_px": None, "n_pixels": 1}


def row(item, condition, value, fooled, clean_correct=True, **more):
    correct = not fooled
    known = {"item": item, "condition": condition, "value": float(value), "view": f"{item} {value}"}
    return BASE | known | {"fooled": fooled, "correct": correct, "clean_correct": clean_correct} | more


def falling(n_items=20, widths=None):
    """Each item fools up to its own angle; four views an angle."""
    widths = np.linspace(0.5, 8, n_items) if widths is None else widths
    return pl.DataFrame(
        [
            row(f"i{i}", "angle_deg", angle, bool(angle < width), view=f"{angle} {bearing}")
            for i, width in enumerate(widths)
            for angle in (0.0, 1.0, 2.0, 4.0, 8.0)
            for bearing in range(1 if angle == 0 else 4)
        ]
    )


def test_a_curve_counts_views_with_a_right_twin():
    table = pl.concat([falling(), pl.DataFrame([row("i0", "angle_deg", 8, True, clean_correct=False)])])
    (curve,) = angle_curves(table)
    rates = {point["angle_deg"]: point for point in curve["points"]}
    widths = np.linspace(0.5, 8, 20)
    for angle, point in rates.items():
        assert point["rate"] == pytest.approx((widths > angle).mean())
        assert point["n"] == (20 if angle == 0 else 80) and point["n_items"] == 20
        assert point["low"] <= point["rate"] <= point["high"]
    assert (rates[0.0]["low"], rates[0.0]["high"]) == wilson(20, 20)
    assert rates[2.0]["method"] == "cluster bootstrap by item"
    assert (rates[8.0]["high"], rates[8.0]["method"]) == (wilson(0, 20)[1], "Wilson, n = items")
    wide, narrow = rates[2.0]["high"] - rates[2.0]["low"], -np.subtract(*wilson(64, 80))
    assert wide > 1.5 * narrow, "four views of an item are not four draws"


def test_half_width_lies_where_the_line_crosses_a_half():
    (curve,) = angle_curves(falling())
    points = {point["angle_deg"]: point["rate"] for point in curve["points"]}
    expected = np.interp(0.5, [points[8.0], points[4.0], points[2.0]], [8, 4, 2])
    found = curve["half_width"]
    assert found["deg"] == pytest.approx(expected)
    assert found["low"] < found["deg"] < found["high"] and found["widest_deg"] == 8


def test_half_widths_interval_is_that_of_items_drawn_again():
    table = falling()
    per_item = {name: part for (name,), part in table.partition_by("item", as_dict=True).items()}
    rng, again = np.random.default_rng(5), []
    for _ in range(200):
        drawn = pl.concat([per_item[f"i{i}"] for i in rng.integers(0, 20, 20)])
        rates = drawn.group_by("value").agg(pl.col("fooled").mean()).sort("value")
        below = next(i for i, rate in enumerate(rates["fooled"]) if rate < 0.5)
        (x0, y0), (x1, y1) = rates.row(below - 1), rates.row(below)
        again.append(x0 + (y0 - 0.5) / (y0 - y1) * (x1 - x0))
    (curve,) = angle_curves(table)
    found = curve["half_width"]
    assert (found["low"], found["high"]) == pytest.approx(tuple(np.quantile(again, [0.025, 0.975])), abs=0.5)


def test_half_width_where_it_never_holds_and_where_it_never_falls():
    assert crossing(np.array([0.0, 1]), np.array([4.0, 0]), np.array([10.0, 10])) == 0
    assert math.isinf(crossing(np.array([0.0, 1]), np.array([9.0, 5]), np.array([10.0, 10])))
    assert crossing(np.array([0.0, 1, 2]), np.array([8.0, 0, 4]), np.array([10.0, 0, 10])) == pytest.approx(1.5)
    (never,) = angle_curves(falling(widths=[100.0] * 5))
    assert never["half_width"]["deg"] is None and never["half_width"]["low"] is None


def test_destruction_is_kurakins_rate_with_the_clean_twin_beside_it():
    fate = {  # item: fooled and clean right before; correct, fooled, clean right after
        "destroyed": (True, True, True, False, True),
        "kept": (True, True, False, True, True),
        "twin lost too": (True, True, False, True, False),
        "destroyed, twin lost": (True, True, True, False, False),
        "another wrong answer": (True, True, False, False, True),  # targeted: neither right nor the target
        "not fooled before": (False, True, True, False, True),
        "wrong before": (True, False, True, False, True),
    }
    rows = []
    for item, (fooled, clean, correct_after, fooled_after, clean_after) in fate.items():
        rows.append(row(item, "none", 0, fooled, clean))
        rows.append(row(item, "blur_px", 1, fooled_after, clean_after, correct=correct_after))
    (found,) = destruction(pl.DataFrame(rows, schema_overrides={"dot_px": pl.Float64}))
    counts = {name: (found[name]["k"], found[name]["n"]) for name in ("destroyed", "destroyed_twin_right", "twin_lost")}
    assert counts == {"destroyed": (2, 5), "destroyed_twin_right": (2, 3), "twin_lost": (2, 5)}
    assert (found["condition"], found["value"]) == ("blur_px", 1.0)


def test_readings_and_dot_sizes_are_kept_apart():
    rows = [row("i", "none", 0, True) | key for key in KEYS]
    rows += [row("i", "blur_px", 1, key["dot_px"] == 3.0) | key for key in KEYS]
    found = destruction(pl.DataFrame(rows, schema_overrides={"dot_px": pl.Float64}))
    assert [(one["reading"], one["dot_px"], one["destroyed"]["k"]) for one in found] == [
        ("sensor-fixed", None, 1),
        ("surface-fixed", 1.0, 1),
        ("surface-fixed", 3.0, 0),
    ]


KEYS = [
    {"reading": "sensor-fixed", "dot_px": None},
    {"reading": "surface-fixed", "dot_px": 1.0},
    {"reading": "surface-fixed", "dot_px": 3.0},
]


def test_gain_is_paired_on_the_same_views():
    rng = np.random.default_rng(0)
    rows = []
    for i in range(30):
        hard = rng.random()
        for angle in (1.0, 2.0):
            weak, strong = rng.random() < 0.2 * hard, rng.random() < 0.5 + 0.4 * hard
            rows.append(row(f"i{i}", "angle_deg", angle, bool(weak)))
            rows.append(row(f"i{i}", "angle_deg", angle, bool(strong)) | {"attack": "b"})
    rows.append(row("only a", "angle_deg", 1.0, True))
    table = pl.DataFrame(rows, schema_overrides={"dot_px": pl.Float64})
    (found,) = gain(table, "b", "a")
    paired = table.filter(pl.col("item") != "only a")
    means = {name: part["fooled"].mean() for (name,), part in paired.partition_by("attack", as_dict=True).items()}
    assert (found["n"], found["n_items"]) == (60, 30)
    assert found["gain"] == pytest.approx(means["b"] - means["a"]) and found["low"] < found["gain"] < found["high"]
    assert found["low"] > 0


def test_items_of_equal_rates_have_an_interval_with_width():
    """Two items of 28 views with one fooled each: nothing says that a third item's rate would be the same."""
    hits, items = np.arange(56) % 28 == 0, np.repeat(["a", "b"], 28)
    found = clustered(hits, items, 0)
    assert (found["k"], found["n"], found["method"]) == (2, 56, "Wilson, n = items")
    expected = binomtest(0, 2).proportion_ci(0.95, method="wilson")
    assert (found["low"], found["high"]) == pytest.approx((expected.low, expected.high))
    assert found["low"] <= found["rate"] <= found["high"]
