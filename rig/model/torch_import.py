"""The same ONNX file as a torch module: the road on a GPU, and where the compiled graph lacks a rule."""

import contextlib
import io
import warnings

import onnx
import onnx2fx
import torch

from rig.errors import ModelError
from rig.model.card import Card
from rig.model.deployed import LEAST_PROB, DeployedModel, require_unchanged
from rig.model.preprocess import feed
from rig.model.proof import WIDE, among, prove
from rig.model.widened import widened

CHUNK = {"cpu": 16, "cuda": 32}  # images a backward pass; at 32 a CPU spends half as much again on fresh memory
ROUNDING = {"QuantizeLinear", "DynamicQuantizeLinear", "QLinearConv", "QLinearMatMul", "ConvInteger", "MatMulInteger"}
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


class TorchImport:
    """The same ONNX file as a frozen torch module, proven against ONNX Runtime when made.

    Raises ModelError if the file cannot be imported, or the import computes anything else.
    """

    road = "torch import"
    share = None

    def __init__(self, model: DeployedModel):
        self._card = _float_card(model.card)
        self._device = "cuda" if torch.cuda.is_available() else "cpu"
        module, self.stand_in = _import(model)
        self._module = module.to(self._device, memory_format=torch.channels_last)
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
            with contextlib.redirect_stderr(io.StringIO()):  # where torch.fx prints the traceback of what it raises
                return prove(self, model, self.stand_in)
        except IMPORT_FAILURES as error:
            raise _not_importable(model, error) from error


def _float_card(card: Card) -> Card:
    """A float16 network is imported in float32."""
    if card.input.dtype != "float16":
        return card
    return card.model_copy(update={"input": card.input.model_copy(update={"dtype": "float32"})})


def _import(model: DeployedModel) -> tuple[torch.nn.Module, str]:
    """And what it computes in place of the file's own arithmetic, a key of STAND_INS."""
    file = require_unchanged(model)
    if any(node.op_type in ROUNDING for node in file.proto.graph.node):
        got = "a quantised file (QuantizeLinear)"
        raise ModelError("no gradient: rounding has none", where=model.path, got=got, hint="use the float file")
    scores = [value for value in file.proto.graph.output if value.name == model.card.output.name]
    del file.proto.graph.output[:]
    file.proto.graph.output.extend(scores)
    try:
        onnx.load_external_data_for_model(file.proto, str(model.path.resolve().parent))
        stand_in = WIDE if widened(file.proto) else ""
        with warnings.catch_warnings(action="ignore"):
            return onnx2fx.convert(file.proto).eval().requires_grad_(False), stand_in
    except IMPORT_FAILURES as error:
        raise _not_importable(model, error) from error


def _not_importable(model: DeployedModel, error: Exception) -> ModelError:
    operator = getattr(error, "op_type", None)
    got = f"unsupported operator {operator}" if operator else f"{type(error).__name__}: {error}"
    return ModelError("no gradient: the file cannot be imported into torch", where=model.path, got=got)
