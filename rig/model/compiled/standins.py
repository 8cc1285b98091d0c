"""What the backward pass of a quantised graph reads: what the quantised forward pass itself says.

A float value on its way into a QuantizeLinear is represented by its dequantised code, so that nothing keeps the
forward pass from running on integers; weights are dequantised once, here.
"""

from dataclasses import replace

import numpy as np

from rig.model.compiled.graph import Graph, Node
from rig.model.compiled.pieces import refuse


def stand_ins(graph: Graph) -> dict[str, str]:
    """What the backward pass reads in place of quantised weights and of values on their way into a QuantizeLinear."""
    found = {}
    for node in list(graph.nodes):
        if node.op == "DequantizeLinear" and all(name in graph.constants for name in node.inputs):
            found[node.output] = graph.constant(_dequantised(graph, node))
        elif node.op == "QuantizeLinear" and node.inputs[0] not in graph.constants:
            name = graph.op("DequantizeLinear", node.output, *node.inputs[1:], **_axis(node))
            graph.shapes[name], graph.dtypes[name] = graph.shapes[node.output], np.dtype(np.float32)
            found[node.inputs[0]] = name
    return found


def with_stand_ins(node: Node, found: dict[str, str]) -> Node:
    if node.op in ("QuantizeLinear", "MaxPool"):  # the second is asked for its indices, which have no stand-in
        return node
    return replace(
        node,
        inputs=[found.get(name, name) for name in node.inputs],
        outputs=[found.get(name, name) for name in node.outputs],
    )


def _axis(node: Node) -> dict:
    return {key: node.attributes[key] for key in ("axis", "block_size") if key in node.attributes}


def _dequantised(graph: Graph, node: Node) -> np.ndarray:
    codes, scale, *zero = (graph.constants[name].astype(np.float32) for name in node.inputs)
    if node.attributes.get("block_size", 0):
        raise refuse(node, "weights quantised in blocks")
    wide = [1] * codes.ndim
    if scale.size > 1:
        wide[node.attributes.get("axis", 1)] = -1
    return (codes - (zero[0].reshape(_wide(zero[0], wide)) if zero else 0)) * scale.reshape(_wide(scale, wide))


def _wide(value: np.ndarray, shape: list[int]) -> list[int]:
    return shape if value.size > 1 else [1] * len(shape)
