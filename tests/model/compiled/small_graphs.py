"""Small ONNX graphs, their compiled gradient, and the slope of the same graph in double precision."""

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from rig.model.compiled.engine import Engine, derive
from rig.model.compiled.prepare import prepare

OPSET = 20


def model(nodes, shape, weights=None, opset=OPSET, dtype=TensorProto.FLOAT) -> onnx.ModelProto:
    """From "x" of a static shape to "y"."""
    x = helper.make_tensor_value_info("x", dtype, shape)
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, None)
    tensors = [numpy_helper.from_array(np.asarray(value), name) for name, value in (weights or {}).items()]
    graph = helper.make_graph(nodes, "small", [x], [y], tensors)
    opsets = [helper.make_opsetid("", opset), helper.make_opsetid("com.microsoft", 1)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=9)


def node(op, *inputs, out="y", **attributes):
    return helper.make_node(op, list(inputs), [out], **attributes)


def gradient(proto: onnx.ModelProto, x: np.ndarray, cotangent=None, seed=0):
    """(outputs, cotangent, d (outputs . cotangent) / dx) of the compiled road."""
    copy = onnx.ModelProto()
    copy.CopyFrom(proto)
    engine = Engine(derive(prepare(copy, x.shape, "y")), threads=1)
    outputs = engine.forward(x)
    if cotangent is None:
        cotangent = np.random.default_rng(seed).normal(size=outputs.shape).astype(np.float32)
    return outputs, cotangent, engine.backward(cotangent)


def slopes(proto: onnx.ModelProto, x: np.ndarray, cotangent, directions, step=1e-6) -> np.ndarray:
    """Central differences of outputs . cotangent along each direction, by ONNX's reference implementation."""
    reference = ReferenceEvaluator(_in_double(proto))

    def value(at):
        return float((reference.run(None, {"x": at})[0].astype(np.float64) * cotangent).sum())

    wide = x.astype(np.float64)
    return np.array([(value(wide + step * d) - value(wide - step * d)) / (2 * step) for d in directions])


def _in_double(proto: onnx.ModelProto) -> onnx.ModelProto:
    copy = onnx.ModelProto()
    copy.CopyFrom(proto)
    for value in (*copy.graph.input, *copy.graph.output):
        value.type.tensor_type.elem_type = TensorProto.DOUBLE
    wide = [numpy_helper.to_array(tensor) for tensor in copy.graph.initializer]
    tensors = [
        numpy_helper.from_array(value.astype(np.float64) if value.dtype == np.float32 else value, tensor.name)
        for value, tensor in zip(wide, copy.graph.initializer, strict=True)
    ]
    del copy.graph.initializer[:]
    copy.graph.initializer.extend(tensors)
    return copy
