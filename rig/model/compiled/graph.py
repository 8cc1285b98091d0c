"""An ONNX graph small enough to rewrite: nodes, constants and the static type of every value."""

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
import onnx
from onnx import helper, numpy_helper

Shape = tuple[int, ...]
STANDARD = ("", "ai.onnx")


@dataclass
class Node:
    op: str
    inputs: list[str]  # "" where an optional input is left out
    outputs: list[str]
    attributes: dict = field(default_factory=dict)
    domain: str = ""

    @property
    def output(self) -> str:
        return self.outputs[0]


@dataclass
class Graph:
    """Nodes in topological order. `shapes` and `dtypes` know every value that has a static one."""

    nodes: list[Node]
    constants: dict[str, np.ndarray]
    shapes: dict[str, Shape]
    dtypes: dict[str, np.dtype]
    inputs: list[str]
    outputs: list[str]
    opsets: dict[str, int]
    prefix: str = "rig"  # of the names this graph makes
    n_made: int = 0
    active: set[str] = field(default_factory=set)  # the values to differentiate through
    stand_ins: dict[str, str] = field(default_factory=dict)  # what the backward pass reads in place of a value

    def op(self, op: str, *inputs: str, domain: str = "", **attributes) -> str:
        """Append a node of one output and return that output's name."""
        output = self.fresh(op)
        self.nodes.append(Node(op, list(inputs), [output], attributes, domain))
        return output

    def constant(self, value, dtype=np.float32) -> str:
        name = self.fresh("constant")
        self.constants[name] = np.asarray(value, dtype)
        self.shapes[name], self.dtypes[name] = self.constants[name].shape, self.constants[name].dtype
        return name

    def integers(self, values: Iterable[int]) -> str:
        return self.constant(list(values), np.int64)

    def fresh(self, stem: str) -> str:
        self.n_made += 1
        return f"{self.prefix}_{stem}_{self.n_made}"


def from_proto(proto: onnx.ModelProto, prefix: str) -> Graph:
    """Shapes are the file's own and what ONNX's inference adds."""
    inferred = onnx.shape_inference.infer_shapes(proto, data_prop=True).graph
    constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in proto.graph.initializer}
    shapes = {name: value.shape for name, value in constants.items()}
    dtypes = {name: value.dtype for name, value in constants.items()}
    for value in (*inferred.value_info, *inferred.input, *inferred.output):
        tensor = value.type.tensor_type
        if tensor.elem_type:
            dtypes[value.name] = helper.tensor_dtype_to_np_dtype(tensor.elem_type)
        if tensor.HasField("shape") and all(dim.HasField("dim_value") for dim in tensor.shape.dim):
            shapes[value.name] = tuple(dim.dim_value for dim in tensor.shape.dim)
    return Graph(
        nodes=[_node(node) for node in proto.graph.node],
        constants=constants,
        shapes=shapes,
        dtypes=dtypes,
        inputs=[value.name for value in proto.graph.input if value.name not in constants],
        outputs=[value.name for value in proto.graph.output],
        opsets={entry.domain: entry.version for entry in proto.opset_import},
        prefix=prefix,
    )


def to_proto(graph: Graph) -> onnx.ModelProto:
    used = {name for node in graph.nodes for name in node.inputs} | set(graph.outputs)
    made = {name for node in graph.nodes for name in node.outputs}
    typed = [name for name in graph.shapes if name in made and name in graph.dtypes and name not in graph.outputs]
    body = helper.make_graph(
        [
            helper.make_node(node.op, node.inputs, node.outputs, domain=node.domain, **node.attributes)
            for node in graph.nodes
        ],
        "gradient",
        [_value_info(graph, name) for name in graph.inputs],
        [_value_info(graph, name) for name in graph.outputs],
        [numpy_helper.from_array(value, name) for name, value in graph.constants.items() if name in used],
        value_info=[_value_info(graph, name) for name in typed],
    )
    domains = {node.domain for node in graph.nodes if node.domain not in STANDARD} | {""}
    opsets = [helper.make_opsetid(domain, graph.opsets.get(domain, 1)) for domain in sorted(domains)]
    return helper.make_model(body, opset_imports=opsets, ir_version=10)


def producers(graph: Graph) -> dict[str, Node]:
    return {output: node for node in graph.nodes for output in node.outputs if output}


def consumers(graph: Graph) -> dict[str, list[Node]]:
    """The nodes that read a value; a node reading it twice is there twice."""
    readers: dict[str, list[Node]] = {}
    for node in graph.nodes:
        for name in node.inputs:
            readers.setdefault(name, []).append(node)
    return readers


def _node(proto: onnx.NodeProto) -> Node:
    attributes = {attribute.name: helper.get_attribute_value(attribute) for attribute in proto.attribute}
    text = {name: value.decode() if isinstance(value, bytes) else value for name, value in attributes.items()}
    domain = "" if proto.domain in STANDARD else proto.domain
    return Node(proto.op_type, list(proto.input), list(proto.output), text, domain)


def _value_info(graph: Graph, name: str) -> onnx.ValueInfoProto:
    dtype = helper.np_dtype_to_tensor_dtype(np.dtype(graph.dtypes[name]))
    return helper.make_tensor_value_info(name, dtype, graph.shapes.get(name))
