"""What an attack is after, and the losses that lead there. Losses take logits (B, K) and fall as the goal comes near."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F

from rig.errors import RigError
from rig.model import Labels
from rig.scene import Scene
from rig.scene.config import SceneConfig

Objective = Callable[[torch.Tensor], torch.Tensor]

MARGIN_CLAMP = 2.0  # logits beyond the boundary at which a view no longer pulls
WORST_FRAC = 0.3  # of a batch that the worst-view objective looks at


@dataclass(frozen=True)
class Goal:
    """True classes of the object, and the class that it shall be taken for (None: any other)."""

    true: tuple[int, ...]
    target: int | None

    def reached(self, logits: np.ndarray) -> np.ndarray:
        """(B,) bool by top-1; a targeted goal is reached by its target only, never by any other wrong class."""
        predicted = logits.argmax(axis=-1)
        return (
            predicted == self.target
            if self.target is not None
            else ~(predicted[..., None] == np.array(self.true)).any(axis=-1)
        )


def goal_of(scene: Scene, target: str | int | None, labels: Labels) -> Goal:
    """Resolve label names. Raises RigError for a target that is one of the object's true labels."""
    return goal_of_config(scene.config, target, labels)


def goal_of_config(config: SceneConfig, target: str | int | None, labels: Labels) -> Goal:
    """As `goal_of`, of a scene that is not loaded."""
    true = tuple(labels.index_of(label) for label in config.object.labels)
    found = None if target is None else labels.index_of(target)
    if found in true:
        raise RigError("the target is a true label of the object", got=target, expected="another class")
    return Goal(true, found)


def cross_entropy(goal: Goal) -> Objective:
    """-log P(target); untargeted: log P(any true class)."""

    def loss(logits: torch.Tensor) -> torch.Tensor:
        log_probs = F.log_softmax(logits, dim=1)
        if goal.target is not None:
            return -log_probs[:, goal.target]
        return log_probs[:, list(goal.true)].logsumexp(dim=1)

    return loss


def hinged_margin(goal: Goal) -> Objective:
    """Logits by which the goal is missed, clamped once it is reached by MARGIN_CLAMP."""

    def loss(logits: torch.Tensor) -> torch.Tensor:
        inside = list(goal.true) if goal.target is None else [goal.target]
        among = torch.zeros(logits.shape[1], dtype=torch.bool, device=logits.device)
        among[inside] = True
        lead = logits[:, among].amax(dim=1) - logits[:, ~among].amax(dim=1)
        missed_by = lead if goal.target is None else -lead
        return missed_by.clamp(min=-MARGIN_CLAMP)

    return loss


def even(losses: torch.Tensor) -> torch.Tensor:
    return torch.ones_like(losses)


def worst(losses: torch.Tensor) -> torch.Tensor:
    """Weights (B,) with mean 1 on the worst WORST_FRAC of the views: their CVaR (Rockafellar & Uryasev 2000)."""
    n_worst = max(1, round(WORST_FRAC * len(losses)))
    chosen = losses.topk(n_worst).indices
    return torch.zeros_like(losses).index_fill(0, chosen, len(losses) / n_worst)


# name: (loss of a view, weights of a batch's views by their losses)
OBJECTIVES = {
    "cross-entropy": (cross_entropy, even),
    "margin": (hinged_margin, even),
    "worst-view": (cross_entropy, worst),
}
