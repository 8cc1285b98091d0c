"""Every rule against central differences of ONNX's own reference implementation, in double precision."""

import numpy as np
import pytest
from onnx import helper
from small_graphs import gradient, model, node, slopes

from rig.errors import ModelError

rng = np.random.default_rng(7)


def f(*shape):
    return rng.normal(size=shape).astype(np.float32)


def i(*values):
    return np.array(values, np.int64)


def positive(*shape):
    return (np.abs(f(*shape)) + 0.3).astype(np.float32)


IMAGE = (2, 4, 6, 6)
CASES = {
    "Relu": ([node("Relu", "x")], IMAGE, {}),
    "Clip": ([node("Clip", "x", "a", "b")], IMAGE, {"a": np.float32(-0.5), "b": np.float32(0.7)}),
    "Clip 0 to 6": (
        [node("Mul", "x", "k", out="z"), node("Clip", "z", "a", "b")],
        IMAGE,
        {"k": np.float32(8), "a": np.float32(0), "b": np.float32(6)},
    ),
    "Clip below": ([node("Clip", "x", "a")], IMAGE, {"a": np.float32(0.1)}),
    "Clip above": ([node("Clip", "x", "", "a")], IMAGE, {"a": np.float32(0.1)}),
    "Clip nowhere": ([node("Clip", "x", out="z"), node("Mul", "z", "z")], IMAGE, {}),
    "LeakyRelu": ([node("LeakyRelu", "x", alpha=0.2)], IMAGE, {}),
    "PRelu": ([node("PRelu", "x", "a")], IMAGE, {"a": f(4, 1, 1)}),
    "Elu": ([node("Elu", "x", alpha=0.7)], IMAGE, {}),
    "HardSigmoid": ([node("HardSigmoid", "x", alpha=0.4, beta=0.45)], IMAGE, {}),
    "HardSwish": ([node("Mul", "x", "k", out="z"), node("HardSwish", "z")], IMAGE, {"k": np.float32(3)}),
    "Sigmoid": ([node("Sigmoid", "x")], IMAGE, {}),
    "Tanh": ([node("Tanh", "x")], IMAGE, {}),
    "Softplus": ([node("Softplus", "x")], IMAGE, {}),
    "Gelu": ([node("Gelu", "x")], IMAGE, {}),
    "Gelu tanh": ([node("Gelu", "x", approximate="tanh")], IMAGE, {}),
    "Erf": ([node("Erf", "x")], IMAGE, {}),
    "Exp": ([node("Exp", "x")], IMAGE, {}),
    "Log": ([node("Exp", "x", out="e"), node("Add", "e", "k", out="z"), node("Log", "z")], IMAGE, {"k": np.float32(1)}),
    "Sqrt": (
        [node("Exp", "x", out="e"), node("Add", "e", "k", out="z"), node("Sqrt", "z")],
        IMAGE,
        {"k": np.float32(1)},
    ),
    "Reciprocal": (
        [node("Exp", "x", out="e"), node("Add", "e", "k", out="z"), node("Reciprocal", "z")],
        IMAGE,
        {"k": np.float32(1)},
    ),
    "Abs": ([node("Abs", "x")], IMAGE, {}),
    "Neg": ([node("Neg", "x")], IMAGE, {}),
    "Pow 2": ([node("Pow", "x", "p")], IMAGE, {"p": np.float32(2)}),
    "Pow of constants": (
        [node("Exp", "x", out="e"), node("Pow", "e", "p")],
        IMAGE,
        {"p": np.array([[[1.0]], [[2.0]], [[0.5]], [[-1.0]]], np.float32)},
    ),
    "Nothing": ([node("Identity", "x")], IMAGE, {}),
    "Pow 3": ([node("Pow", "x", "p")], IMAGE, {"p": np.float32(3)}),
    "Add broadcast": ([node("ReduceMean", "x", "s", out="m"), node("Add", "x", "m")], IMAGE, {"s": i(2, 3)}),
    "Sub of its mean": ([node("ReduceMean", "x", "s", out="m"), node("Sub", "m", "x")], IMAGE, {"s": i(1)}),
    "Mul both": ([node("Sigmoid", "x", out="z"), node("Mul", "x", "z")], IMAGE, {}),
    "Mul squeeze": (
        [node("ReduceMean", "x", "s", out="m"), node("Sigmoid", "m", out="g"), node("Mul", "g", "x")],
        IMAGE,
        {"s": i(2, 3)},
    ),
    "Mul lower rank": ([node("Mul", "x", "w")], IMAGE, {"w": f(6, 1)}),
    "Square": ([node("Mul", "x", "x")], IMAGE, {}),
    "Div": (
        [node("Exp", "x", out="e"), node("Add", "e", "k", out="d"), node("Div", "x", "d")],
        IMAGE,
        {"k": np.float32(1)},
    ),
    "Div by constant": ([node("Div", "x", "w")], IMAGE, {"w": positive(4, 1, 1)}),
    "Sum": ([node("Sigmoid", "x", out="z"), node("Sum", "x", "z", "x")], IMAGE, {}),
    "Max": ([node("Max", "x", "w")], IMAGE, {"w": f(4, 1, 1)}),
    "Min": ([node("Sigmoid", "x", out="z"), node("Min", "x", "z")], IMAGE, {}),
    "Where": (
        [node("Greater", "x", "k", out="c"), node("Tanh", "x", out="z"), node("Where", "c", "z", "x")],
        IMAGE,
        {"k": np.float32(0.1)},
    ),
    "Floor aside": ([node("Floor", "x", out="z"), node("Mul", "x", "z")], IMAGE, {}),
    "BatchNormalization": (
        [node("Sigmoid", "x", out="z"), node("BatchNormalization", "z", "s", "b", "m", "v")],
        IMAGE,
        {"s": f(4), "b": f(4), "m": f(4), "v": positive(4)},
    ),
    "InstanceNormalization": ([node("InstanceNormalization", "x", "s", "b")], IMAGE, {"s": f(4), "b": f(4)}),
    "LayerNormalization": ([node("LayerNormalization", "x", "s", "b")], (2, 5, 8), {"s": f(8), "b": f(8)}),
    "LayerNormalization of two axes": (
        [node("LayerNormalization", "x", "s", axis=2, epsilon=1e-3)],
        (2, 3, 4, 5),
        {"s": f(4, 5)},
    ),
    "Softmax": ([node("Softmax", "x", axis=1)], IMAGE, {}),
    "LogSoftmax": ([node("LogSoftmax", "x", axis=-1)], IMAGE, {}),
    "ReduceSum": ([node("ReduceSum", "x", "s", keepdims=0)], IMAGE, {"s": i(1, -1)}),
    "ReduceMean of all": ([node("Mul", "x", "x", out="z"), node("ReduceMean", "z")], IMAGE, {}),
    "GlobalAveragePool": ([node("GlobalAveragePool", "x")], IMAGE, {}),
    "AveragePool": (
        [node("AveragePool", "x", kernel_shape=[3, 2], strides=[2, 1], pads=[1, 0, 1, 1])],
        IMAGE,
        {},
    ),
    "AveragePool of padding": (
        [node("AveragePool", "x", kernel_shape=[3, 3], pads=[1, 1, 1, 1], count_include_pad=1)],
        IMAGE,
        {},
    ),
    "MaxPool": ([node("MaxPool", "x", kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1])], IMAGE, {}),
    "MaxPool overlapping": ([node("MaxPool", "x", kernel_shape=[3, 2])], IMAGE, {}),
    "MatMul": ([node("MatMul", "x", "w")], (2, 3, 5), {"w": f(5, 4)}),
    "MatMul left": ([node("MatMul", "w", "x")], (2, 3, 5), {"w": f(2, 4, 3)}),
    "MatMul attention": ([node("Transpose", "x", out="t", perm=[0, 2, 1]), node("MatMul", "x", "t")], (2, 3, 5), {}),
    "MatMul broadcast": ([node("MatMul", "w", "x")], (3, 5), {"w": f(4, 2, 3)}),
    "Gemm": ([node("Gemm", "x", "w", "b", alpha=0.5, beta=2.0, transB=1)], (3, 5), {"w": f(4, 5), "b": f(4)}),
    "Gemm transposed": ([node("Gemm", "x", "w", transA=1)], (5, 3), {"w": f(5, 4)}),
    "Gemm transposed twice": ([node("Gemm", "x", "w", transA=1, transB=1)], (5, 3), {"w": f(4, 5)}),
    "Gemm right": ([node("Gemm", "w", "x", "b", transA=1)], (5, 3), {"w": f(5, 4), "b": f(1, 3)}),
    "Gemm right transposed": ([node("Gemm", "w", "x", transB=1)], (3, 5), {"w": f(4, 5)}),
    "Gemm added": ([node("Gemm", "w", "v", "x", beta=0.5)], (1, 3), {"w": f(4, 5), "v": f(5, 3)}),
    "Reshape": ([node("Mul", "x", "x", out="z"), node("Reshape", "z", "s")], IMAGE, {"s": i(2, -1, 3)}),
    "Flatten": ([node("Mul", "x", "x", out="z"), node("Flatten", "z")], IMAGE, {}),
    "Squeeze": ([node("GlobalAveragePool", "x", out="z"), node("Squeeze", "z", "s")], IMAGE, {"s": i(2, 3)}),
    "Unsqueeze": ([node("Unsqueeze", "x", "s")], (3, 4), {"s": i(1)}),
    "Transpose": ([node("Transpose", "x", perm=[0, 2, 3, 1])], IMAGE, {}),
    "Transpose reversed": ([node("Transpose", "x")], IMAGE, {}),
    "Expand": ([node("Expand", "x", "s")], (3, 1, 4), {"s": i(2, 3, 5, 1)}),
    "Concat": ([node("Relu", "x", out="z"), node("Concat", "x", "w", "z", axis=1)], IMAGE, {"w": f(2, 3, 6, 6)}),
    "Concat negative axis": ([node("Relu", "x", out="z"), node("Concat", "z", "x", axis=-1)], IMAGE, {}),
    "Split": (
        [helper.make_node("Split", ["x", "n"], ["a", "b", "c"], axis=1), node("Mul", "a", "c")],
        IMAGE,
        {"n": i(1, 2, 1)},
    ),
    "Slice": (
        [node("Slice", "x", "a", "b", "s", "t")],
        IMAGE,
        {"a": i(1, -5), "b": i(3, 99), "s": i(1, 3), "t": i(1, 2)},
    ),
    "Slice all axes": ([node("Slice", "x", "a", "b")], (4, 5), {"a": i(1, 0), "b": i(3, -1)}),
    "Pad": ([node("Pad", "x", "a", "v")], (3, 4), {"a": i(1, 0, 0, 2), "v": np.float32(0.5)}),
    "Pad of some axes": ([node("Pad", "x", "a", "", "s")], IMAGE, {"a": i(1, 2, 0, 1), "s": i(3, 2)}),
    "Gather": ([node("Gather", "x", "g", axis=2)], IMAGE, {"g": i(5, 0, 3)}),
    "Gather one": ([node("Gather", "x", "g", axis=1)], IMAGE, {"g": np.array(-1, np.int64)}),
    "DepthToSpace DCR": ([node("DepthToSpace", "x", blocksize=2)], (2, 8, 3, 2), {}),
    "DepthToSpace CRD": ([node("DepthToSpace", "x", blocksize=2, mode="CRD")], (2, 8, 3, 2), {}),
    "SpaceToDepth": ([node("SpaceToDepth", "x", blocksize=2)], IMAGE, {}),
    "Resize": (
        [node("Resize", "x", "", "s", nearest_mode="floor", coordinate_transformation_mode="asymmetric")],
        IMAGE,
        {"s": np.array([1, 1, 2, 3], np.float32)},
    ),
    "Cast": ([node("Cast", "x", out="z", to=1), node("Mul", "z", "z")], IMAGE, {}),
}


SINGLE = {"Erf", "Gelu", "Cast"}  # the reference computes these in float32, whatever comes in


@pytest.mark.parametrize("name", CASES)
def test_rule_has_the_slope_of_central_differences(name):
    nodes, shape, weights = CASES[name]
    proto, x = model(nodes, shape, weights), f(*shape)
    _, cotangent, grad = gradient(proto, x)
    directions = rng.normal(size=(6, *shape))
    step = 1e-2 if name in SINGLE else 1e-6
    expected = slopes(proto, x, cotangent, directions, step)
    tolerance = 1e-3 if name in SINGLE else 2e-4
    got = (directions * grad).reshape(6, -1).sum(1)
    np.testing.assert_allclose(got, expected, rtol=tolerance, atol=tolerance * np.linalg.norm(grad))
    assert grad.shape == shape


CONDITION = helper.make_graph(
    [node("Mul", "x", "x", out="z")], "then", [], [helper.make_tensor_value_info("z", 1, list(IMAGE))]
)
REFUSED = {
    "control flow": [
        node("ReduceMean", "x", out="m", keepdims=0),
        node("Greater", "m", "k", out="c"),
        node("If", "c", then_branch=CONDITION, else_branch=CONDITION),
    ],
    "BatchNormalization: training mode": [
        helper.make_node("BatchNormalization", ["x", "s", "s", "s", "s"], ["y", "u", "v"], training_mode=1)
    ],
    "Resize: anything but repeating": [node("Resize", "x", "", "r", mode="linear")],
    "com.microsoft.FastGelu": [helper.make_node("FastGelu", ["x"], ["y"], domain="com.microsoft")],
    "CumSum": [node("CumSum", "x", "axis")],
    "Gather: a repeated index": [node("Gather", "x", "twice", axis=1)],
    "Pad: mode reflect": [node("Pad", "x", "pads", mode="reflect")],
}


@pytest.mark.parametrize("message", REFUSED)
def test_operator_without_a_rule_is_refused_by_name(message):
    weights = {"axis": np.array(1), "twice": i(0, 1, 0), "pads": i(0, 0, 1, 1, 0, 0, 1, 1)}
    weights |= {"k": np.float32(1), "s": positive(4), "r": np.array([1, 1, 2, 2], np.float32)}
    used = {name: value for name, value in weights.items() if any(name in n.input for n in REFUSED[message])}
    with pytest.raises(ModelError, match=message):
        gradient(model(REFUSED[message], IMAGE, used), f(*IMAGE))
