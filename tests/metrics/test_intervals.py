import numpy as np
import pytest
from scipy.stats import binom, binomtest, t

from rig.errors import RigError
from rig.metrics.intervals import clopper_pearson, cluster_bootstrap, wilson

CASES = [(0, 1), (1, 1), (0, 300), (100, 100), (7, 200), (181, 200), (2500, 5000)]


@pytest.mark.parametrize(("k", "n"), CASES)
@pytest.mark.parametrize("confidence", [0.9, 0.95, 0.99])
def test_wilson_agrees_with_scipy(k, n, confidence):
    expected = binomtest(k, n).proportion_ci(confidence, method="wilson")
    assert wilson(k, n, confidence) == pytest.approx((expected.low, expected.high), abs=1e-12)


@pytest.mark.parametrize(("k", "n"), CASES)
@pytest.mark.parametrize("confidence", [0.9, 0.95, 0.9979])
def test_clopper_pearson_agrees_with_scipy(k, n, confidence):
    expected = binomtest(k, n).proportion_ci(confidence, method="exact")
    assert clopper_pearson(k, n, confidence) == pytest.approx((expected.low, expected.high), abs=1e-9)


def test_published_figures():
    """82 and 59 of 100 photos of the paper's turtle and baseball; the two bounds quoted in protocols.md."""
    assert wilson(82, 100) == pytest.approx((0.733, 0.883), abs=5e-4)
    assert wilson(59, 100) == pytest.approx((0.492, 0.681), abs=5e-4)
    assert clopper_pearson(100, 100)[0] == pytest.approx(0.964, abs=5e-4)
    assert clopper_pearson(0, 300)[1] == pytest.approx(0.012, abs=5e-4)


def test_no_trials_say_nothing():
    assert wilson(0, 0) == clopper_pearson(0, 0) == (0.0, 1.0)


@pytest.mark.parametrize("n", [20, 200])
def test_coverage_summed_over_the_binomial(n):
    """Clopper-Pearson covers >= 95 % at every rate, Wilson 95 % on average over rates."""
    rates = np.linspace(0.02, 0.98, 49)
    coverage = {wilson: [], clopper_pearson: []}
    for interval, found in coverage.items():
        low, high = np.array([interval(k, n) for k in range(n + 1)]).T
        for rate in rates:
            found.append(binom.pmf(np.arange(n + 1), n, rate)[(low <= rate) & (rate <= high)].sum())
    assert min(coverage[clopper_pearson]) >= 0.95
    assert np.mean(coverage[wilson]) == pytest.approx(0.95, abs=0.01)


def test_cluster_bootstrap_covers_where_wilson_does_not():
    """40 objects of 50 views, rates differing between objects: the mean rate must be inside about 95 % of the time."""
    rng = np.random.default_rng(1)
    covered = {"clustered": 0, "wilson": 0}
    runs = 200
    for run in range(runs):
        values = rng.random((40, 50)) < rng.beta(2, 2, (40, 1))  # mean rate 1/2
        found = cluster_bootstrap(values.ravel(), np.repeat(np.arange(40), 50), run, resamples=1000)
        covered["clustered"] += found.low <= 0.5 <= found.high
        low, high = wilson(int(values.sum()), values.size)
        covered["wilson"] += low <= 0.5 <= high
    assert 0.89 <= covered["clustered"] / runs <= 0.99
    assert covered["wilson"] / runs < 0.6


@pytest.mark.parametrize("n_clusters", [6, 15, 60])
def test_few_clusters_give_students_interval_of_their_means(n_clusters):
    """Second road: the t interval, which is exact for normal means of equal clusters. Averaged over draws."""
    rng, ours, theirs = np.random.default_rng(3), [], []
    for run in range(60):
        means = rng.normal(0.5, 0.1, n_clusters)
        found = cluster_bootstrap(np.repeat(means, 3), np.repeat(np.arange(n_clusters), 3), run)
        ours.append((found.low, found.high))
        error = means.std(ddof=1) / np.sqrt(n_clusters)
        theirs.append(t.interval(0.95, n_clusters - 1, means.mean(), error))
    np.testing.assert_allclose(
        np.mean(ours, axis=0), np.mean(theirs, axis=0), atol=0.05 * np.ptp(np.mean(theirs, axis=0))
    )


def test_design_effect_of_known_cases():
    rng = np.random.default_rng(2)
    clusters = np.repeat(np.arange(50), 20)
    independent = cluster_bootstrap(rng.random(1000) < 0.3, clusters, 0)
    identical = cluster_bootstrap(np.repeat(rng.random(50) < 0.5, 20), clusters, 0)
    assert independent.design_effect == pytest.approx(1, abs=0.5)
    assert identical.design_effect == pytest.approx(20, rel=0.1)
    assert identical.effective_n == pytest.approx(50, rel=0.1)


def test_cluster_bootstrap_is_repeatable_and_warns_of_few_clusters():
    values, clusters = [1, 0, 1, 1, 0, 0], ["a", "a", "b", "b", "c", "c"]
    assert cluster_bootstrap(values, clusters, 7) == cluster_bootstrap(values, clusters, 7)
    assert "3 clusters" in cluster_bootstrap(values, clusters, 7).warning
    assert cluster_bootstrap(np.ones(10), range(10), 0).warning == ""
    with pytest.raises(RigError, match="two clusters"):
        cluster_bootstrap([1, 0], ["a", "a"], 0)
