from collections import Counter

import numpy as np
import polars as pl
import pytest
from scipy.optimize import minimize

from rig.metrics.intervals import wilson
from rig.metrics.rates import pooled
from rig.metrics.recount import placed, strata, stratified_interval
from rig.metrics.stratified import over_rounds, stratified_score, weighted
from rig.views import placed_ids

Z = 1.959963984540054


@pytest.mark.parametrize(("k", "n"), [(0, 10), (3, 10), (10, 10), (1, 3000), (2999, 3000), (500, 1000)])
def test_of_one_cell_it_is_wilsons(k, n):
    found = stratified_score(np.array([k / n]), np.array([float(n)]), np.array([1.0]))
    assert found == pytest.approx(wilson(k, n), abs=1e-9)


def test_at_its_bounds_the_score_test_just_rejects():
    """Second road: the likeliest rates that average a bound, by SciPy's constrained maximiser; then |z| = 1.96."""
    hits, views = np.array([1.0, 4, 9, 3]), np.array([6.0, 8, 10, 20])
    shares = np.array([0.1, 0.2, 0.3, 0.4])
    rates, free = hits / views, views - 1 + 1 / 4
    for bound in stratified_score(rates, views, shares):
        likely = minimize(
            lambda p: -(free @ (rates * np.log(p) + (1 - rates) * np.log1p(-p))),
            rates,
            bounds=[(1e-9, 1 - 1e-9)] * 4,
            constraints={"type": "eq", "fun": lambda p, bound=bound: shares @ p - bound},
            options={"ftol": 1e-14},
        ).x
        variance = shares**2 @ (likely * (1 - likely) / free)
        assert abs(bound - shares @ rates) / np.sqrt(variance) == pytest.approx(Z, rel=1e-3)


def test_all_hits_end_at_one_and_hits_and_misses_mirror():
    views, shares = np.array([4.0, 9, 2]), np.full(3, 1 / 3)
    assert stratified_score(np.ones(3), views, shares)[1] == 1
    assert stratified_score(np.zeros(3), views, shares)[0] == 0
    rates = np.array([0.25, 1, 0.5])
    low, high = stratified_score(rates, views, shares)
    assert stratified_score(1 - rates, views, shares) == pytest.approx((1 - high, 1 - low))


def test_a_ratio_holds_the_truth_as_often_as_promised():
    """Rate among the views that count only (clean twin recognised): how many do is random in each cell."""
    rng, n = np.random.default_rng(0), 12
    rates, counting = np.r_[np.full(12, 0.95), np.full(12, 0.05)], np.linspace(0.5, 0.95, 24)
    truth, held, naive = rates @ counting / counting.sum(), 0, 0
    for _ in range(150):
        counted = rng.binomial(n, counting)
        found, shares = rng.binomial(counted, rates) / counted, counted / counted.sum()
        low, high = stratified_score(found, counted.astype(float), shares, counted / n)
        held += low <= truth <= high
        low, high = stratified_score(found, counted.astype(float), shares)
        naive += low <= truth <= high
    assert 0.9 <= held / 150 <= 1
    assert naive / 150 < 0.88


def test_rounds_are_averaged_by_their_size():
    hits, views = np.array([[2, 0], [6, 1]]), np.array([[4, 4], [12, 4]])
    rates, worth = over_rounds(hits, views)
    weights = [[8 / (2 * 4), 8 / (2 * 4)], [16 / (2 * 12), 16 / (2 * 4)]]  # of one view, N / (H n)
    for cell in range(2):
        one = np.repeat([weights[0][cell], weights[1][cell]], views[:, cell])
        assert rates[cell] == pytest.approx(sum(weights[r][cell] * hits[r, cell] for r in range(2)) / one.sum())
        assert worth[cell] == pytest.approx(one.sum() ** 2 / (one**2).sum())  # Kish's effective number


def placed_views(rng, n_cells=6, sizes=(30, 60)):
    """Cells, weights and hits of views of rounds that looked at cells unequally often."""
    cells, weights, hits, rates = [], [], [], rng.random(n_cells)
    for size in sizes:
        views = 1 + rng.multinomial(size - n_cells, rng.dirichlet(np.ones(n_cells)))
        cells.append(np.repeat(np.arange(n_cells), views))
        weights.append(np.repeat(size / sum(sizes) / views, views))
        hits.append(rng.random(size) < np.repeat(rates, views))
    return np.concatenate(hits), np.concatenate(weights), np.concatenate(cells)


def test_views_of_all_cells_count_as_rounds_averaged_by_their_size():
    hits, weights, cells = placed_views(np.random.default_rng(3))
    found = weighted(hits, weights, cells)
    rounds = np.repeat([0, 1], (30, 60))
    seen = np.array([[((rounds == r) & (cells == h)).sum() for h in range(6)] for r in (0, 1)])
    k = np.array([[hits[(rounds == r) & (cells == h)].sum() for h in range(6)] for r in (0, 1)])
    rates, worth = over_rounds(k, seen)
    assert found["rate"] == pytest.approx(rates.mean())
    assert (found["low"], found["high"]) == pytest.approx(stratified_score(rates, worth, np.full(6, 1 / 6)))
    assert (found["k"], found["n"]) == (hits.sum(), 90)


def test_views_of_one_cell_and_equal_weights_have_wilsons_interval():
    hits = np.arange(20) < 7
    found = weighted(hits, np.full(20, 1 / 20), np.zeros(20, int))
    assert (found["rate"], found["worth"]) == pytest.approx((7 / 20, 20))
    assert (found["low"], found["high"]) == pytest.approx(wilson(7, 20))


def test_a_part_of_the_views_counts_by_its_share_of_each_cell():
    hits, weights, cells = placed_views(np.random.default_rng(4))
    part = np.random.default_rng(5).random(len(hits)) < 0.4
    found = weighted(hits[part], weights[part], cells[part])
    assert found["rate"] == pytest.approx(weights[part] @ hits[part] / weights[part].sum())
    assert found["low"] < found["rate"] < found["high"]
    assert weighted(hits[:0], weights[:0], cells[:0])["rate"] is None


@pytest.mark.parametrize("case", ["mixed", "none", "all", "one cell"])
def test_the_recount_finds_the_same_interval_by_another_formula(case):
    rates = {"mixed": [0.2, 0.0, 1.0, 0.7], "none": [0.0] * 4, "all": [1.0] * 4, "one cell": [0.3]}[case]
    worth = np.array([9.5, 20, 4, 7])[: len(rates)]
    found = stratified_interval(np.array(rates), worth)
    assert found == pytest.approx(
        stratified_score(np.array(rates), worth, np.full(len(rates), 1 / len(rates))), abs=1e-7
    )


def test_the_recount_agrees_where_few_views_gave_the_same_answer_in_most_cells():
    rng = np.random.default_rng(0)
    for _ in range(300):
        views = rng.integers(1, 6, (rng.integers(1, 4), rng.integers(1, 8)))
        hits = rng.binomial(views, rng.choice([0, 0.05, 0.5, 0.95, 1], views.shape[1]))
        rates, worth = over_rounds(hits, views)
        expected = stratified_score(rates, worth, np.full(len(rates), 1 / len(rates)))
        assert stratified_interval(rates, worth) == pytest.approx(expected, abs=1e-6), (rates, worth)


def test_the_recount_finds_the_same_rate_from_ids_alone():
    hits, weights, cells = placed_views(np.random.default_rng(6))
    counts = Counter()
    for round_, cell, hit in zip(np.repeat([0, 1], (30, 60)), cells, hits, strict=True):
        place = placed(placed_ids("eval", round_, [cell], 17)[0])
        counts.update([("n", *place), *([("fooled", *place)] if hit else [])])
    rates, worth = strata(counts, "fooled")
    found = weighted(hits, weights, cells)
    assert (rates.mean(), *stratified_interval(rates, worth)) == pytest.approx(
        (found["rate"], found["low"], found["high"]), abs=1e-7
    )
    assert placed("eval-000012") == placed("search-pose-000012") == ()


def test_objects_count_alike_however_many_views_they_took():
    """Pooled: the mean of the objects' rates, which are weighted each; three objects, one with ten times the views."""
    rows = []
    for name, n, k in (("a", 10, 5), ("b", 100, 80), ("c", 10, 2)):
        rows += [
            {"object": name, "artefact": "clean", "model": "m", "result": "fooled" if i < k else "correct",
             "weight": 1 / n, "cell": 0} for i in range(n)
        ]  # fmt: skip
    (row,) = pooled(pl.DataFrame(rows), seed=0)
    assert row["adversariality"]["rate"] == pytest.approx((0.5 + 0.8 + 0.2) / 3)
    # as many views as independent ones would need for the variance of a mean of three objects
    each = np.array([0.5, 0.8, 0.2])
    expected = 0.5 * 0.5 / (each.var() / 3)
    assert row["adversariality"]["effective_n"] == pytest.approx(expected, rel=0.1)
