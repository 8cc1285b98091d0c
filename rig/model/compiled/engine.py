"""Losses and input gradients by ONNX Runtime alone: a forward graph that keeps masks, and a backward graph."""

from dataclasses import dataclass

import numpy as np
import onnxruntime

from rig.errors import ModelError
from rig.model.compiled import convolution, moving, pointwise, reducing  # noqa: F401 (they register their rules)
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
class Engine:
    """Two sessions of one fixed batch shape. `saved` values go from the first to the second, never through Python."""

    forward: onnxruntime.InferenceSession
    backward: onnxruntime.InferenceSession
    images: str
    logits: str
    saved: list[str]
    shape: tuple[int, ...]  # of the images

    def run_forward(self, values: np.ndarray) -> tuple[np.ndarray, dict[str, OrtValue]]:
        """Logits, and what `run_backward` needs."""
        images = {self.images: OrtValue.ortvalue_from_numpy(values)}
        names = [self.logits, *(name for name in self.saved if name != self.images)]
        logits, *kept = _run(self.forward, names, images)
        return logits.numpy(), images | dict(zip(names[1:], kept, strict=True))

    def run_backward(self, kept: dict[str, OrtValue], cotangent: np.ndarray) -> np.ndarray:
        """d (logits . cotangent) / d images."""
        feeds = {name: kept[name] for name in self.saved} | {COTANGENT: OrtValue.ortvalue_from_numpy(cotangent)}
        (gradient,) = _run(self.backward, None, feeds)
        return gradient.numpy()


def _run(session: onnxruntime.InferenceSession, names: list[str] | None, feeds: dict[str, OrtValue]) -> list[OrtValue]:
    try:
        return session.run_with_ort_values(names, feeds)
    except ORT_ERRORS as error:
        raise ModelError("ONNX Runtime cannot run the gradient graph", got=error) from error


def build(prepared: Graph, threads: int | None) -> Engine:
    """Raises ModelError where no gradient graph can be derived."""
    joint = joint_graph(prepared)
    forward, backward, saved = halves(fast(joint), COTANGENT)
    options = session_options(Level.ORT_DISABLE_ALL, threads)
    first, second = (open_session(to_proto(half), options) for half in (by_readiness(forward), by_need(backward)))
    return Engine(first, second, joint.inputs[0], joint.outputs[0], saved, joint.shapes[joint.inputs[0]])


def joint_graph(graph: Graph) -> Graph:
    """Forward and backward in one graph, the logits' cotangent its second input."""
    (images,), (logits,) = graph.inputs, graph.outputs
    graph.dtypes[COTANGENT] = np.dtype(np.float32)
    if logits in graph.shapes:
        graph.shapes[COTANGENT] = graph.shapes[logits]
    gradient = differentiate(graph, logits, images, COTANGENT)
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
