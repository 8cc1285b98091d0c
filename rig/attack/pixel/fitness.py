"""How far candidates are from an attack's goal: lower is nearer. Logits (n, K classes) to losses (n,)."""

import numpy as np
from scipy.special import softmax

from rig.attack.goal import Goal


def probability(goal: Goal, logits: np.ndarray) -> np.ndarray:
    """The true classes' probability, or the target's, negated: what Su et al. 2019 minimise."""
    probs = softmax(logits.astype(np.float64), axis=1)
    return probs[:, list(goal.true)].sum(axis=1) if goal.target is None else -probs[:, goal.target]


def margin(goal: Goal, logits: np.ndarray) -> np.ndarray:
    """Logits by which the goal is missed; negative where it is reached. It still tells apart what softmax rounds to 1."""
    inside = list(goal.true) if goal.target is None else [goal.target]
    others = logits.copy()
    others[:, inside] = -np.inf
    lead = logits[:, inside].max(axis=1) - others.max(axis=1)
    return (lead if goal.target is None else -lead).astype(np.float64)


FITNESS = {"probability": probability, "margin": margin}
