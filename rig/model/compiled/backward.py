"""Reverse-mode differentiation of an ONNX graph: the backward pass appended as ONNX nodes, weights left alone."""

from collections.abc import Callable

import numpy as np
import onnx

from rig.errors import ModelError
from rig.model.compiled.graph import Graph, Node
from rig.model.compiled.standins import stand_ins, with_stand_ins

Rule = Callable[[Graph, Node, list[str | None]], list[str | None]]
"""Cotangents of a node's outputs to those of its inputs, shorter or None where there are none."""

RULES: dict[tuple[str, str], Rule] = {}  # (domain, operator)


CODES = tuple(np.dtype(name) for name in ("int8", "uint8", "int16", "uint16"))


def rule(*operators: str, domain: str = ""):
    """Register a rule of single-output operators: (graph, node, cotangent) to the inputs' cotangents."""

    def register(function):
        for operator in operators:
            RULES[domain, operator] = lambda graph, node, cotangents: function(graph, node, cotangents[0])
        return function

    return register


def differentiate(graph: Graph, output: str, of: str, cotangent: str) -> str:
    """Append the vector-Jacobian product of `output` with `cotangent` (a new input); its name, same shape as `of`.

    Raises ModelError naming an operator without a rule on the way.
    """
    active = graph.active = _active(graph, of)
    _require_rules(graph)
    collected: dict[str, list[str]] = {output: [cotangent]}
    nodes, graph.stand_ins = list(graph.nodes), {**stand_ins(graph)}
    active.update(other for name, other in graph.stand_ins.items() if name in active)
    for node in reversed(nodes):
        cotangents = [_total(graph, collected.pop(name, [])) for name in node.outputs]
        if not any(cotangents):
            continue
        for name, part in zip(node.inputs, _apply(graph, node, cotangents), strict=False):
            if part is not None and name in active:
                collected.setdefault(name, []).append(part)
    return _total(graph, collected.get(of, [])) or graph.constant(np.zeros(graph.shapes[of]))


def _active(graph: Graph, of: str) -> set[str]:
    """Floating-point values, and their codes, that depend on `of`."""
    active = {of}
    for node in graph.nodes:
        if active.intersection(node.inputs):
            active.update(name for name in node.outputs if _carries(graph, node, name))
    return active


def _carries(graph: Graph, node: Node, name: str) -> bool:
    """A float, or the code of one: fresh from a quantiser, or moved from another code."""
    dtype = graph.dtypes.get(name)
    is_moved_code = dtype in CODES and graph.dtypes.get(node.inputs[0]) == dtype
    return dtype is None or np.issubdtype(dtype, np.floating) or node.op == "QuantizeLinear" or is_moved_code


def _total(graph: Graph, parts: list[str]) -> str | None:
    if not parts:
        return None
    total, *rest = parts
    for part in rest:
        total = graph.op("Add", total, part)
    return total


def _require_rules(graph: Graph) -> None:
    for node in graph.nodes:
        if any(isinstance(value, onnx.GraphProto) for value in node.attributes.values()):
            raise ModelError("no compiled gradient", got=f"control flow ({node.op})")
        if graph.active.intersection(node.inputs) and (node.domain, node.op) not in RULES and _leads_on(graph, node):
            name = f"{node.domain}.{node.op}" if node.domain else node.op
            raise ModelError("no compiled gradient", got=f"unsupported operator {name}")


def _leads_on(graph: Graph, node: Node) -> bool:
    return any(name in graph.active for name in node.outputs)


def _apply(graph: Graph, node: Node, cotangents: list[str | None]) -> list[str | None]:
    if not graph.active.intersection(node.inputs):
        return []
    missing = [name for name in (*node.inputs, *node.outputs) if name and name not in graph.shapes]
    if missing:
        raise ModelError("no compiled gradient", got=f"{node.op}: the shape of {missing[0]} is not static")
    return RULES[node.domain, node.op](graph, with_stand_ins(node, graph.stand_ins), cotangents)
