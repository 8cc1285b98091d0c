"""Gradient-free searches for the view that a model gets most wrong. They see coordinates and margins, nothing else.

Coordinates may lie outside the unit cube: `PoseSpace.folded` brings them in. Margins fall as the goal comes near.
"""

import warnings
from collections.abc import Callable
from typing import Protocol

import numpy as np

from rig.attack.goal import Goal
from rig.errors import RigError

RANDOM = "random"
STEP = 0.25  # of CMA-ES at the start, in units of a dimension's whole range
RANDOM_BATCH = 16


class PoseSearch(Protocol):
    least: int  # queries before it can learn anything

    def ask(self) -> np.ndarray:
        """(n, d) coordinates to try next."""

    def tell(self, rows: np.ndarray, margins: np.ndarray) -> None:
        """What came of all that was asked last."""


class RandomSearch:
    """The baseline: views as the declared distribution gives them."""

    least = 1

    def __init__(self, d: int, seed: int):
        self._d, self._generator = d, np.random.default_rng(seed)

    def ask(self) -> np.ndarray:
        return self._generator.random((RANDOM_BATCH, self._d))

    def tell(self, rows: np.ndarray, margins: np.ndarray) -> None:
        pass


class CmaSearch:
    """CMA-ES (Hansen's `cma`) from a random point, begun again elsewhere whenever it has converged."""

    def __init__(self, d: int, seed: int):
        self._d, self._generator = max(d, 2), np.random.default_rng(seed)  # cma wants two: a second one has no effect
        self._used = d
        self._start()
        self.least = self._evolution.popsize

    def _start(self) -> None:
        # its own generator: cma would seed numpy's global one
        options = {"seed": np.nan, "randn": lambda *shape: self._generator.standard_normal(shape), "verbose": -9}
        self._evolution = _evolution(self._generator.random(self._d), STEP, options)

    def ask(self) -> np.ndarray:
        if self._evolution.stop():
            self._start()
        self._asked = self._evolution.ask()
        return np.stack(self._asked)[:, : self._used]

    def tell(self, rows: np.ndarray, margins: np.ndarray) -> None:
        self._evolution.tell(self._asked, margins.tolist())


class BayesSearch:
    """A Gaussian process and expected improvement (package bayesian-optimization), after 2 d + 2 random points."""

    def __init__(self, d: int, seed: int):
        optimizer, acquisition = _bayesian()
        self.least = 2 * d + 2
        self._names = [f"x{i:02d}" for i in range(d)]
        self._generator = np.random.default_rng(seed)
        self._process = optimizer(
            f=None,
            pbounds=dict.fromkeys(self._names, (0.0, 1.0)),
            acquisition_function=acquisition.ExpectedImprovement(xi=0.0),
            random_state=seed % 2**32,
            verbose=0,
            allow_duplicate_points=True,
        )
        self._n = 0

    def ask(self) -> np.ndarray:
        if not self._n:
            return self._generator.random((self.least, len(self._names)))
        suggested = self._process.suggest()
        return np.array([[suggested[name] for name in self._names]])

    def tell(self, rows: np.ndarray, margins: np.ndarray) -> None:
        for row, margin in zip(rows, margins, strict=True):
            self._process.register(dict(zip(self._names, row.tolist(), strict=True)), -float(margin))
        self._n += len(rows)


def _evolution(*arguments):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # it says at import that its plots lack matplotlib
        import cma
    return cma.CMAEvolutionStrategy(*arguments)


def _bayesian():
    try:
        from bayes_opt import BayesianOptimization, acquisition
    except ImportError as error:
        hint = "pip install 'physical-rig[bayes]'"
        raise RigError("the Bayesian search needs a package", where="--search bayes", hint=hint) from error
    return BayesianOptimization, acquisition


SEARCHES: dict[str, Callable[[int, int], PoseSearch]] = {RANDOM: RandomSearch, "cmaes": CmaSearch, "bayes": BayesSearch}


def margins(goal: Goal, logits: np.ndarray) -> np.ndarray:
    """(N,) logits by which the goal is missed, negative where it is reached (Carlini & Wagner's margin, not clamped)."""
    inside = np.zeros(logits.shape[1], bool)
    inside[list(goal.true) if goal.target is None else [goal.target]] = True
    lead = logits[:, inside].max(axis=1) - logits[:, ~inside].max(axis=1)
    return (lead if goal.target is None else -lead).astype(np.float64)
