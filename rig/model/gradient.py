"""The seam between attacks and models: losses and their gradient with respect to the images."""

import warnings
from collections.abc import Callable
from typing import Protocol

import onnx
import onnx2fx
import torch

from rig.errors import ModelError
from rig.model.compiled import CompiledGradient
from rig.model.deployed import LEAST_PROB, DeployedModel
from rig.model.onnx_file import open_onnx
from rig.model.preprocess import feed
from rig.model.parallel import SideBySide
from rig.model.proof import among, prove

Objective = Callable[[torch.Tensor], torch.Tensor]
"""Logits (B, K) to losses (B,). Loss i depends on row i alone."""

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


def gradient_of(model: DeployedModel) -> Gradient:
    """The compiled graph on a CPU, where one can be derived; else the torch import."""
    if torch.cuda.is_available():
        return TorchImport(model, because="on a GPU")
    try:
        return SideBySide(CompiledGradient, model)
    except ModelError as error:
        return TorchImport(model, because=str(error))


class TorchImport:
    """The same ONNX file as a frozen torch module, proven against ONNX Runtime when made.

    Raises ModelError if the file cannot be imported, or the import computes anything else.
    """

    def __init__(self, model: DeployedModel, because: str = "asked for"):
        self.road = f"torch import ({because})"
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
    file = open_onnx(model.path)
    if file.sha256 != model.sha256:
        raise ModelError("the model file changed since it was loaded", where=model.path)
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
