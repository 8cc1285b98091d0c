"""Backward rules of operators that only move numbers."""

import itertools

import numpy as np

from rig.model.compiled.backward import RULES, rule
from rig.model.compiled.graph import Graph, Node
from rig.model.compiled.pieces import known, optional, pad, refuse, reshape, unbroadcast


@rule("Reshape", "Flatten", "Squeeze", "Unsqueeze")
def reshaping(graph, node, cotangent):
    return [reshape(graph, cotangent, graph.shapes[node.inputs[0]])]


@rule("Transpose")
def transpose(graph, node, cotangent):
    rank = len(graph.shapes[node.output])
    order = node.attributes.get("perm", list(reversed(range(rank))))
    return [graph.op("Transpose", cotangent, perm=[int(axis) for axis in np.argsort(order)])]


@rule("Expand")
def expansion(graph, node, cotangent):
    return [unbroadcast(graph, cotangent, graph.shapes[node.output], graph.shapes[node.inputs[0]])]


@rule("Concat")
def concat(graph, node, cotangent):
    axis = node.attributes["axis"]
    ends = list(itertools.accumulate(graph.shapes[name][axis] for name in node.inputs))
    return [
        _cut(graph, cotangent, axis, begin, end) if name in graph.active else None
        for name, begin, end in zip(node.inputs, [0, *ends], ends, strict=False)
    ]


def _cut(graph: Graph, value: str, axis: int, begin: int, end: int) -> str:
    return graph.op("Slice", value, *(graph.integers([number]) for number in (begin, end, axis)))


def split(graph: Graph, node: Node, cotangents):
    parts = [
        cotangent or graph.constant(np.zeros(graph.shapes[name]))
        for name, cotangent in zip(node.outputs, cotangents, strict=True)
    ]
    return [graph.op("Concat", *parts, axis=node.attributes.get("axis", 0))]


RULES["", "Split"] = split


@rule("Slice")
def slicing(graph, node, cotangent):
    """Zeros between (steps) and around what was cut out."""
    shape, out = graph.shapes[node.inputs[0]], graph.shapes[node.output]
    starts, _ = (known(graph, node, i, "a bound").tolist() for i in (1, 2))
    axes, steps = (optional(graph, node, i, "an axis or step") for i in (3, 4))
    axes = range(len(starts)) if axes is None else axes.tolist()
    steps = [1] * len(starts) if steps is None else steps.tolist()
    begin, step = [0] * len(shape), [1] * len(shape)
    for axis, start, stride in zip(axes, starts, steps, strict=True):
        if stride < 1:
            raise refuse(node, "a negative step")
        side = shape[axis]
        begin[axis], step[axis] = min(max(start + side if start < 0 else start, 0), side), stride
    span = [n * s for n, s in zip(out, step, strict=True)]
    spread = _spread(graph, cotangent, out, step, span)
    return [pad(graph, spread, begin, [n - b - s for n, b, s in zip(shape, begin, span, strict=True)])]


def _spread(graph: Graph, value: str, shape, steps, span) -> str:
    """Each number followed by steps - 1 zeros, along every axis."""
    if set(steps) == {1}:
        return value
    apart = reshape(graph, value, [side for n in shape for side in (n, 1)])
    zeros = pad(graph, apart, [0] * 2 * len(shape), [extra for s in steps for extra in (0, s - 1)])
    return reshape(graph, zeros, span)


@rule("Pad")
def padding(graph, node, cotangent):
    if node.attributes.get("mode", "constant") != "constant":
        raise refuse(node, f"mode {node.attributes['mode']}")
    amounts = known(graph, node, 1, "the amounts").tolist()
    axes = optional(graph, node, 3, "the axes")
    rank = len(graph.shapes[node.output])
    axes = range(rank) if axes is None else axes.tolist()
    before, after = [0] * rank, [0] * rank
    for axis, low, high in zip(axes, amounts, amounts[len(amounts) // 2 :], strict=False):
        before[axis], after[axis] = -low, -high
    return [pad(graph, cotangent, before, after)]


@rule("Gather")
def gather(graph, node, cotangent):
    """Each row that was read gets its cotangent back, the others a row of zeros."""
    shape = graph.shapes[node.inputs[0]]
    axis = node.attributes.get("axis", 0) % len(shape)
    indices = known(graph, node, 1, "an index").reshape(-1) % shape[axis]
    if len(set(indices.tolist())) != indices.size:
        raise refuse(node, "a repeated index")
    rows = [*shape[:axis], indices.size, *shape[axis + 1 :]]
    zero = graph.constant(np.zeros([*shape[:axis], 1, *shape[axis + 1 :]]))
    table = graph.op("Concat", reshape(graph, cotangent, rows), zero, axis=axis)
    back = np.full(shape[axis], indices.size)
    back[indices] = np.arange(indices.size)
    return [graph.op("Gather", table, graph.integers(back), axis=axis)]


@rule("DepthToSpace")
def depth_to_space(graph, node, cotangent):
    """Undone by its own steps: split, permute, merge."""
    n, channels, height, width = graph.shapes[node.inputs[0]]
    size = node.attributes["blocksize"]
    kept = channels // size**2
    split = reshape(graph, cotangent, (n, kept, height, size, width, size))
    order = (0, 3, 5, 1, 2, 4) if node.attributes.get("mode", "DCR") == "DCR" else (0, 1, 3, 5, 2, 4)
    return [reshape(graph, graph.op("Transpose", split, perm=order), (n, channels, height, width))]


@rule("SpaceToDepth")
def space_to_depth(graph, node, cotangent):
    if node.attributes.get("mode", "DCR") != "DCR":
        raise refuse(node, f"mode {node.attributes['mode']}")
    return [graph.op("DepthToSpace", cotangent, blocksize=node.attributes["blocksize"], mode="DCR")]


REPEATING = {("half_pixel", "round_prefer_floor"), ("half_pixel", "round_prefer_ceil"), ("asymmetric", "floor")}


@rule("Resize")
def resize(graph, node, cotangent):
    """Whole-number enlargement by repetition: the sum over each repeated block."""
    n, channels, height, width = shape = graph.shapes[node.inputs[0]]
    out = graph.shapes[node.output]
    whole = all(b % a == 0 for a, b in zip(shape, out, strict=True)) and shape[:2] == out[:2]
    where = node.attributes.get("coordinate_transformation_mode", "half_pixel")
    repeats = (where, node.attributes.get("nearest_mode", "round_prefer_floor")) in REPEATING
    if node.attributes.get("mode", "nearest") != "nearest" or not whole or not repeats:
        raise refuse(node, "anything but repeating pixels a whole number of times")
    blocks = reshape(graph, cotangent, (n, channels, height, out[2] // height, width, out[3] // width))
    return [graph.op("ReduceSum", blocks, graph.integers((3, 5)), keepdims=0)]
