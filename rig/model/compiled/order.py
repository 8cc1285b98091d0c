"""The order in which nodes run: what a value is read for comes while the value is still in the processor's cache."""

from dataclasses import replace

from rig.model.compiled.graph import Graph, Node, producers


def by_need(graph: Graph) -> Graph:
    """Nodes just before their first reader, so that a saved mask is unpacked when it is wanted."""
    return replace(graph, nodes=_path(graph, graph.outputs))


def by_readiness(graph: Graph) -> Graph:
    """The way to the first output, and every other node as soon as its inputs are there."""
    way = _path(graph, graph.outputs[:1])
    on_way = {id(node) for node in way}
    aside = [node for node in graph.nodes if id(node) not in on_way]
    waiting = {id(node): _n_awaited(graph, node) for node in aside}
    readers: dict[str, list[Node]] = {}
    for node in aside:
        for name in set(node.inputs):
            readers.setdefault(name, []).append(node)
    order: list[Node] = []
    for name in graph.inputs:
        _release(name, readers, waiting, order)
    for node in way:
        _emit(node, readers, waiting, order)
    return replace(graph, nodes=order)


def _n_awaited(graph: Graph, node: Node) -> int:
    return sum(1 for name in set(node.inputs) if name and name not in graph.constants)


def _emit(node: Node, readers, waiting, order: list[Node]) -> None:
    order.append(node)
    for name in node.outputs:
        _release(name, readers, waiting, order)


def _release(name: str, readers, waiting, order: list[Node]) -> None:
    """Emit the nodes aside for which `name` was the last thing missing."""
    for reader in readers.get(name, []):
        waiting[id(reader)] -= 1
        if waiting[id(reader)] == 0:
            _emit(reader, readers, waiting, order)


def _path(graph: Graph, outputs: list[str]) -> list[Node]:
    """The nodes behind some outputs, depth first."""
    makers = producers(graph)
    order: list[Node] = []
    done: set[int] = set()
    stack = [(makers[name], False) for name in reversed(outputs) if name in makers]
    while stack:
        node, ready = stack.pop()
        if ready:
            order.append(node)
        elif id(node) not in done:
            done.add(id(node))
            stack.append((node, True))
            stack.extend((makers[name], False) for name in reversed(node.inputs) if name in makers)
    return order
