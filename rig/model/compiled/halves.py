"""A joint graph cut in two: what the logits need, and what follows once their cotangent is known."""

from dataclasses import replace

import numpy as np

from rig.model.compiled.graph import Graph, Node, consumers


def halves(graph: Graph, cotangent: str) -> tuple[Graph, Graph, list[str]]:
    """(forward, backward, saved): forward also gives the saved values, backward takes them and the cotangent."""
    alive = living(graph)
    late = _late(alive, cotangent)
    first = [node for node in alive.nodes if id(node) not in late]
    second = [node for node in alive.nodes if id(node) in late]
    made = {name for node in first for name in node.outputs} | set(alive.inputs) - {cotangent}
    saved = sorted({name for node in second for name in node.inputs if name in made})
    logits, gradient = alive.outputs
    images = [name for name in alive.inputs if name != cotangent]
    forward = replace(alive, nodes=first, inputs=images, outputs=[logits, *sorted(set(saved) - {logits, *images})])
    backward = replace(alive, nodes=second, inputs=[cotangent, *saved], outputs=[gradient])
    return forward, backward, saved


def living(graph: Graph) -> Graph:
    """Without nodes that no output needs."""
    wanted, kept = set(graph.outputs), []
    for node in reversed(graph.nodes):
        if wanted.intersection(node.outputs):
            kept.append(node)
            wanted.update(node.inputs)
    return replace(graph, nodes=kept[::-1])


def _late(graph: Graph, cotangent: str) -> set[int]:
    """Nodes that depend on the cotangent, and casts of masks only they read: a mask is saved as bytes."""
    tainted, late = {cotangent}, set()
    for node in graph.nodes:
        if tainted.intersection(node.inputs):
            tainted.update(node.outputs)
            late.add(id(node))
    readers = consumers(graph)
    late.update(id(node) for node in graph.nodes if _is_cheap(graph, node) and _read_by(readers, node, late))
    return late


def _is_cheap(graph: Graph, node: Node) -> bool:
    return node.op == "Cast" and graph.dtypes.get(node.inputs[0]) == np.dtype(bool)


def _read_by(readers, node: Node, late: set[int]) -> bool:
    return all(id(reader) in late for reader in readers.get(node.output, []))
