"""Backward rules of operators that sum: products, means, normalisations, softmax, pooling."""

import math

import numpy as np

from rig.model.compiled.backward import rule
from rig.model.compiled.convolution import conv, window_begin
from rig.model.compiled.graph import Graph, Node
from rig.model.compiled.pieces import (
    expand,
    known,
    mean_over,
    optional,
    refuse,
    reshape,
    scaled,
    sum_over,
    unbroadcast,
)


@rule("MatMul")
def matmul(graph, node, cotangent):
    shapes = [graph.shapes[name] for name in node.inputs]
    if min(map(len, shapes)) < 2:
        raise refuse(node, "a vector operand")
    out = graph.shapes[node.output]
    parts = []
    for i, other in enumerate(reversed(node.inputs)):
        if node.inputs[i] not in graph.active:
            parts.append(None)
            continue
        turned = _swapped(graph, other)
        product = graph.op("MatMul", *((cotangent, turned) if i == 0 else (turned, cotangent)))
        full = (*out[:-2], *shapes[i][-2:])
        parts.append(unbroadcast(graph, product, full, shapes[i]))
    return parts


def _swapped(graph: Graph, name: str) -> str:
    if name in graph.constants:
        return graph.constant(np.ascontiguousarray(graph.constants[name].swapaxes(-1, -2)))
    rank = len(graph.shapes[name])
    return graph.op("Transpose", name, perm=[*range(rank - 2), rank - 1, rank - 2])


@rule("Gemm")
def gemm(graph, node, cotangent):
    a, b = node.inputs[:2]
    trans_a, trans_b = (node.attributes.get(key, 0) for key in ("transA", "transB"))
    alpha, beta = (node.attributes.get(key, 1.0) for key in ("alpha", "beta"))
    parts: list[str | None] = [None] * len(node.inputs)
    if a in graph.active:
        first = (b, cotangent) if trans_a else (cotangent, b)
        flags = (trans_b, 1) if trans_a else (0, 1 - trans_b)
        parts[0] = graph.op("Gemm", *first, transA=flags[0], transB=flags[1], alpha=alpha)
    if b in graph.active:
        second = (cotangent, a) if trans_b else (a, cotangent)
        flags = (1, trans_a) if trans_b else (1 - trans_a, 0)
        parts[1] = graph.op("Gemm", *second, transA=flags[0], transB=flags[1], alpha=alpha)
    if len(node.inputs) > 2 and node.inputs[2] in graph.active:
        whole = scaled(graph, cotangent, beta)
        parts[2] = unbroadcast(graph, whole, graph.shapes[node.output], graph.shapes[node.inputs[2]])
    return parts


@rule("ReduceMean", "ReduceSum")
def reduce(graph, node, cotangent):
    shape = graph.shapes[node.inputs[0]]
    axes = optional(graph, node, 1, "the axes")
    named = [] if axes is None else axes.tolist()
    if not named and node.attributes.get("noop_with_empty_axes", 0):
        return [cotangent]
    kept = {axis % len(shape) for axis in named or range(len(shape))}
    return [_spread(graph, cotangent, shape, kept, node.op == "ReduceMean")]


def _spread(graph: Graph, cotangent: str, shape, axes, mean: bool) -> str:
    small = [1 if axis in axes else side for axis, side in enumerate(shape)]
    count = math.prod(shape[axis] for axis in axes) if mean else 1
    return expand(graph, scaled(graph, reshape(graph, cotangent, small), 1 / count), shape)


@rule("GlobalAveragePool")
def global_average_pool(graph, node, cotangent):
    shape = graph.shapes[node.inputs[0]]
    return [_spread(graph, cotangent, shape, set(range(2, len(shape))), True)]


@rule("AveragePool")
def average_pool(graph, node, cotangent):
    """A depthwise convolution with equal weights, once each window is divided by what it counts."""
    shape, out = graph.shapes[node.inputs[0]], graph.shapes[node.output]
    kernel = tuple(node.attributes["kernel_shape"])
    if len(kernel) != 2:
        raise refuse(node, f"{len(kernel)} spatial dimensions, expected 2")
    _require_windows_inside(node, shape, out)
    shares = graph.op("Mul", cotangent, graph.constant(1 / _counts(node, shape, out, kernel)))
    ones = graph.constant(np.ones((shape[1], 1, *kernel)))
    kept = {key: node.attributes[key] for key in ("strides", "dilations", "pads", "auto_pad") if key in node.attributes}
    as_conv = Node("Conv", [node.inputs[0], ones], node.outputs, {**kept, "group": shape[1]})
    return conv(graph, as_conv, shares)


def _require_windows_inside(node: Node, shape, out) -> None:
    """With ceil_mode the last window may begin behind the image; runtimes disagree on whether it exists."""
    begin = window_begin(node, shape[2:], out[2:], node.attributes["kernel_shape"])
    strides = node.attributes.get("strides", (1,) * len(begin))
    last = [(n - 1) * stride - b for n, stride, b in zip(out[2:], strides, begin, strict=True)]
    if any(start >= side for start, side in zip(last, shape[2:], strict=True)):
        raise refuse(node, "a window wholly outside the image (ceil_mode)")


def _counts(node: Node, shape, out, kernel) -> np.ndarray:
    """How many pixels each window (1, 1, h, w) averages."""
    begin = window_begin(node, shape[2:], out[2:], kernel)
    pads = node.attributes.get("pads", (0, 0, 0, 0))
    lines = []
    for axis in (0, 1):
        stride, dilation = (node.attributes.get(key, (1, 1))[axis] for key in ("strides", "dilations"))
        side = shape[2 + axis]
        low, high = (-begin[axis], side + pads[2 + axis]) if node.attributes.get("count_include_pad", 0) else (0, side)
        taps = np.arange(out[2 + axis])[:, None] * stride - begin[axis] + np.arange(kernel[axis]) * dilation
        lines.append(((taps >= low) & (taps < high)).sum(1))
    return np.multiply.outer(*lines)[None, None].astype(np.float32)


@rule("MaxPool")
def max_pool(graph, node, cotangent):
    """Each window's cotangent goes to the pixel that ONNX Runtime says was its maximum."""
    shape = graph.shapes[node.inputs[0]]
    if len(shape) != 4:
        raise refuse(node, f"{len(shape) - 2} spatial dimensions, expected 2")
    _require_windows_inside(node, shape, graph.shapes[node.output])
    if node.attributes.get("storage_order", 0):
        raise refuse(node, "column-major indices")
    if len(node.outputs) < 2 or not node.outputs[1]:
        node.outputs[1:] = [graph.fresh("indices")]
    zeros = graph.constant(np.zeros(math.prod(shape)))
    flat = [reshape(graph, value, (-1,)) for value in (node.outputs[1], cotangent)]
    return [reshape(graph, graph.op("ScatterElements", zeros, *flat, axis=0, reduction="add"), shape)]


@rule("Softmax")
def softmax(graph, node, cotangent):
    axis = node.attributes.get("axis", -1)
    weighted = graph.op("Mul", cotangent, node.output)
    return [graph.op("Sub", weighted, graph.op("Mul", node.output, sum_over(graph, weighted, [axis])))]


@rule("LogSoftmax")
def log_softmax(graph, node, cotangent):
    total = sum_over(graph, cotangent, [node.attributes.get("axis", -1)])
    return [graph.op("Sub", cotangent, graph.op("Mul", graph.op("Exp", node.output), total))]


@rule("LayerNormalization")
def layer_normalization(graph, node, cotangent):
    """With h the normalised input and s = cotangent * scale: (s - mean s - h mean(s h)) / std."""
    rank = len(graph.shapes[node.inputs[0]])
    axes = list(range(node.attributes.get("axis", -1) % rank, rank))
    weighted = graph.op("Mul", cotangent, node.inputs[1])
    return [_normalised(graph, node.inputs[0], weighted, axes, node.attributes.get("epsilon", 1e-5))]


@rule("InstanceNormalization")
def instance_normalization(graph, node, cotangent):
    rank = len(graph.shapes[node.inputs[0]])
    scale = known(graph, node, 1, "the scale").reshape(-1, *(1,) * (rank - 2))
    weighted = graph.op("Mul", cotangent, graph.constant(scale))
    return [_normalised(graph, node.inputs[0], weighted, list(range(2, rank)), node.attributes.get("epsilon", 1e-5))]


def _normalised(graph: Graph, x: str, weighted: str, axes: list[int], epsilon: float) -> str:
    centred = graph.op("Sub", x, mean_over(graph, x, axes))
    variance = mean_over(graph, graph.op("Mul", centred, centred), axes)
    std = graph.op("Sqrt", graph.op("Add", variance, graph.constant(epsilon)))
    unit = graph.op("Div", centred, std)
    slope = mean_over(graph, graph.op("Mul", weighted, unit), axes)
    level = graph.op("Sub", weighted, mean_over(graph, weighted, axes))
    return graph.op("Div", graph.op("Sub", level, graph.op("Mul", unit, slope)), std)
