"""The seam between attacks and models: losses and their gradient with respect to the images."""

import warnings
from collections.abc import Callable
from typing import Protocol

import onnx
import onnx2fx
import torch

from rig.errors import ModelError
from rig.model.compiled import CompiledGradient
from rig.model.deployed import LEAST_PROB, DeployedModel, require_unchanged
from rig.model.estimators import NES, SPSA
from rig.model.parallel import SideBySide
from rig.model.preprocess import feed
from rig.model.proof import among, prove

Objective = Callable[[torch.Tensor], torch.Tensor]
"""Logits (B, K) to losses (B,). Loss i depends on row i alone."""

ON_GPU = "on a GPU"
CHUNK = {"cpu": 16, "cuda": 32}  # images a backward pass; at 32 a CPU spends half as much again on fresh memory
ROUNDING = {"QuantizeLinear", "DynamicQuantizeLinear"}
# The importer and the modules it builds raise whatever their operator hits: all of it means "not importable".
IMPORT_FAILURES = (
    onnx2fx.Onnx2FxError,
    RuntimeError,
    TypeError,
    ValueError,
    LookupError,
    AttributeError,
    AssertionError,
)


class Gradient(Protocol):
    road: str  # which one, and why not a faster one

    def value_and_grad(
        self, batch: torch.Tensor, objective: Objective
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Losses (B,), d loss / d batch (B, 3, H, W), logits (B, K); batch RGB in [0, 1] at the model's size."""


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
    """A road whose images count as the model's queries, as those asked of the file itself do."""

    def __init__(self, road: Gradient, model: DeployedModel, because: str):
        self._road, self._model = road, model
        self.road = f"{road.road} ({because})" if because else road.road
        self.max_logit_error = road.max_logit_error

    def value_and_grad(self, batch, objective):
        self._model.queries += len(batch)
        return self._road.value_and_grad(batch, objective)


class TorchImport:
    """The same ONNX file as a frozen torch module, proven against ONNX Runtime when made.

    Raises ModelError if the file cannot be imported, or the import computes anything else.
    """

    road = "torch import"

    def __init__(self, model: DeployedModel):
        self._card = model.card
        self._device = "cuda" if torch.cuda.is_available() else "cpu"
        self._module = _import(model).to(self._device, memory_format=torch.channels_last)
        self._n_classes = len(model.labels)
        self.max_logit_error = self._prove(model)  # of the logits' range

    def value_and_grad(self, batch, objective):
        size = self._card.input.batch or CHUNK[self._device]
        starts = range(0, len(batch), size)
        parts = [self._chunk(batch, slice(start, start + size), objective) for start in starts]
        empty = batch.new_zeros(0), torch.zeros_like(batch[:0]), batch.new_zeros(0, self._n_classes)
        return tuple(torch.cat(parts_of_one) for parts_of_one in zip(empty, *parts, strict=True))

    def _chunk(self, batch, rows, objective):
        images = batch[rows].detach().to(self._device).contiguous(memory_format=torch.channels_last).requires_grad_()
        with torch.enable_grad():
            logits = self._logits(images)
            losses = objective(among(logits, rows, len(batch)))[rows]
            (grad,) = torch.autograd.grad(losses.sum(), images)
        return tuple(t.detach().to(batch.device) for t in (losses, grad.contiguous(), logits))

    def _logits(self, images: torch.Tensor) -> torch.Tensor:
        missing = (self._card.input.batch or len(images)) - len(images)
        filled = torch.cat([images, images[-1:].expand(missing, -1, -1, -1)]) if missing else images
        with torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
            outputs = self._module(feed(self._card, filled))
        scores = outputs.reshape(len(filled), -1)[: len(images)].float()
        return scores.clamp(min=LEAST_PROB).log() if self._card.output.kind == "probabilities" else scores

    def _prove(self, model: DeployedModel) -> float:
        try:
            return prove(self, model)
        except IMPORT_FAILURES as error:
            raise _not_importable(model, error) from error


def _import(model: DeployedModel) -> torch.nn.Module:
    file = require_unchanged(model)
    if any(node.op_type in ROUNDING for node in file.proto.graph.node):
        got = "a quantised file (QuantizeLinear)"
        raise ModelError("no gradient: rounding has none", where=model.path, got=got, hint="use the float file")
    scores = [value for value in file.proto.graph.output if value.name == model.card.output.name]
    del file.proto.graph.output[:]
    file.proto.graph.output.extend(scores)
    try:
        onnx.load_external_data_for_model(file.proto, str(model.path.resolve().parent))
        with warnings.catch_warnings(action="ignore"):
            return onnx2fx.convert(file.proto).eval().requires_grad_(False)
    except IMPORT_FAILURES as error:
        raise _not_importable(model, error) from error


def _not_importable(model: DeployedModel, error: Exception) -> ModelError:
    operator = getattr(error, "op_type", None)
    got = f"unsupported operator {operator}" if operator else f"{type(error).__name__}: {error}"
    return ModelError("no gradient: the file cannot be imported into torch", where=model.path, got=got)


ROADS: dict[str, Callable[[DeployedModel, str], Gradient]] = {
    "compiled": lambda model, because: Counted(SideBySide(CompiledGradient, model), model, because),
    "torch": lambda model, because: Counted(TorchImport(model), model, because),
    "nes": NES,
    "spsa": SPSA,
}
