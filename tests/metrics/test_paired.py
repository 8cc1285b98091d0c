import math

import numpy as np
import pytest

from rig.metrics.paired import mcnemar, paired


def by_hand(b: int, c: int) -> float:
    """Twice the smaller tail of Binomial(b + c, 1/2), at most 1."""
    n = b + c
    tail = sum(math.comb(n, i) for i in range(min(b, c) + 1)) / 2**n
    return min(1.0, 2 * tail)


@pytest.mark.parametrize(("b", "c"), [(0, 5), (5, 0), (3, 3), (10, 2), (1, 17), (40, 25)])
def test_mcnemars_p_is_the_exact_binomial_tail(b, c):
    assert mcnemar(b, c) == pytest.approx(by_hand(b, c), rel=1e-9)


def test_without_a_discordant_pair_there_is_nothing_to_tell_apart():
    assert mcnemar(0, 0) == 1
    found = paired([True, False], [True, False], ["a", "b"], 0)
    assert (found["difference"], found["low"], found["high"], found["p"]) == (0, 0, 0, 1)


def test_a_paired_comparison_counts_each_kind_of_pair():
    first, second = [1, 1, 1, 0, 0, 1], [1, 0, 0, 0, 1, 0]
    found = paired(first, second, range(6), 0)
    assert (found["only_first"], found["only_second"], found["k_first"], found["k_second"]) == (3, 1, 4, 2)
    assert found["difference"] == pytest.approx(4 / 6 - 2 / 6)
    assert found["p"] == pytest.approx(by_hand(3, 1))


def test_the_paired_interval_covers_the_true_difference_as_often_as_it_says():
    """200 studies of 80 images with success probabilities 0.5 and 0.35 that share what is hard about an image."""
    rng, covered = np.random.default_rng(0), 0
    for _ in range(200):
        hardness = rng.random(80)
        first, second = hardness < 0.5, hardness + rng.normal(0, 0.1, 80) < 0.35
        truth = 0.15
        found = paired(first, second, np.arange(80), 1)
        covered += found["low"] <= truth <= found["high"]
    assert 0.88 * 200 <= covered <= 200


def test_pairs_of_one_image_are_redrawn_together():
    """Ten identical rows of each image say no more than one: the interval must not shrink."""
    rng = np.random.default_rng(1)
    first, second = rng.random(30) < 0.6, rng.random(30) < 0.4
    once = paired(first, second, np.arange(30), 0)
    tenfold = paired(np.repeat(first, 10), np.repeat(second, 10), np.repeat(np.arange(30), 10), 0)
    assert tenfold["high"] - tenfold["low"] == pytest.approx(once["high"] - once["low"], rel=0.02)
