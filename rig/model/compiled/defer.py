"""Interleave the phases of a strided depthwise convolution late, when a 1 x 1 convolution has made them few.

Backward through an inverted bottleneck: depthwise (strided), mask, 1 x 1 convolution to a sixth of the channels.
The last two work on each pixel alone, so they may as well see each phase by itself.
"""

from rig.model.compiled.convolution import INTERLEAVE
from rig.model.compiled.graph import Graph, Node, consumers, producers
from rig.model.compiled.pieces import reshape

SEPARATE = (3, 5, 0, 1, 2, 4)  # (N, C, h, row phase, w, column phase) to (row phase, column phase, N, C, h, w)
TOGETHER = (2, 3, 4, 0, 5, 1)  # and back


def deferred(graph: Graph) -> Graph:
    """`graph` changed in place: what nothing reads any more is left for others to drop."""
    makers, readers = producers(graph), consumers(graph)
    nodes, graph.nodes = graph.nodes, []
    for node in nodes:
        phases = _phases_behind(graph, node, makers, readers)
        if phases is None:
            graph.nodes.append(node)
        else:
            _convolve_phases(graph, node, *phases)
    return graph


def _phases_behind(graph: Graph, conv: Node, makers, readers) -> tuple[list[str], tuple[int, ...], str] | None:
    """(phases, the six sides of all, mask) if `conv` is 1 x 1 on masked, interleaved phases only it reads."""
    if not _is_pointwise(graph, conv) or (masked := _maker(makers, readers, conv.inputs[0], "Mul")) is None:
        return None
    for value, mask in (masked.inputs, masked.inputs[::-1]):
        cast = makers.get(mask)
        whole = _maker(makers, readers, value, "Reshape")
        apart = whole and _maker(makers, readers, whole.inputs[0], "Transpose")
        split = apart and _maker(makers, readers, apart.inputs[0], "Reshape")
        stack = split and _maker(makers, readers, split.inputs[0], "Concat")
        if stack and tuple(apart.attributes["perm"]) == INTERLEAVE and cast and cast.op == "Cast":
            return stack.inputs, tuple(graph.constants[split.inputs[1]].tolist()), cast.inputs[0]
    return None


def _is_pointwise(graph: Graph, node: Node) -> bool:
    attributes = node.attributes
    return (
        node.op == "Conv"
        and len(node.inputs) == 2
        and graph.constants[node.inputs[1]].shape[2:] == (1, 1)
        and not any(attributes.get("pads", (0,)))
        and set(attributes.get("strides", (1,))) == {1}
        and attributes.get("group", 1) == 1
    )


def _maker(makers, readers, name: str, op: str) -> Node | None:
    """The node that makes a value for a single reader, if it is of that operator."""
    node = makers.get(name)
    return node if node and node.op == op and len(readers.get(name, [])) == 1 else None


def _convolve_phases(graph: Graph, conv: Node, phases: list[str], sides: tuple[int, ...], mask: str) -> None:
    n, rows, columns, channels, height, width = sides
    results = [
        graph.op("Conv", graph.op("Mul", phase, graph.op("Cast", part, to=1)), conv.inputs[1], **conv.attributes)
        for phase, part in zip(phases, _parts(graph, mask, sides), strict=True)
    ]
    out_channels = graph.constants[conv.inputs[1]].shape[0]
    stack = graph.op("Concat", *results, axis=0)
    split = reshape(graph, stack, (rows, columns, n, out_channels, height, width))
    whole = graph.op("Transpose", split, perm=list(TOGETHER))
    shape = graph.integers((n, out_channels, rows * height, columns * width))
    graph.nodes.append(Node("Reshape", [whole, shape], conv.outputs))


def _parts(graph: Graph, mask: str, sides: tuple[int, ...]) -> list[str]:
    """What each phase sees of a mask."""
    n, rows, columns, channels, height, width = sides
    split = reshape(graph, mask, (n, channels, height, rows, width, columns))
    apart = graph.op("Transpose", split, perm=list(SEPARATE))
    stack = reshape(graph, apart, (rows * columns * n, channels, height, width))
    parts = [graph.fresh("part") for _ in range(rows * columns)]
    graph.nodes.append(Node("Split", [stack, graph.integers([n] * len(parts))], parts, {"axis": 0}))
    return parts
