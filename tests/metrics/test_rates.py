import numpy as np
import polars as pl
import pytest
from scipy.stats import binomtest
from synthetic_run import LABEL, write_run

from rig.metrics import metrics
from rig.metrics.curves import curve
from rig.metrics.load import read_run, read_trials
from rig.metrics.rates import COUNTS, pooled, rates, with_result
from rig.metrics.recount import differences, recount, score_interval
from rig.metrics.summary import artefact_order


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return write_run(tmp_path_factory.mktemp("runs") / "demo", objects=("turtle", "ball"), thumbnails=False)


def plain_counts(run, object_name, artefact, only_clean_correct=False) -> list[int]:
    """correct, target and other predictions, counted row by row from the parquet files."""
    rows = [row for path in run.glob("trials/*.parquet") for row in pl.read_parquet(path).iter_rows(named=True)]
    rows = [row for row in rows if row["object"] == object_name]
    known = {row["view"] for row in rows if row["artefact"] == "clean" and row["predicted"] == LABEL}
    counts = [0, 0, 0]
    for row in rows:
        if row["artefact"] == artefact and (row["view"] in known or not only_clean_correct):
            counts[0 if row["predicted"] == LABEL else 1 if row["predicted"] == "rifle" else 2] += 1
    return counts


def test_rates_are_plain_counts_that_sum_to_n(run):
    table = metrics(run)["rates"]
    assert len(table) == 10
    for row in table:
        assert list(row["counts"].values()) == plain_counts(run, row["object"], row["artefact"])
        assert sum(row["counts"].values()) == row["n"] == 200
        for rate, count in COUNTS.items():
            assert row[rate]["rate"] == row["counts"][count] / 200
            expected = binomtest(row["counts"][count], 200).proportion_ci(method="wilson")
            assert (row[rate]["low"], row[rate]["high"]) == pytest.approx((expected.low, expected.high))
        on_known = row["clean_correct"]
        assert list(on_known["counts"].values()) == plain_counts(run, row["object"], row["artefact"], True)
        assert on_known["n"] == sum(on_known["counts"].values()) < 200


def test_untargeted_counts_every_miss_as_fooled(tmp_path):
    table = metrics(write_run(tmp_path / "run", 40, target="", thumbnails=False))["rates"]
    for row in table:
        assert row["counts"]["fooled"] == 40 - row["counts"]["correct"]
        assert row["counts"]["other_wrong"] == 0


def test_pooled_rates_redraw_objects(run):
    rows = pooled(with_result(read_trials(read_run(run))), seed=0)
    assert {row["artefact"] for row in rows} == {"clean", *(name for name in metrics(run)["groups"][0]["artefacts"])}
    attacked = next(row for row in rows if row["artefact"] == "adversarial")
    hits = sum(plain_counts(run, name, "adversarial")[1] for name in ("turtle", "ball"))
    assert attacked["adversariality"]["rate"] == hits / 400
    assert "2 clusters" in attacked["adversariality"]["warning"]


def test_one_object_is_not_pooled(tmp_path):
    assert metrics(write_run(tmp_path / "run", 20, thumbnails=False))["pooled"] == []


def test_score_equation_agrees_with_scipy():
    for k, n in [(0, 5), (5, 5), (181, 200), (1, 3000)]:
        expected = binomtest(k, n).proportion_ci(method="wilson")
        assert score_interval(k, n) == pytest.approx((expected.low, expected.high), abs=1e-7)


def test_the_recount_finds_a_wrong_figure(run):
    table = rates(with_result(read_trials(read_run(run))))
    assert differences(table, recount(run, "eval")) == []
    table[0]["counts"]["fooled"] += 1
    table[1]["accuracy"]["low"] -= 0.001
    found = differences(table, recount(run, "eval"))
    assert len(found) == 2
    assert "fooled" in found[0] and "interval" in found[1]
    assert "in no rate" in differences(table[2:], recount(run, "eval"))[0]


def test_bins_hold_every_view_once_and_equally_many():
    rng = np.random.default_rng(0)
    n = 200
    trials = pl.DataFrame(
        {
            "view": [str(i) for i in range(n)],
            "artefact": ["clean"] * n,
            "distance_m": rng.uniform(2, 3, n),
            "result": rng.choice(["correct", "fooled"], n),
        }
    )
    bins = curve(trials, "distance_m")
    assert [one["artefacts"]["clean"]["accuracy"]["n"] for one in bins] == [40] * 5
    for one in bins:
        inside = trials.filter(pl.col("distance_m").is_between(one["low"], one["high"]))
        assert one["artefacts"]["clean"]["accuracy"]["k"] == pytest.approx((inside["result"] == "correct").sum(), abs=1)


def test_artefacts_come_clean_first_then_by_number_then_controls():
    names = ["control_random", "adversarial-10", "patch", "adversarial", "clean", "adversarial-2"]
    expected = ["clean", "adversarial", "adversarial-2", "adversarial-10", "control_random", "patch"]
    assert sorted(names, key=artefact_order) == expected
