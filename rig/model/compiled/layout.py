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
    return _fused_sums(_Relayout(graph, block).run())


class _Relayout:
    """One pass in topological order; `twin` maps a value in plain layout to the same value in blocked layout."""

    def __init__(self, graph: Graph, block: int):
        self.graph, self.block = graph, block
        self.old, graph.nodes = graph.nodes, []
        self.twin: dict[str, str] = {}
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

    def _settle(self, name: str) -> None:
        if name in self.owed:
            self.graph.nodes.append(self.owed.pop(name))

    def _has_twin(self, name: str) -> bool:
        """Of a value of one pixel and whole blocks the blocked twin is the value itself."""
        shape = self.graph.shapes.get(name, ())
        if name not in self.twin and len(shape) == 4 and shape[2:] == (1, 1) and shape[1] % self.block == 0:
            self.twin[name] = name
        return name in self.twin

    def _move(self, node: Node) -> bool:
        """Do an element-wise node on the blocked twins, if all its operands have one or are single numbers."""
        shape = self.graph.shapes.get(node.output, ())
        special = {"Expand": self._expand, "DepthToSpace": self._depth_to_space}.get(node.op)
        if special and len(shape) == 4 and shape[1] % self.block == 0 and self._has_twin(node.inputs[0]):
            return special(node, shape)
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
        self._owe(node.output, moved, shape[1])
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
        n, channels, height, width = shape
        if self.graph.shapes[node.inputs[0]] != (n, channels, 1, 1):
            return False
        small = self._view(self.twin[node.inputs[0]], (n, channels // self.block, 1, 1, self.block))
        sides = self.graph.integers((n, channels // self.block, height, width, self.block))
        wide = self.graph.op("Expand", small, sides)
        self.graph.dtypes[wide] = self.graph.dtypes[node.output]
        self._owe(node.output, self._view(wide, shape), channels)
        return True

    def _depth_to_space(self, node: Node, shape) -> bool:
        """Phases that follow one another as whole groups of blocks."""
        n, channels, height, width = shape
        size = node.attributes["blocksize"]
        if node.attributes.get("mode", "DCR") != "DCR":
            return False
        split = (n, size, size, channels // self.block, height // size, width // size, self.block)
        apart = self._view(self.twin[node.inputs[0]], split)
        whole = self.graph.op("Transpose", apart, perm=[0, 3, 4, 1, 5, 2, 6])
        self.graph.dtypes[whole] = self.graph.dtypes[node.output]
        self._owe(node.output, self._view(whole, shape), channels)
        return True

    def _view(self, name: str, shape) -> str:
        view = self.graph.op("Reshape", name, self.graph.integers(shape))
        self.graph.dtypes[view] = self.graph.dtypes[name]
        return view


def _fused_sums(graph: Graph) -> Graph:
    return graph
