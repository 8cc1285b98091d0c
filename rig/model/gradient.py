"""The seam between attacks and models: losses and their gradient with respect to the images."""

import threading
from collections.abc import Callable
from functools import singledispatch
from typing import Protocol

import torch

from rig.errors import ModelError
from rig.model.compiled import CompiledGradient
from rig.model.deployed import DeployedModel, require_unchanged
from rig.model.estimators import NES, SPSA
from rig.model.parallel import SideBySide
from rig.model.torch_import import TorchImport

Objective = Callable[[torch.Tensor], torch.Tensor]
"""Logits (B, K) to losses (B,). Loss i depends on row i alone."""

ON_GPU = "on a GPU"
_counting = threading.Lock()


class Gradient(Protocol):
    road: str  # which one, and why not a faster one
    max_logit_error: float  # of the logits' range, between the road's own arithmetic and the file's
    stand_in: str  # what it computes in place of the file's own arithmetic, or ""
    is_estimate: bool  # from scores alone
    share: int | None  # images in calls that may well be made side by side; None: one call at a time

    def value_and_grad(
        self, batch: torch.Tensor, objective: Objective
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Losses (B,), d loss / d batch (B, 3, H, W), logits (B, K); batch RGB in [0, 1] at the model's size."""


@singledispatch  # rig.model.detect adds detectors
def gradient_of(model: DeployedModel, road: str | None = None) -> Gradient:
    """The road asked for (a key of ROADS); without one, the first that works.

    That is the compiled graph on a CPU, the torch import on a GPU, then the other, then NES, which needs scores only.
    Every image that a road evaluates counts as a query of the model.
    """
    if road is not None and road not in ROADS:
        raise ModelError("no such road to a gradient", got=road, expected=", ".join(ROADS))
    require_unchanged(model)
    return _asked_for(model, road) if road else _first_that_works(model)


def _asked_for(model: DeployedModel, road: str) -> Gradient:
    try:
        return ROADS[road](model, "asked for")
    except ModelError as error:
        raise ModelError(str(error), hint="roads nes and spsa ask for scores only") from error


def _first_that_works(model: DeployedModel) -> Gradient:
    reasons = [ON_GPU] if torch.cuda.is_available() else []
    for road in ("torch", "compiled") if reasons else ("compiled", "torch"):
        try:
            return ROADS[road](model, "; ".join(reasons))
        except ModelError as error:
            reasons.append(str(error))
    return NES(model, "; ".join(reasons))


class Counted:
    """A road whose images count as the model's queries, as those asked of the file itself do; `inner` counts none."""

    is_estimate = False

    def __init__(self, road: Gradient, model: DeployedModel, because: str):
        self.road = f"{road.road} ({because})" if because else road.road
        self.max_logit_error, self.stand_in = road.max_logit_error, road.stand_in
        self.inner, self._model, self.share = road, model, road.share

    def value_and_grad(self, batch, objective):
        with _counting:
            self._model.queries += len(batch)
        return self.inner.value_and_grad(batch, objective)


class FilesOwnScores(Counted):
    """A road that computes other arithmetic than the file: its slopes, taken where the file itself says to be.

    The file is asked about every image, which counts it.
    """

    def __init__(self, road: Gradient, model: DeployedModel, because: str):
        super().__init__(road, model, because)
        self.share = None  # the file's session is shared
        self.road = f"{self.road}, {road.stand_in}, scores by the file itself"

    def value_and_grad(self, batch, objective):
        told = torch.from_numpy(self._model.logits(batch)).to(batch.device)
        losses, grad, _ = self.inner.value_and_grad(batch, lambda own: objective(own + (told - own).detach()))
        return losses, grad, told


def _presented(road: Gradient, model: DeployedModel, because: str) -> Gradient:
    return (FilesOwnScores if road.stand_in else Counted)(road, model, because)


ROADS: dict[str, Callable[[DeployedModel, str], Gradient]] = {
    "compiled": lambda model, because: _presented(SideBySide(CompiledGradient, model), model, because),
    "torch": lambda model, because: _presented(TorchImport(model), model, because),
    "nes": NES,
    "spsa": SPSA,
}
