"""An ONNX file opened with care: size, external data, one image in, one row of classes out."""

import graphlib
import hashlib
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import onnx
from google.protobuf.message import DecodeError
from onnx.external_data_helper import ExternalDataInfo, uses_external_data

from rig.errors import ModelError

MAX_BYTES = 2**31 - 1  # protobuf's own limit
MAX_INPUT_VALUES = 2**27  # of one batch: half a gigabyte of float32, before any layer
MAX_CLASSES = 2**20
MAX_NODES = 2**20  # once functions are written out
UNSAID_PX = 224  # what a side that the file leaves open is taken for
INPUT_DTYPES = {
    onnx.TensorProto.FLOAT: "float32",
    onnx.TensorProto.FLOAT16: "float16",
    onnx.TensorProto.UINT8: "uint8",
}
OUTPUT_DTYPES = (onnx.TensorProto.FLOAT, onnx.TensorProto.FLOAT16, onnx.TensorProto.DOUBLE)
Dims = tuple[int | None, ...]  # None = dynamic


@dataclass(frozen=True)
class OnnxFile:
    """What the rig needs to know of a file; `n_classes` maps each output that can hold logits to its class count."""

    path: Path
    proto: onnx.ModelProto  # external weights not loaded
    sha256: str  # of the file, followed by its external data files in order of name
    input_name: str
    input_dtype: str
    input_dims: Dims  # 4 of them
    n_classes: dict[str, int]


def open_onnx(path: Path, classifies: bool = True) -> OnnxFile:
    """Raises ModelError for anything but a network of one image input and, if it `classifies`, a (N, K) output."""
    path = Path(path)
    proto = _parse(path)
    _require_bounded_functions(proto, path)
    external = _external_files(proto, path)
    feed = _single_input(proto.graph, path)
    return OnnxFile(
        path=path,
        proto=proto,
        sha256=_sha256([path, *external]),
        input_name=feed.name,
        input_dtype=_input_dtype(feed, path),
        input_dims=_input_dims(feed, path),
        n_classes=_class_counts(proto, path) if classifies else {},
    )


def _parse(path: Path) -> onnx.ModelProto:
    if not path.is_file():
        raise ModelError("no such model file", where=path)
    if not 0 < path.stat().st_size <= MAX_BYTES:
        raise ModelError(
            "not a usable ONNX file", where=path, got=f"{path.stat().st_size} bytes", expected="1 to 2^31-1"
        )
    try:
        proto = onnx.load(str(path), format="protobuf", load_external_data=False)
    except (DecodeError, OSError) as error:
        raise ModelError("not an ONNX file", where=path, got=str(error) or type(error).__name__) from error
    if not proto.graph.node or not proto.opset_import:
        raise ModelError("not an ONNX file", where=path, got="no graph or no operator set")
    return proto


def _require_bounded_functions(proto: onnx.ModelProto, path: Path) -> None:
    """Runtimes write a file's own functions out: thirty that call the next one twice make a billion nodes."""
    calls = {(f.domain, f.name): [(node.domain, node.op_type) for node in _all_nodes(f.node)] for f in proto.functions}
    inner = {name: [other for other in called if other in calls] for name, called in calls.items()}
    n_nodes: dict[tuple[str, str], int] = {}
    try:
        for name in graphlib.TopologicalSorter(inner).static_order():
            n_nodes[name] = sum(n_nodes.get(other, 1) for other in calls[name])
    except graphlib.CycleError as error:
        raise ModelError("a function of the file calls itself", where=path, got=error.args[1][0][1]) from error
    total = sum(n_nodes.get((node.domain, node.op_type), 1) for node in _all_nodes(proto.graph.node))
    if total > MAX_NODES:
        raise ModelError("an absurd number of nodes", where=path, got=total, expected=f"at most {MAX_NODES}")


def _all_nodes(nodes) -> Iterator[onnx.NodeProto]:
    """And those of the graphs inside them."""
    for node in nodes:
        yield node
        for attribute in node.attribute:
            for graph in (attribute.g, *attribute.graphs):
                yield from _all_nodes(graph.node)


def _external_files(proto: onnx.ModelProto, path: Path) -> list[Path]:
    """The weight files beside the model. One outside its folder could be any file of the user's: refused."""
    folder = path.resolve().parent
    tensors = [*_graph_tensors(proto.graph), *(t for f in proto.functions for t in _node_tensors(f.node))]
    try:
        locations = {ExternalDataInfo(tensor).location for tensor in tensors if uses_external_data(tensor)}
    except ValueError as error:
        raise ModelError("external weights are described wrongly", where=path, got=error) from error
    try:
        files = sorted((folder / location).resolve() for location in locations)
        for file in files:
            if not file.is_relative_to(folder):
                raise ModelError("external weights lie outside the model's folder", where=path, got=file)
            if not file.is_file():
                raise ModelError("external weights are missing", where=path, expected=file)
    except (OSError, ValueError) as error:  # a name too long, or with a zero byte
        raise ModelError("external weights have no usable file name", where=path, got=repr(error)[:80]) from error
    return files


def _graph_tensors(graph: onnx.GraphProto) -> Iterator[onnx.TensorProto]:
    yield from graph.initializer
    for sparse in graph.sparse_initializer:
        yield from (sparse.values, sparse.indices)
    yield from _node_tensors(graph.node)


def _node_tensors(nodes) -> Iterator[onnx.TensorProto]:
    for attribute in (attribute for node in nodes for attribute in node.attribute):
        yield from (attribute.t, *attribute.tensors)
        for graph in (attribute.g, *attribute.graphs):
            yield from _graph_tensors(graph)


def _sha256(files: list[Path]) -> str:
    digest = hashlib.sha256()
    for file in files:
        with file.open("rb") as stream:
            while block := stream.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()


def _single_input(graph: onnx.GraphProto, path: Path) -> onnx.ValueInfoProto:
    weights = {tensor.name for tensor in graph.initializer}  # old files list their weights as inputs, too
    inputs = [value for value in graph.input if value.name not in weights]
    if len(inputs) != 1:
        names = ", ".join(value.name for value in inputs) or "none"
        raise ModelError("a model needs exactly one input", where=path, got=f"{len(inputs)} ({names})")
    return inputs[0]


def _input_dtype(feed: onnx.ValueInfoProto, path: Path) -> str:
    dtype, kind = feed.type.tensor_type.elem_type, feed.type.WhichOneof("value")
    if dtype not in INPUT_DTYPES:
        names = onnx.TensorProto.DataType
        got = kind if kind != "tensor_type" else names.Name(dtype) if dtype in names.values() else dtype
        raise ModelError(
            f"unsupported type of input {feed.name}", where=path, got=got, expected="float32, float16 or uint8"
        )
    return INPUT_DTYPES[dtype]


def _input_dims(feed: onnx.ValueInfoProto, path: Path) -> Dims:
    dims = _dims(feed)
    if len(dims) != 4:
        raise ModelError(
            f"input {feed.name} is no image batch", where=path, got=f"{len(dims)} dimensions", expected="4"
        )
    if any(dim is not None and dim < 1 for dim in dims):
        raise ModelError(f"input {feed.name} has an empty dimension", where=path, got=list(dims))
    n, *rest = dims
    if (n or 1) * math.prod(side or UNSAID_PX for side in rest) > MAX_INPUT_VALUES:
        limit = f"at most {MAX_INPUT_VALUES} values"
        raise ModelError(f"input {feed.name} is absurdly large", where=path, got=list(dims), expected=limit)
    return dims


def _dims(value: onnx.ValueInfoProto) -> Dims:
    return tuple(d.dim_value if d.HasField("dim_value") else None for d in value.type.tensor_type.shape.dim)


def _class_counts(proto: onnx.ModelProto, path: Path) -> dict[str, int]:
    counts = _counts_of(proto.graph.output)
    if not counts:  # the class count may be left unsaid and still follow from the weights
        counts = _counts_of(_inferred(proto, path).graph.output)
    if not counts:
        got = ", ".join(f"{value.name} {list(_dims(value))}" for value in proto.graph.output)
        raise ModelError("no output is a row of class scores", where=path, got=got, expected="floats of shape (N, K)")
    if max(counts.values()) > MAX_CLASSES:
        got, limit = f"{max(counts.values())} classes", f"at most {MAX_CLASSES}"
        raise ModelError("an absurd number of classes", where=path, got=got, expected=limit)
    return counts


def _inferred(proto: onnx.ModelProto, path: Path) -> onnx.ModelProto:
    try:
        return onnx.shape_inference.infer_shapes(proto, data_prop=True)
    except (onnx.shape_inference.InferenceError, RuntimeError, ValueError, TypeError) as error:
        raise ModelError("the graph's shapes contradict each other", where=path, got=error) from error


def _counts_of(outputs) -> dict[str, int]:
    """(N, K), or (N, K, 1, 1) as old files have it; K at least 2."""
    floats = (value for value in outputs if value.type.tensor_type.elem_type in OUTPUT_DTYPES)
    wide = {value.name: [dim for dim in _dims(value)[1:] if dim != 1] for value in floats}
    return {name: dims[0] for name, dims in wide.items() if len(dims) == 1 and dims[0] is not None and dims[0] > 1}
