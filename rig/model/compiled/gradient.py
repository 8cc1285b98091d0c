"""The compiled road behind the seam of `rig.model.gradient`."""

import math

import onnx
import torch

from rig.errors import ModelError
from rig.model.compiled.engine import Derived, Engine, derive
from rig.model.compiled.entry import with_entry
from rig.model.compiled.graph import Graph
from rig.model.compiled.integers import unfused
from rig.model.compiled.kept import derived_once
from rig.model.compiled.prepare import prepare
from rig.model.deployed import LEAST_PROB, ORT_ERRORS, DeployedModel, require_unchanged
from rig.model.preprocess import feed
from rig.model.proof import INTEGERS, WIDE, among, prove
from rig.model.widened import widened

CACHE_BYTES = 10 << 20  # the largest tensor of a chunk: beyond this, element-wise passes wait for memory (measured)
MAX_CHUNK = 16
# What a rule raises on attributes or shapes that ONNX allows and nobody thought of: the other road is taken.
DERIVATION_FAILURES = (LookupError, TypeError, ValueError, AttributeError, RuntimeError, *ORT_ERRORS)


class CompiledGradient:
    """A forward and a backward graph that ONNX Runtime executes, proven against the file when made.

    Raises ModelError, naming the operator, if no backward graph can be derived.
    """

    road = "compiled gradient graph"
    share = None

    def __init__(self, model: DeployedModel):
        self._card = model.card
        self._path = model.path
        self._n_classes = len(model.labels)
        self._rounds = model.card.input.dtype == "uint8"  # straight through, outside the graph
        derived = derived_once(model, lambda: _derived(model))
        self._engine, self.stand_in = Engine(derived, model.threads), derived.stand_in
        self.chunk = self._engine.shape[0]  # images a pass
        self.max_logit_error = prove(self, model, self.stand_in)  # of the logits' range

    def value_and_grad(self, batch, objective):
        """As `rig.model.gradient.Gradient`."""
        starts = range(0, len(batch), self.chunk)
        parts = [self._chunk(batch, slice(start, start + self.chunk), objective) for start in starts]
        empty = batch.new_zeros(0), torch.zeros_like(batch[:0]), batch.new_zeros(0, self._n_classes)
        return tuple(torch.cat(parts_of_one).detach() for parts_of_one in zip(empty, *parts, strict=True))

    def _chunk(self, batch, rows, objective):
        with torch.enable_grad():
            images = batch[rows].detach().cpu().requires_grad_(self._rounds)
            missing = self.chunk - len(images)
            filled = torch.cat([images, images[-1:].expand(missing, -1, -1, -1)]) if missing else images
            values = feed(self._card, filled) if self._rounds else filled
            outputs = self._engine.forward(values.detach().numpy())
            leaf = torch.from_numpy(outputs).requires_grad_()
            logits = self._scores(leaf)[: len(images)]
            losses = objective(among(logits.to(batch.device), rows, len(batch)))[rows]
            (cotangent,) = torch.autograd.grad(losses.sum(), leaf)
            grad = torch.from_numpy(self._engine.backward(cotangent.numpy()))
            if self._rounds:
                (grad,) = torch.autograd.grad(values, filled, grad)
            grad = grad[: len(images)]
        return losses.detach(), grad.to(batch.device), logits.detach().to(batch.device)

    def _scores(self, outputs: torch.Tensor) -> torch.Tensor:
        scores = outputs.reshape(self.chunk, -1)
        if not torch.isfinite(scores).all():
            raise ModelError("the model's logits are not finite", where=self._path)
        return scores.clamp(min=LEAST_PROB).log() if self._card.output.kind == "probabilities" else scores


def _derived(model: DeployedModel) -> Derived:
    file = require_unchanged(model)
    try:
        onnx.load_external_data_for_model(file.proto, str(model.path.resolve().parent))
        stand_in = _in_ordinary_operators(file.proto)
        prepared = _prepared(model, file.proto, model.card.input.batch or 1)
        size = model.card.input.batch or chunk_size(prepared)
        return derive(prepared if size == 1 else _prepared(model, file.proto, size), stand_in)
    except ModelError as error:
        raise ModelError(str(error), where=model.path) from error
    except DERIVATION_FAILURES as error:
        got = f"{type(error).__name__}: {error}"
        raise ModelError("no compiled gradient: a form no rule expects", where=model.path, got=got) from error


def _in_ordinary_operators(proto: onnx.ModelProto) -> str:
    """`proto` changed in place to what the rules speak: float32, and codes between (de)quantisers."""
    replaced = [INTEGERS] * unfused(proto) + [WIDE] * widened(proto)
    return replaced[0] if replaced else ""


def _prepared(model: DeployedModel, proto: onnx.ModelProto, n: int) -> Graph:
    height, width = model.size_px
    shape = (n, 3, height, width) if model.card.input.layout == "NCHW" else (n, height, width, 3)
    copy = onnx.ModelProto()
    copy.CopyFrom(proto)
    graph = prepare(copy, shape, model.card.output.name)
    return graph if model.card.input.dtype == "uint8" else with_entry(graph, model.card.input)


def chunk_size(single: Graph) -> int:
    """Images a pass, from the graph of one image: a power of two, the same on every machine."""
    largest = max(4 * math.prod(shape) for name, shape in single.shapes.items() if name not in single.constants)
    fitting = max(1, min(MAX_CHUNK, CACHE_BYTES // largest))
    return 2 ** (fitting.bit_length() - 1)
