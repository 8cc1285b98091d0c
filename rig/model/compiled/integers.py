"""Operators that compute on codes (QLinearConv, ConvInteger, ...) written as ordinary ones between (de)quantisers.

Only the slope is taken through what this makes; the scores are the file's own.
"""

from collections.abc import Callable

import numpy as np
import onnx
from onnx import helper, numpy_helper

from rig.errors import ModelError

UNARY = {"QLinearSigmoid", "QLinearLeakyRelu", "QLinearSoftmax", "QLinearGlobalAveragePool", "QLinearAveragePool"}
FOREIGN = {"channels_last", "opset"}  # attributes that the ordinary operator does not have


def unfused(proto: onnx.ModelProto) -> bool:
    """Whether there were any; `proto`, which holds its external weights, is changed in place."""
    writer = _Writer(proto.graph)
    for node in proto.graph.node:
        writer.write(node)
    del proto.graph.node[:]
    proto.graph.node.extend(writer.nodes)
    return writer.changed


class _Writer:
    def __init__(self, graph: onnx.GraphProto):
        self.graph, self.nodes, self.changed = graph, [], False
        self._constants = {tensor.name: tensor for tensor in graph.initializer}
        self._n_made = 0

    def write(self, node: onnx.NodeProto) -> None:
        rewrite = REWRITES.get(node.op_type)
        if rewrite is None:
            self.nodes.append(node)
            return
        if any(a.name == "channels_last" and a.i for a in node.attribute):
            raise ModelError("no compiled gradient", got=f"{node.op_type}: channels last")
        self.changed = True
        rewrite(self, node, list(node.input) + [""] * 12)

    def op(self, op: str, inputs: list[str], output: str = "", attributes=()) -> str:
        output = output or self._fresh(op)
        made = helper.make_node(op, inputs, [output])
        made.attribute.extend(attribute for attribute in attributes if attribute.name not in FOREIGN)
        self.nodes.append(made)
        return output

    def dequantised(self, code: str, scale: str, zero: str, axis: int = 1) -> str:
        inputs = [code, scale] + ([zero] if zero else [])
        return self.op("DequantizeLinear", inputs, attributes=[helper.make_attribute("axis", axis)])

    def quantised(self, value: str, scale: str, zero: str, output: str) -> None:
        self.op("QuantizeLinear", [value, scale] + ([zero] if zero else []), output)

    def product(self, *scales: str) -> str:
        """The scale of a bias: that of the input times that of the weights."""
        return self.constant(np.prod(np.broadcast_arrays(*(self.known(scale).squeeze() for scale in scales)), axis=0))

    def known(self, name: str) -> np.ndarray:
        if name not in self._constants:
            raise ModelError("no compiled gradient", got="a quantisation scale or weight computed by the graph")
        return numpy_helper.to_array(self._constants[name])

    def constant(self, value: np.ndarray) -> str:
        name = self._fresh("constant")
        self.graph.initializer.append(numpy_helper.from_array(np.asarray(value, np.float32), name))
        self._constants[name] = self.graph.initializer[-1]
        return name

    def _fresh(self, stem: str) -> str:
        self._n_made += 1
        return f"rig_unfused_{stem}_{self._n_made}"


def _conv(writer: _Writer, node, names: list[str]) -> None:
    x, x_scale, x_zero, w, w_scale, w_zero, y_scale, y_zero, bias = names[:9]
    inputs = [writer.dequantised(x, x_scale, x_zero), writer.dequantised(w, w_scale, w_zero, axis=0)]
    if bias:
        inputs.append(writer.dequantised(bias, writer.product(x_scale, w_scale), "", axis=0))
    value = writer.op("Conv", inputs, attributes=node.attribute)
    writer.quantised(value, y_scale, y_zero, node.output[0])


def _matmul(writer: _Writer, node, names: list[str]) -> None:
    a, b = writer.dequantised(*names[:3]), writer.dequantised(*names[3:6], axis=-1)
    writer.quantised(writer.op("MatMul", [a, b]), names[6], names[7], node.output[0])


def _binary(writer: _Writer, node, names: list[str]) -> None:
    a, b = writer.dequantised(*names[:3]), writer.dequantised(*names[3:6])
    value = writer.op(node.op_type.removeprefix("QLinear"), [a, b])
    writer.quantised(value, names[6], names[7], node.output[0])


def _unary(writer: _Writer, node, names: list[str]) -> None:
    x = writer.dequantised(*names[:3])
    value = writer.op(node.op_type.removeprefix("QLinear"), [x], attributes=node.attribute)
    writer.quantised(value, names[3], names[4], node.output[0])


def _concat(writer: _Writer, node, names: list[str]) -> None:
    parts = [writer.dequantised(*names[i : i + 3]) for i in range(2, len(node.input), 3)]
    writer.quantised(writer.op("Concat", parts, attributes=node.attribute), names[0], names[1], node.output[0])


def _gemm(writer: _Writer, node, names: list[str]) -> None:
    a, a_scale, a_zero, b, b_scale, b_zero, bias, y_scale, y_zero = names[:9]
    trans_b = any(attribute.name == "transB" and attribute.i for attribute in node.attribute)
    inputs = [writer.dequantised(a, a_scale, a_zero), writer.dequantised(b, b_scale, b_zero, axis=0 if trans_b else 1)]
    if bias:
        alpha = [writer.constant(np.float32(found.f)) for found in node.attribute if found.name == "alpha"]
        inputs.append(writer.dequantised(bias, writer.product(a_scale, b_scale, *alpha), "", axis=-1))
    value = writer.op("Gemm", inputs, "" if y_scale else node.output[0], node.attribute)
    if y_scale:
        writer.quantised(value, y_scale, y_zero, node.output[0])


def _dynamic(writer: _Writer, node, names: list[str]) -> None:
    """Left out: the value itself, in steps of 1 from 0."""
    writer.op("Identity", [names[0]], node.output[0])
    for output, value in zip(node.output[1:], (1.0, 0.0), strict=False):
        writer.op("Identity", [writer.constant(np.float32(value))], output)


def _of_integers(writer: _Writer, node, names: list[str]) -> None:
    """ConvInteger, MatMulInteger: of the value a dynamic quantiser stands for, and whole-numbered weights."""
    weight, zero = writer.known(names[1]).astype(np.float32), np.float32(0)
    is_conv = node.op_type == "ConvInteger"
    if names[3]:
        zero = writer.known(names[3]).astype(np.float32)
        zero = zero.reshape(-1, *(1,) * (weight.ndim - 1)) if is_conv else zero
    inputs = [names[0], writer.constant(weight - zero)]
    writer.op(node.op_type.removesuffix("Integer"), inputs, node.output[0], node.attribute)


REWRITES: dict[str, Callable] = {
    "QLinearConv": _conv,
    "QLinearMatMul": _matmul,
    "QLinearAdd": _binary,
    "QLinearMul": _binary,
    "QLinearConcat": _concat,
    "QGemm": _gemm,
    "DynamicQuantizeLinear": _dynamic,
    "ConvInteger": _of_integers,
    "MatMulInteger": _of_integers,
    **dict.fromkeys(UNARY, _unary),
}
