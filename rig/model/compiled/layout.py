"""Keep element-wise arithmetic in the blocked layout of ONNX Runtime's CPU convolutions.

Its optimiser stores activations as (N, C / b, H, W, b) between convolutions, b the vector width, under the shape
(N, C, H, W) with C rounded up to whole blocks, and reorders around every node it has no blocked kernel for: every
mask. An element-wise node does not care in which order its numbers lie, so reorders move behind it, meet their
inverse and vanish. Numbers in the padding channels are rubbish to nobody: the next convolution weighs them with 0.
"""

import functools
from dataclasses import replace

import numpy as np
import onnxruntime
from onnx import TensorProto, helper
from onnxruntime.capi import onnxruntime_pybind11_state as ort_errors

from rig.model.compiled.graph import Graph, Node

NCHWC = "com.microsoft.nchwc"
# Finite on any finite input, or comparing: division, logarithms and roots stay out of padding channels.
ANYWHERE = {
    "Add", "Sub", "Mul", "Neg", "Abs", "Sign", "Relu", "Clip", "LeakyRelu", "Elu", "Sigmoid", "Tanh", "HardSigmoid",
    "HardSwish", "Erf", "Gelu", "Greater", "Less", "GreaterOrEqual", "LessOrEqual", "Equal", "And", "Or", "Not",
    "Where", "Cast", "Min", "Max", "Sum", "QuickGelu",
}  # fmt: skip
WHOLE_BLOCKS = {"Div", "Exp", "Log", "Sqrt", "Pow", "Reciprocal", "Softplus"}


@functools.cache
def block_size() -> int:
    """Channels in a block on this processor, 1 where there is no blocked layout: asked by reordering 4 channels."""
    node = helper.make_node("ReorderInput", ["x"], ["y"], domain=NCHWC)
    x, y = (
        helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
        for name, shape in (("x", [1, 4, 1, 1]), ("y", None))
    )
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid(NCHWC, 1)]
    proto = helper.make_model(helper.make_graph([node], "probe", [x], [y]), opset_imports=opsets, ir_version=9)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    try:
        session = onnxruntime.InferenceSession(proto.SerializeToString(), options, providers=["CPUExecutionProvider"])
        return session.run(None, {"x": np.zeros((1, 4, 1, 1), np.float32)})[0].shape[1]
    except (ort_errors.NotImplemented, ort_errors.Fail, ort_errors.InvalidGraph, ort_errors.RuntimeException):
        return 1


def blocked(graph: Graph, block: int) -> Graph:
    if not any(node.domain == NCHWC for node in graph.nodes):
        return graph
    return _Relayout(graph, block).run()


class _Relayout:
    """One pass in topological order; `twin` maps a value in plain layout to the same value in blocked layout."""

    def __init__(self, graph: Graph, block: int):
        self.graph, self.block = graph, block
        self.old, graph.nodes = graph.nodes, []
        self.twin: dict[str, str] = {}
        self.split: dict[str, tuple[str, int]] = {}  # values of six axes: their twin of seven, where its blocks are
        self.rename: dict[str, str] = {}
        self.owed: dict[str, Node] = {}  # plain values not yet made, and the node that makes them

    def run(self) -> Graph:
        for node in self.old:
            self._step(replace(node, inputs=[self.rename.get(name, name) for name in node.inputs]))
        for name in self.graph.outputs:
            self._settle(name)
        return self.graph

    def _step(self, node: Node) -> None:
        if node.domain == NCHWC and node.op == "ReorderOutput" and not node.attributes.get("channels_last", 0):
            self._owe(node.output, node.inputs[0], node.attributes["channels"])
        elif node.domain == NCHWC and node.op == "ReorderInput" and self._has_twin(node.inputs[0]):
            self.rename[node.output] = self.twin[node.inputs[0]]
        elif not self._move(node):
            for name in node.inputs:
                self._settle(name)
            self.graph.nodes.append(node)

    def _owe(self, plain: str, twin: str, channels: int) -> None:
        self.twin[plain] = twin
        self.owed[plain] = Node("ReorderOutput", [twin], [plain], {"channels": channels, "channels_last": 0}, NCHWC)

    def _owe_as(self, node: Node, twin: str, plain: str = "") -> None:
        """Owe a node's result: floats are reordered from the twin, anything else is computed again."""
        plain = plain or node.output
        self._owe(plain, twin, self.graph.shapes[plain][1])
        if self.graph.dtypes[plain] != np.float32:
            self.owed[plain] = node

    def _settle(self, name: str) -> None:
        if name in self.owed:
            node = self.owed.pop(name)
            for other in node.outputs:
                self.owed.pop(other, None)
            for source in node.inputs:
                self._settle(source)
            self.graph.nodes.append(node)

    def _has_twin(self, name: str) -> bool:
        """Of a value of one pixel and whole blocks the blocked twin is the value itself."""
        shape = self.graph.shapes.get(name, ())
        if name not in self.twin and len(shape) == 4 and shape[2:] == (1, 1) and shape[1] % self.block == 0:
            self.twin[name] = name
        return name in self.twin

    def _move(self, node: Node) -> bool:
        """Do an element-wise node on the blocked twins, if all its operands have one or are single numbers."""
        shape = self.graph.shapes.get(node.output, ())
        if node.op == "Expand":
            return self._expand(node, shape)
        if node.op in ("Split", "Concat") and node.attributes.get("axis", 0) == 0:
            return self._batchwise(node)
        if node.op in ("Reshape", "Transpose"):
            return self._regroup(node, self.graph.shapes.get(node.inputs[0], ()), shape)
        if not self._may_move(node, shape):
            return False
        wide = [name for name in node.inputs if name and not self._is_number(name)]
        if not any(name in self.owed or name in self.twin for name in wide):
            return False
        if not all(self._has_twin(name) and self._fits(name, shape) for name in wide):
            return False
        inputs = [self.twin.get(name, name) for name in node.inputs]
        if any(self.graph.shapes[name] != shape for name in wide):
            moved = self._five_axes(node, inputs, shape)
        else:
            moved = self.graph.op(node.op, *inputs, domain=node.domain, **node.attributes)
        self.graph.dtypes[moved] = self.graph.dtypes[node.output]
        self._owe_as(node, moved)
        return True

    def _may_move(self, node: Node, shape) -> bool:
        allowed = node.op in ANYWHERE or (node.op in WHOLE_BLOCKS and shape[1:2] and shape[1] % self.block == 0)
        return allowed and node.domain != NCHWC and len(node.outputs) == 1 and len(shape) == 4

    def _is_number(self, name: str) -> bool:
        return name in self.graph.constants and self.graph.constants[name].size == 1

    def _fits(self, name: str, shape) -> bool:
        """Of the full shape, or one number a channel that can be laid along whole blocks."""
        own = self.graph.shapes[name]
        return own == shape or (shape[1] % self.block == 0 and own == (shape[0], shape[1], 1, 1))

    def _five_axes(self, node: Node, inputs: list[str], shape) -> str:
        n, channels, height, width = shape
        blocks = channels // self.block
        views = [
            name if self._is_number(plain) else self._view(name, (n, blocks, *self.graph.shapes[plain][2:], self.block))
            for name, plain in zip(inputs, node.inputs, strict=True)
        ]
        result = self.graph.op(node.op, *views, domain=node.domain, **node.attributes)
        self.graph.dtypes[result] = self.graph.dtypes[node.output]
        return self._view(result, shape)

    def _expand(self, node: Node, shape) -> bool:
        """One number a channel over all pixels."""
        small_shape = self.graph.shapes.get(node.inputs[0])
        if len(shape) != 4 or small_shape != (*shape[:2], 1, 1) or not self._has_twin(node.inputs[0]):
            return False
        n, channels, height, width = shape
        if channels % self.block:
            return False
        small = self._view(self.twin[node.inputs[0]], (n, channels // self.block, 1, 1, self.block))
        sides = self.graph.integers((n, channels // self.block, height, width, self.block))
        wide = self.graph.op("Expand", small, sides)
        self.graph.dtypes[wide] = self.graph.dtypes[node.output]
        self._owe(node.output, self._view(wide, shape), channels)
        return True

    def _batchwise(self, node: Node) -> bool:
        """Images of a batch taken apart or together."""
        wide = node.inputs[:1] if node.op == "Split" else node.inputs
        if not all(len(self.graph.shapes.get(name, ())) == 4 and self._has_twin(name) for name in wide):
            return False
        inputs = [self.twin.get(name, name) for name in node.inputs]
        moved = [self.graph.fresh(node.op) for _ in node.outputs]
        self.graph.nodes.append(replace(node, inputs=inputs, outputs=moved))
        for plain, twin in zip(node.outputs, moved, strict=True):
            self.graph.dtypes[twin] = self.graph.dtypes[plain]
            self._owe_as(node, twin, plain)
        return True

    def _regroup(self, node: Node, shape, wanted) -> bool:
        """Phases of a strided convolution: split from a plane or a stack, transposed, merged (six plain axes)."""
        source = node.inputs[0]
        if node.op == "Transpose" and source in self.split:
            twin, axis = self.split[source]
            order = list(node.attributes["perm"])
            moved = self.graph.op("Transpose", twin, perm=[*order, 6])
            self.graph.dtypes[moved] = self.graph.dtypes[node.output]
            self.split[node.output] = moved, order.index(axis)
        elif node.op == "Reshape" and (len(shape), len(wanted)) == (4, 6) and self._has_twin(source):
            axis = _channel_axis(shape, wanted, self.block)
            if axis is None:
                return False
            self.split[node.output] = self._view(self.twin[source], self._in_blocks(wanted, axis)), axis
        elif node.op == "Reshape" and (len(shape), len(wanted)) == (6, 4) and source in self.split:
            twin, axis = self.split[source]
            if _channel_axis(wanted, shape, self.block) != axis:
                return False
            padded = -(-wanted[1] // self.block) * self.block
            self.twin[node.output] = self._view(twin, (wanted[0], padded, *wanted[2:]))
            self._owe_as(node, self.twin[node.output])
            return True
        else:
            return self._restack(node, shape, wanted)
        self.owed[node.output] = node
        return True

    def _restack(self, node: Node, shape, wanted) -> bool:
        """Whole blocks of channels as images of a batch, or back: the same numbers in the same order."""
        planes = len(shape) == len(wanted) == 4 and shape[2:] == wanted[2:]
        if node.op != "Reshape" or not planes or not self._has_twin(node.inputs[0]):
            return False
        if shape[1] % self.block or wanted[1] % self.block:
            return False
        self._owe_as(node, self._view(self.twin[node.inputs[0]], wanted))
        return True

    def _in_blocks(self, shape, axis: int) -> tuple[int, ...]:
        return (*shape[:axis], -(-shape[axis] // self.block), *shape[axis + 1 :], self.block)

    def _view(self, name: str, shape) -> str:
        view = self.graph.op("Reshape", name, self.graph.integers(shape))
        self.graph.dtypes[view] = self.graph.dtypes[name]
        return view


def _channel_axis(shape, split, block: int) -> int | None:
    """Where the channels of a (N, C, H, W) value are once it is split in six, if blocks of them stay together."""
    n, channels, height, width = shape
    if split[:2] == (n, channels) and (split[2] * split[3], split[4] * split[5]) == (height, width):
        return 1
    if split[4:] != (height, width):
        return None
    stacked = split[3] == channels and split[0] * split[1] * split[2] == n
    in_channels = split[0] == n and split[1] * split[2] * split[3] == channels and split[3] % block == 0
    return 3 if stacked or in_channels else None
