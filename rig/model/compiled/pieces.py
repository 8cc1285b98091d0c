"""The few idioms that gradient rules share."""

import math
from collections.abc import Sequence

import numpy as np

from rig.errors import ModelError
from rig.model.compiled.graph import Graph, Node, Shape


def refuse(node: Node, why: str) -> ModelError:
    return ModelError("no compiled gradient", got=f"{node.op}: {why}")


def known(graph: Graph, node: Node, index: int, what: str) -> np.ndarray:
    """An input that has to be a constant."""
    name = node.inputs[index]
    if name not in graph.constants:
        raise refuse(node, f"{what} is computed by the graph")
    return graph.constants[name]


def optional(graph: Graph, node: Node, index: int, what: str) -> np.ndarray | None:
    absent = index >= len(node.inputs) or not node.inputs[index]
    return None if absent else known(graph, node, index, what)


def scaled(graph: Graph, value: str, factor: float) -> str:
    return value if factor == 1 else graph.op("Mul", value, graph.constant(factor))


def reshape(graph: Graph, value: str, shape: Sequence[int]) -> str:
    return graph.op("Reshape", value, graph.integers(shape))


def sum_over(graph: Graph, value: str, axes: Sequence[int], keepdims: int = 1) -> str:
    return graph.op("ReduceSum", value, graph.integers(axes), keepdims=keepdims)


def mean_over(graph: Graph, value: str, axes: Sequence[int]) -> str:
    return graph.op("ReduceMean", value, graph.integers(axes), keepdims=1)


def unbroadcast(graph: Graph, value: str, shape: Shape, wanted: Shape) -> str:
    """Sum a cotangent of `shape` over the axes along which a value of shape `wanted` was repeated."""
    if shape == wanted:
        return value
    lead = len(shape) - len(wanted)
    repeated = [axis for axis in range(len(shape)) if axis < lead or (wanted[axis - lead] == 1 and shape[axis] != 1)]
    total = sum_over(graph, value, repeated) if repeated else value
    return total if lead == 0 else reshape(graph, total, wanted)


def expand(graph: Graph, value: str, shape: Shape) -> str:
    return graph.op("Expand", value, graph.integers(shape))


def pad(graph: Graph, value: str, before: Sequence[int], after: Sequence[int]) -> str:
    """Zeros around; negative numbers crop."""
    if not any(before) and not any(after):
        return value
    return graph.op("Pad", value, graph.integers([*before, *after]), graph.constant(0.0))


def between(graph: Graph, value: str, low: float, high: float, least: float = -math.inf) -> str:
    """1.0 where low < value < high, else 0.0; an infinite bound is not asked about. No value is under `least`."""
    tests = [
        graph.op("Cast", value, to=9)  # to bool: "is not 0" is the cheapest question (measured)
        if (op, bound, least) == ("Greater", 0, 0)
        else graph.op(op, value, graph.constant(bound))
        for op, bound in (("Greater", low), ("Less", high))
        if math.isfinite(bound)
    ]
    inside = tests[0] if len(tests) == 1 else graph.op("And", *tests)
    return graph.op("Cast", inside, to=1)
