import numpy as np
import pytest
from scipy.optimize import minimize

from rig.metrics.intervals import wilson
from rig.metrics.stratified import over_rounds, stratified_score

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
