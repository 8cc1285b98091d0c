"""Runs side by side: intervals and tests against second roads, pairing, and what is refused."""

import itertools
import json

import numpy as np
import polars as pl
import pytest
from run_pair import called, model_record, number, second_run
from scipy.stats import binom, binomtest, fisher_exact, multinomial
from synthetic_run import write_run

from rig.errors import RunError
from rig.metrics.compare import compare
from rig.metrics.compare_difference import holm, newcombe, newcombe_paired
from rig.metrics.compare_load import read_side
from rig.metrics.compare_rows import HELD

KEPT = ("clean", "adversarial", "control_random")


@pytest.fixture(scope="module")
def before(tmp_path_factory):
    return write_run(tmp_path_factory.mktemp("runs") / "before", 120, artefacts=KEPT, thumbnails=False, history=False)


@pytest.fixture(scope="module")
def many(tmp_path_factory):
    place = tmp_path_factory.mktemp("runs") / "many"
    objects = tuple(f"object {i}" for i in range(12))
    return write_run(place, 30, objects=objects, artefacts=KEPT[:2], thumbnails=False, history=False)


def compared(*paths) -> list[dict]:
    return compare([read_side(letter, path) for letter, path in zip("ABC", paths, strict=False)])[0]["comparisons"]


def row_of(comparison: dict, artefact: str, rate: str, name: str | None = "turtle") -> dict:
    wanted = {"artefact": artefact, "rate": rate, "object": name}
    return next(row for row in comparison["rows"] if wanted.items() <= row.items())


def rows_of(path, artefact: str) -> pl.DataFrame:
    rows = pl.concat(pl.read_parquet(part) for part in sorted((path / "trials").glob("part-*.parquet")))
    return rows.filter(pl.col("artefact") == artefact).sort("object", "view")


def wilson_of_scipy(k: int, n: int):
    found = binomtest(k, n).proportion_ci(method="wilson")
    return found.low, found.high


@pytest.mark.parametrize(("k_1", "n_1", "k_2", "n_2"), [(48, 80, 56, 70), (3, 10, 9, 10), (0, 29, 5, 56), (7, 7, 0, 9)])
def test_an_unpaired_interval_is_made_of_scipys_wilson_limits(k_1, n_1, k_2, n_2):
    (low_1, high_1), (low_2, high_2) = wilson_of_scipy(k_1, n_1), wilson_of_scipy(k_2, n_2)
    first, second = k_1 / n_1, k_2 / n_2
    expected = (
        second - first - np.hypot(second - low_2, high_1 - first),
        second - first + np.hypot(high_2 - second, first - low_1),
    )
    assert newcombe(k_1, n_1, k_2, n_2) == pytest.approx(np.clip(expected, -1, 1), abs=1e-12)


def test_an_unpaired_interval_is_the_one_that_newcombe_published():
    """56 of 70 less 48 of 80, method 10 of the paper's first table: 0.0524 to 0.3339."""
    assert newcombe(48, 80, 56, 70) == pytest.approx((0.0524, 0.3339), abs=5e-5)


@pytest.mark.parametrize(("first", "second"), [(0.5, 0.35), (0.9, 0.9), (0.8, 0.95)])
def test_an_unpaired_interval_covers_the_truth_as_often_as_it_says(first, second):
    """Exact: every outcome of two samples of 40, weighted by its probability."""
    chances = [binom.pmf(np.arange(41), 40, rate) for rate in (first, second)]
    held = np.array([[covers(newcombe(i, 40, j, 40), second - first) for j in range(41)] for i in range(41)])
    assert 0.93 <= chances[0] @ held @ chances[1] <= 0.985


@pytest.mark.parametrize(
    ("cells", "most"), [((0.6, 0.2, 0.1, 0.1), 0.98), ((0.3, 0.05, 0.25, 0.4), 0.98), ((0.8, 0.05, 0.05, 0.1), 1.0)]
)
def test_a_paired_interval_covers_the_truth_as_often_as_it_says(cells, most):
    """Exact: every table of 24 pairs, weighted by its probability. With 2.4 discordant pairs on average it is too wide."""
    n, truth = 24, cells[2] - cells[1]
    tables = [t for t in itertools.product(range(n + 1), repeat=3) if sum(t) <= n]
    tables = np.array([(*t, n - sum(t)) for t in tables])
    chances = multinomial.pmf(tables, n, cells)
    likely = chances > 1e-6
    held = [covers(newcombe_paired(*table), truth) for table in tables[likely].tolist()]
    assert 0.93 <= (chances[likely] * held).sum() <= most


def covers(bounds, truth: float) -> bool:
    return bounds[0] - 1e-12 <= truth <= bounds[1] + 1e-12


def test_pairs_without_a_difference_still_leave_room_for_one():
    low, high = newcombe_paired(30, 0, 0, 10)
    assert low == pytest.approx(-high) and 0.02 < high < 0.15
    assert newcombe_paired(0, 0, 0, 0) == (-1, 1)


def test_swapping_the_runs_turns_a_difference_round():
    low, high = newcombe_paired(14, 3, 9, 6)
    assert newcombe_paired(14, 9, 3, 6) == pytest.approx((-high, -low))


@pytest.mark.parametrize("seed", range(5))
def test_holms_correction_is_the_closure_of_bonferronis(seed):
    """Second road: p of one is the largest Bonferroni p of all sets that hold it."""
    values = np.random.default_rng(seed).beta(0.4, 2, 6).tolist()
    sets = [subset for size in range(1, 7) for subset in itertools.combinations(range(6), size)]
    expected = [
        max(min(1, len(subset) * min(values[i] for i in subset)) for subset in sets if one in subset)
        for one in range(6)
    ]
    assert holm(values) == pytest.approx(expected)


def test_pairs_of_the_same_view_are_counted_one_by_one(before, tmp_path):
    def change(row):
        row = row | {"model": "hardened"}
        return called(row, "correct") if row["artefact"] == "adversarial" and number(row) % 3 else row

    after = second_run(before, tmp_path / "after", change, models=[model_record("hardened")])
    (found,) = compared(before, after)
    was, now = (rows_of(path, "adversarial")["outcome"] == "target" for path in (before, after))
    row = row_of(found, "adversarial", "adversariality")
    assert found["paired"] and found["n_pairs"] == 3 * 120 and found["n_alone"] == [0, 0]
    assert (row["first"]["k"], row["second"]["k"]) == (was.sum(), now.sum())
    assert (row["only_first"], row["only_second"]) == ((was & ~now).sum(), (now & ~was).sum())
    assert row["difference"] == pytest.approx(now.mean() - was.mean())
    assert row["p"] == pytest.approx(binomtest(row["only_second"], row["only_first"] + row["only_second"]).pvalue)
    held = row_of(found, "adversarial", HELD)
    assert held["first"]["n"] == (rows_of(before, "clean")["outcome"] == "correct").sum()
    assert {"what": "model", "first": "efficientnet-lite0", "second": "hardened"} in found["differs"]
    assert any(one["what"].startswith("model file") for one in found["differs"])
    assert "texture of adversarial" in found["same"] and "turtle" not in str(found["alone"])


def test_the_cells_that_changed_are_found_and_no_others(before, tmp_path):
    """Lost: half of the sphere; the cells of the other half must show nothing."""
    after = second_run(
        before, tmp_path / "after", lambda row: called(row, "other_wrong") if row["azimuth_deg"] > 0 else row
    )
    clean = next(one for one in compared(before, after)[0]["maps"] if one["artefact"] == "clean")
    assert sum(cell["first"]["n"] for cell in clean["cells"]) == 120
    inside = [cell for cell in clean["cells"] if cell["azimuth_deg"][0] >= 0]
    outside = [cell for cell in clean["cells"] if cell["azimuth_deg"][1] <= 0]
    assert inside and outside and len(clean["cells"]) == clean["n_tested"]
    assert all(cell["verdict"] == "worse" and cell["p_holm"] >= cell["p"] for cell in inside)
    assert all(cell["verdict"] == "" and cell["difference"] == 0 for cell in outside)
    again = next(one for one in compared(after, before)[0]["maps"] if one["artefact"] == "clean")
    assert {cell["verdict"] for cell in again["cells"]} >= {"better"}


def test_over_objects_whole_objects_are_drawn_again(many, tmp_path):
    """Half of the objects lose everything: pairs would give a narrow interval, twelve objects cannot."""
    after = second_run(
        many, tmp_path / "after", lambda row: called(row, "other_wrong") if int(row["object"].split()[1]) % 2 else row
    )
    row = row_of(compared(many, after)[0], "clean", "accuracy", None)
    was, now = (rows_of(path, "clean")["outcome"] == "correct" for path in (many, after))
    assert row["difference"] == pytest.approx(now.mean() - was.mean())
    assert row["n_clusters"] == 12 and row["high"] - row["low"] > 0.4
    narrow = newcombe_paired(int((was & now).sum()), row["only_first"], 0, int((~was & ~now).sum()))
    assert row["high"] - row["low"] > 3 * (narrow[1] - narrow[0])


def test_a_bootstrap_over_equal_objects_is_not_taken_for_certainty(many, tmp_path):
    row = row_of(compared(many, second_run(many, tmp_path / "after"))[0], "clean", "accuracy", None)
    assert row["difference"] == 0 and row["low"] < -0.05 and row["high"] > 0.05


def test_other_views_are_compared_as_independent_samples(before, tmp_path):
    other = write_run(tmp_path / "other", 90, artefacts=KEPT, thumbnails=False, history=False, seed=5)
    (found,) = compared(before, other)
    row = row_of(found, "clean", "accuracy")
    assert not found["paired"] and found["reason"] and "only_first" not in row
    assert (row["low"], row["high"]) == newcombe(row["first"]["k"], 120, row["second"]["k"], 90)
    table = [[one["k"], one["n"] - one["k"]] for one in (row["first"], row["second"])]
    assert row["p"] == pytest.approx(fisher_exact(table).pvalue)


def test_views_in_one_run_only_are_left_out_and_counted(before, tmp_path):
    after = second_run(before, tmp_path / "after")
    for part in (after / "trials").glob("*.parquet"):
        pl.read_parquet(part).filter(pl.col("view") < "eval-000050").write_parquet(part)
    (found,) = compared(before, after)
    assert (found["n_pairs"], found["n_alone"]) == (150, [210, 0])


def test_the_one_attacked_texture_of_each_is_matched_whatever_its_name(before, tmp_path):
    def change(row):
        return row | {"artefact": "defended"} if row["artefact"] == "adversarial" else row

    after = second_run(before, tmp_path / "after", change)
    folder = (after / "artefacts" / "adversarial").rename(after / "artefacts" / "defended")
    record = json.loads((folder / "artefact.json").read_text()) | {"name": "defended", "texture_sha256": "00"}
    (folder / "artefact.json").write_text(json.dumps(record))
    (found,) = compared(before, after)
    assert {"first": "adversarial", "second": "defended"} in found["artefacts"]
    assert row_of(found, "adversarial", "adversariality")["difference"] == 0
    assert "texture of adversarial" in [one["what"] for one in found["differs"]]
    assert any(what.startswith("model file") for what in found["same"])


def test_every_run_stands_against_the_first(before, tmp_path):
    others = [second_run(before, tmp_path / name) for name in ("b", "c")]
    assert [(one["first"], one["second"]) for one in compared(before, *others)] == [("A", "B"), ("A", "C")]


def other_distance(state: dict) -> dict:
    state["threat_model"]["distribution"]["dimensions"]["distance_m"] = [2.0, 4.0]
    return {"threat_model": state["threat_model"]}


@pytest.mark.parametrize(
    ("change", "record", "said"),
    [
        (dict, lambda state: {"config": {"job": "sweep session"}}, "is missing"),
        (dict, lambda state: {"config": {"job": "attack pose"}}, "of this kind cannot be compared"),
        (dict, other_distance, "distance_m = [2.0, 4.0]"),
        (lambda row: row | {"object": "boat"}, dict, "no object is in both"),
        (lambda row: called(row | {"target_label": "axe"}, "correct"), dict, "targets of turtle differ; got axe"),
        (lambda row: called(row | {"true_label": "boat"}, "correct"), dict, "true labels of turtle differ; got boat"),
    ],
)
def test_what_cannot_be_compared_says_why_in_one_line(before, tmp_path, change, record, said):
    state = json.loads((before / "run.json").read_text())
    changes = {} if record is dict else record(state)
    after = second_run(before, tmp_path / "after", change, **changes)
    with pytest.raises(RunError) as caught:
        compared(before, after)
    assert said in str(caught.value) and "\n" not in str(caught.value)


def test_networks_with_other_label_sets_cannot_be_compared(before, tmp_path):
    first, second = (second_run(before, tmp_path / name, labels=["a", name]) for name in ("b", "c"))
    with pytest.raises(RunError, match="other label sets; got 2 labels, such as c"):
        compared(first, second)
