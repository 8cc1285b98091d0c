"""Differential evolution by two roads: its moves against their definition, its progress against SciPy's."""

import numpy as np
import pytest
from scipy.optimize import differential_evolution

from rig.attack.goal import Goal
from rig.attack.pixel.evolution import evolution, first_population, rand_1, three_others
from rig.attack.pixel.settings import search_settings
from rig.attack.pixel.space import Space
from rig.attack.pixel.task import Task

SPACE = Space(32, 48, 2)
TASK = Task("image", np.zeros((32, 48, 3), np.uint8), Goal((0,), None), 2)
OPTIMUM = np.array([[7, 40, 200, 10, 90], [25, 3, 60, 128, 255]])


def bowl(candidates: np.ndarray) -> np.ndarray:
    """(n, 2, 5) to (n,): 0 at OPTIMUM, each coordinate in units of its range."""
    return (((candidates - OPTIMUM) / [32, 48, 256, 256, 256]) ** 2).sum(axis=(1, 2))


def test_the_three_others_are_distinct_and_each_equally_often():
    n = 5
    rng = np.random.default_rng(0)
    draws = np.stack([three_others(n, rng) for _ in range(6000)])  # (6000, 3, n)
    rows = np.concatenate([np.broadcast_to(np.arange(n), (6000, 1, n)), draws], axis=1)
    assert (np.diff(np.sort(rows, axis=1), axis=1) > 0).all()
    ordered = draws[:, :, 0] @ [25, 5, 1]  # 4 x 3 x 2 = 24 ordered triples of the others of member 0
    counts = np.unique(ordered, return_counts=True)[1]
    assert len(counts) == 24
    assert ((counts - 250) ** 2 / 250).sum() < 49.7  # chi-square, 23 degrees of freedom: 99.9 %


def test_a_child_is_r1_plus_f_times_the_difference_of_two_others():
    parents = np.random.default_rng(1).normal(size=(6, 2, 5))
    children = rand_1(parents, 0.5, np.random.default_rng(2))
    r1, r2, r3 = three_others(6, np.random.default_rng(2))
    for i, child in enumerate(children):
        np.testing.assert_allclose(child, parents[r1[i]] + 0.5 * (parents[r2[i]] - parents[r3[i]]))


def test_the_first_population_is_uniform_in_place_and_normal_in_colour_clipped_to_8_bits():
    population = SPACE.decode(first_population(SPACE, 20_000, np.random.default_rng(0)))
    assert np.bincount(population[..., 0].ravel()).min() > 0.85 * 40_000 / 32
    assert len(np.bincount(population[..., 1].ravel())) == 48
    low, high = (population[..., 2:] == 0).mean(), (population[..., 2:] == 255).mean()
    assert low == pytest.approx(0.158, abs=0.005)  # P(N(128, 127) < 0.5)
    assert high == pytest.approx(0.160, abs=0.005)  # P(N(128, 127) > 254.5)


def progress(generations: int, seed: int) -> float:
    settings = search_settings("su2019", {"population": 40, "generations": generations, "confident_true_prob": 1e-12})
    steps = evolution(TASK, settings, np.random.default_rng(seed))
    candidates, best = next(steps), np.inf
    while True:
        losses = bowl(candidates)
        best = min(best, losses.min())
        try:
            candidates = steps.send(losses)
        except StopIteration:
            return best


def scipys_progress(generations: int, seed: int) -> float:
    """SciPy's rand/1 with every coordinate from the mutant, from a first population drawn as ours."""
    found = differential_evolution(
        lambda genomes: bowl(SPACE.decode(genomes.T.reshape(-1, 2, 5))),
        [(0, 31.999), (0, 47.999), *[(0, 255)] * 3] * 2,
        strategy="rand1bin",
        mutation=0.5,
        recombination=1,
        vectorized=True,
        updating="deferred",
        polish=False,
        tol=0,
        maxiter=generations,
        init=first_population(SPACE, 40, np.random.default_rng(seed)).reshape(40, 10),
        rng=np.random.default_rng(seed),
    )
    return found.fun


@pytest.mark.parametrize("generations", [10, 40])
def test_it_comes_as_far_as_scipys_in_as_many_generations(generations):
    """Mean log loss over 30 seeds; SciPy draws a coordinate anew where a mutant leaves the box, ours is clipped."""
    ours, scipys = (np.log([run(generations, seed) for seed in range(30)]) for run in (progress, scipys_progress))
    spread = np.hypot(ours.std(), scipys.std()) / np.sqrt(30)
    assert abs(ours.mean() - scipys.mean()) < max(3 * spread, 0.25)


def asked(settings, losses_of) -> list[int]:
    steps, sizes = evolution(TASK, settings, np.random.default_rng(0)), []
    candidates = next(steps)
    while True:
        sizes.append(len(candidates))
        try:
            candidates = steps.send(losses_of(len(sizes), candidates))
        except StopIteration:
            return sizes


def test_su2019_asks_40400_candidates_at_most():
    assert sum(asked(search_settings("su2019", {}), lambda _, c: np.full(len(c), 0.5))) == 40_400


def test_su2019_stops_once_the_true_class_is_below_5_percent():
    losses = {1: 0.2, 2: 0.06, 3: 0.049}
    assert len(asked(search_settings("su2019", {}), lambda step, c: np.full(len(c), losses[step]))) == 3


def test_a_parent_gives_way_to_its_own_child_only_when_that_is_better():
    """Of four members whose children are all worse but the second's, the next children come from three old and it."""
    settings = search_settings("su2019", {"population": 4, "generations": 2})
    rng = np.random.default_rng(3)
    steps = evolution(TASK, settings, rng)
    next(steps)
    again = np.random.default_rng(3)
    parents = first_population(TASK.space, 4, again)
    steps.send(np.full(4, 0.5))
    children = TASK.space.clip(rand_1(parents, 0.5, again))
    third = steps.send(np.array([0.5, 0.4, 0.6, 0.7]))
    parents[1] = children[1]
    np.testing.assert_array_equal(third, TASK.space.decode(TASK.space.clip(rand_1(parents, 0.5, again))))
