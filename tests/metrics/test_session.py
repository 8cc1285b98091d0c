import itertools

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rig.metrics.dwell import spells
from rig.metrics.intervals import wilson
from rig.metrics.session import _by_azimuth, clustered, with_blocks


@given(st.lists(st.booleans(), min_size=1, max_size=40), st.integers(0, 2**32 - 1))
def test_spells_are_those_that_itertools_groups(fooled, seed):
    time_s = np.cumsum(np.random.default_rng(seed).uniform(0.01, 1, len(fooled)))
    found = spells(np.array(fooled), time_s)
    groups, at = [], 0
    for value, group in itertools.groupby(fooled):
        length = len(list(group))
        groups.append((value, length, time_s[at + length - 1] - time_s[at]))
        at += length
    runs = [(length, seconds) for value, length, seconds in groups if value]
    assert found["n_fooled"] == sum(fooled)
    assert found["n_spells"] == len(runs)
    assert found["flips"] == len(groups) - 1
    assert found["longest_frames"] == max((length for length, _ in runs), default=0)
    assert (
        found["longest_s"] in [pytest.approx(s) for length, s in runs if length == found["longest_frames"]] or not runs
    )


def test_flips_a_second_count_changes_over_the_pass_s_time():
    found = spells(np.array([True, False, False, True, True]), np.array([0.0, 0.5, 1.0, 1.5, 2.0]))
    assert (found["flips"], found["flips_per_s"]) == (2, 1.0)
    assert spells(np.array([True]), np.array([3.0]))["flips_per_s"] is None


def frames(azimuths_deg, results, session="s", name="p"):
    n = len(azimuths_deg)
    return pl.DataFrame(
        {
            "session": [session] * n,
            "pass": [name] * n,
            "view": [f"{session}-{i:06d}" for i in range(n)],
            "azimuth_deg": azimuths_deg,
            "elevation_deg": [30.0 if a is not None else None for a in azimuths_deg],
            "result": results,
        },
        schema_overrides={"azimuth_deg": pl.Float64, "elevation_deg": pl.Float64},
    )


def test_a_block_is_a_pass_s_frames_in_one_cell_and_a_frame_without_a_pose_is_its_own():
    rows = with_blocks(frames([-7.4, 2.0, 7.4, 7.6, None, None], ["fooled"] * 6))
    assert rows["block"].n_unique() == 4
    assert rows["block"][0] == rows["block"][2] != rows["block"][3]
    other = with_blocks(frames([1.0], ["fooled"], name="q"))
    assert other["block"][0] != rows["block"][0]


def test_intervals_over_blocks_cover_the_true_rate_where_wilson_s_do_not():
    """Simulation: 24 cells, 12 frames each that all have their cell's outcome. Coverage of a 95 % interval, 200 times."""
    rng, covered, covered_by_wilson = np.random.default_rng(0), 0, 0
    azimuths = np.repeat(np.arange(-180, 180, 15) + 0.0, 12)
    for _ in range(200):
        hits = np.repeat(rng.random(24) < 0.4, 12)
        rows = with_blocks(frames(azimuths.tolist(), np.where(hits, "fooled", "correct").tolist()))
        found = clustered(rows, "fooled", 0)
        covered += found["low"] <= 0.4 <= found["high"]
        low, high = wilson(int(hits.sum()), len(hits))
        covered_by_wilson += low <= 0.4 <= high
    assert covered >= 180
    assert covered_by_wilson < 120


def test_none_of_the_frames_is_not_certainly_none():
    rows = with_blocks(frames([1.0, 2.0, 30.0], ["correct"] * 3))
    found = clustered(rows, "fooled", 0)
    assert (found["k"], found["n_blocks"], found["low"]) == (0, 2, 0.0)
    assert found["high"] == pytest.approx(wilson(0, 2)[1])


def test_noise_does_not_move_a_turntable_s_stops_between_sectors():
    """Every sector holds its two stops of 15 degrees, whichever way each pose is off."""
    stops = np.arange(-180, 180, 15.0)
    for seed in range(5):
        noisy = (stops + np.random.default_rng(seed).normal(0, 0.1, 24) + 180) % 360 - 180
        rows = (
            frames(noisy.tolist(), ["fooled"] * 24).rename({"result": "seen"}).with_columns(rendered=pl.lit("correct"))
        )
        sectors = _by_azimuth(rows)
        assert [sector["n"] for sector in sectors] == [2] * 12
        assert all(sector["captured"]["k"] == 2 and sector["rendered"]["k"] == 0 for sector in sectors)
