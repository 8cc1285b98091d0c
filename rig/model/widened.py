"""A float16 graph computed in float32, with the same weights: the slopes of half precision under- and overflow."""

from collections.abc import Iterator

import numpy as np
import onnx
from onnx import TensorProto, numpy_helper


def widened(proto: onnx.ModelProto) -> bool:
    """Whether anything was float16; `proto`, which holds its external weights, is changed in place."""
    scopes = [*_graphs(proto.graph), *proto.functions]
    attributes = [attribute for scope in scopes for node in scope.node for attribute in node.attribute]
    return any([_widen_tensors(scopes, attributes), _widen_types(scopes), _widen_casts(attributes)])


def _graphs(graph: onnx.GraphProto) -> Iterator[onnx.GraphProto]:
    """A graph and those inside its nodes."""
    yield graph
    for attribute in (attribute for node in graph.node for attribute in node.attribute):
        for inner in ([attribute.g] if attribute.HasField("g") else []) + list(attribute.graphs):
            yield from _graphs(inner)


def _widen_tensors(scopes, attributes) -> bool:
    held = [tensor for scope in scopes if isinstance(scope, onnx.GraphProto) for tensor in scope.initializer]
    held += [tensor for attribute in attributes for tensor in (attribute.t, *attribute.tensors)]
    found = [tensor for tensor in held if tensor.data_type == TensorProto.FLOAT16]
    for tensor in found:
        tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor).astype(np.float32), tensor.name))
    return bool(found)


def _widen_types(scopes) -> bool:
    values = [value for scope in scopes if isinstance(scope, onnx.GraphProto) for value in _values(scope)]
    found = [value.type.tensor_type for value in values if value.type.tensor_type.elem_type == TensorProto.FLOAT16]
    for tensor_type in found:
        tensor_type.elem_type = TensorProto.FLOAT
    return bool(found)


def _values(graph: onnx.GraphProto) -> list[onnx.ValueInfoProto]:
    return [*graph.input, *graph.output, *graph.value_info]


def _widen_casts(attributes) -> bool:
    """Casts to float16 become casts to float32, as do constants and noise asked for by type."""
    found = [a for a in attributes if a.name in ("to", "dtype") and a.i == TensorProto.FLOAT16]
    for attribute in found:
        attribute.i = TensorProto.FLOAT
    return bool(found)
