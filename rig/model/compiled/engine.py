"""Losses and input gradients by ONNX Runtime alone: a forward graph that keeps masks, and a backward graph."""

from dataclasses import dataclass

import numpy as np
import onnxruntime

from rig.errors import ModelError
from rig.model.compiled import convolution, moving, pointwise, quantised, reducing  # noqa: F401 (they register their rules)
from rig.model.compiled.backward import differentiate
from rig.model.compiled.defer import deferred
from rig.model.compiled.graph import Graph, from_proto, to_proto
from rig.model.compiled.halves import halves, living
from rig.model.compiled.layout import block_size, blocked
from rig.model.compiled.order import by_need, by_readiness
from rig.model.compiled.prepare import Level, open_session, optimised, session_options
from rig.model.deployed import ORT_ERRORS

COTANGENT = "rig_cotangent"
OrtValue = onnxruntime.OrtValue


@dataclass(frozen=True)
class Derived:
    """Two serialised graphs of one fixed batch shape, and the names of what they exchange."""

    forward: bytes
    backward: bytes
    images: str
    logits: str
    saved: list[str]  # what `forward` makes and `backward` needs
    stand_in: str = ""  # as `rig.model.gradient.Gradient`


class Engine:
    """Two sessions of one fixed batch shape that hand over what the second needs in buffers of their own.

    `backward` belongs to the `forward` before it. Not for two threads at once.
    """

    def __init__(self, derived: Derived, threads: int | None):
        options = session_options(Level.ORT_DISABLE_ALL, threads)
        forward, backward = (open_session(half, options) for half in (derived.forward, derived.backward))
        images, logits, saved = derived.images, derived.logits, derived.saved
        self._sessions = forward, backward
        self.shape = tuple(_value(forward.get_inputs(), images).shape)  # of the images
        self._images = np.zeros(self.shape, np.float32)
        self._gradient = np.zeros(self.shape, np.float32)
        feeds = {images: OrtValue.ortvalue_from_numpy(self._images)}
        names = [logits, *(name for name in saved if name not in (images, logits))]
        kept = dict(zip(names, _guarded(forward.run_with_ort_values, names, feeds), strict=True))
        self._logits = np.zeros(kept.pop(logits).shape(), np.float32)
        self._cotangent = np.zeros_like(self._logits)
        out = backward.get_outputs()[0].name
        buffers = {logits: self._logits, COTANGENT: self._cotangent, out: self._gradient}
        kept |= feeds | {name: OrtValue.ortvalue_from_numpy(buffer) for name, buffer in buffers.items()}
        self._bindings = (
            _bound(forward, kept, [images], names),
            _bound(backward, kept, [*saved, COTANGENT], [out]),
        )

    def forward(self, images: np.ndarray) -> np.ndarray:
        """Logits, of images of `shape`."""
        np.copyto(self._images, images)
        _guarded(self._sessions[0].run_with_iobinding, self._bindings[0])
        return self._logits.copy()

    def backward(self, cotangent: np.ndarray) -> np.ndarray:
        """d (logits . cotangent) / d images, at the images `forward` was last given."""
        np.copyto(self._cotangent, cotangent)
        _guarded(self._sessions[1].run_with_iobinding, self._bindings[1])
        return self._gradient.copy()


def _value(values, name: str):
    return next(value for value in values if value.name == name)


def _bound(session: onnxruntime.InferenceSession, values: dict[str, OrtValue], inputs: list[str], outputs: list[str]):
    binding = session.io_binding()
    for name in inputs:
        binding.bind_ortvalue_input(name, values[name])
    for name in outputs:
        binding.bind_ortvalue_output(name, values[name])
    return binding


def _guarded(run, *arguments):
    try:
        return run(*arguments)
    except (*ORT_ERRORS, RuntimeError) as error:  # a bound run raises the second
        raise ModelError("ONNX Runtime cannot run the gradient graph", got=error) from error


def derive(prepared: Graph, stand_in: str = "") -> Derived:
    """Raises ModelError where no gradient graph can be derived."""
    joint = joint_graph(prepared)
    forward, backward, saved = halves(fast(joint), COTANGENT)
    graphs = (to_proto(half).SerializeToString() for half in (by_readiness(forward), by_need(backward)))
    return Derived(*graphs, joint.inputs[0], joint.outputs[0], list(saved), stand_in)


def joint_graph(graph: Graph) -> Graph:
    """Forward and backward in one graph, the logits' cotangent its second input."""
    (images,), (logits,) = graph.inputs, graph.outputs
    graph.dtypes[COTANGENT] = np.dtype(np.float32)
    if logits in graph.shapes:
        graph.shapes[COTANGENT] = graph.shapes[logits]
    gradient = graph.op("Identity", differentiate(graph, logits, images, COTANGENT))
    graph.shapes[gradient], graph.dtypes[gradient] = graph.shapes[images], np.dtype(np.float32)
    graph.inputs, graph.outputs = [images, COTANGENT], [logits, gradient]
    return graph


def fast(joint: Graph) -> Graph:
    """ONNX Runtime's own optimisation, then element-wise nodes moved into its blocked convolution layout."""
    proto = to_proto(living(deferred(joint)))
    known = from_proto(proto, "unused").shapes
    graph = from_proto(optimised(proto, Level.ORT_ENABLE_ALL), "rig_blocked")
    graph.shapes = known | graph.shapes  # the optimiser forgets the shape of what it moves behind a reorder
    for name in (name for node in graph.nodes for name in node.outputs):
        graph.dtypes.setdefault(name, np.dtype(np.float32))  # and leaves what it adds untyped
    return blocked(graph, block_size())
