"""From a model file to the graph that is differentiated: one output, static shapes, float32, folded constants."""

import tempfile
from pathlib import Path

import onnx
import onnxruntime
from onnx import TensorProto

from rig.errors import ModelError
from rig.model.compiled.graph import Graph, from_proto
from rig.model.deployed import ORT_ERRORS, QUIET

OPSET = 20  # the rules speak this one; older files are converted, newer ones read as they are
Level = onnxruntime.GraphOptimizationLevel
# ONNX's version converter and shape inference raise these on what they cannot handle.
CONVERSION_FAILURES = (RuntimeError, ValueError, TypeError, LookupError, onnx.shape_inference.InferenceError)


def prepare(proto: onnx.ModelProto, input_shape: tuple[int, ...], output: str) -> Graph:
    """`proto` holds its external weights and is consumed."""
    _keep_output(proto.graph, output)
    _drop_weights_from_inputs(proto.graph)
    _fix_input(proto.graph.input[0], input_shape)
    return from_proto(optimised(_newer(proto), Level.ORT_ENABLE_BASIC), "rig")


def optimised(proto: onnx.ModelProto, level: Level) -> onnx.ModelProto:
    """What ONNX Runtime makes of a graph on the CPU. Raises ModelError if it cannot run it."""
    with tempfile.TemporaryDirectory(prefix="rig-gradient-") as folder:
        path = Path(folder) / "optimised.onnx"
        options = session_options(level)
        options.optimized_model_filepath = str(path)
        open_session(proto.SerializeToString(), options)
        return onnx.load(str(path))


def session_options(level: Level, threads: int | None = 1) -> onnxruntime.SessionOptions:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = QUIET
    options.intra_op_num_threads = threads or 0
    options.graph_optimization_level = level
    options.execution_order = onnxruntime.ExecutionOrder.PRIORITY_BASED
    return options


def open_session(serialised: bytes, options) -> onnxruntime.InferenceSession:
    try:
        return onnxruntime.InferenceSession(serialised, options, providers=["CPUExecutionProvider"])
    except ORT_ERRORS as error:
        raise ModelError("ONNX Runtime cannot run the gradient graph", got=error) from error


def _keep_output(graph: onnx.GraphProto, name: str) -> None:
    kept = [value for value in graph.output if value.name == name]
    del graph.output[:]
    graph.output.extend(kept)


def _drop_weights_from_inputs(graph: onnx.GraphProto) -> None:
    weights = {tensor.name for tensor in graph.initializer}
    inputs = [value for value in graph.input if value.name not in weights]
    del graph.input[:]
    graph.input.extend(inputs)


def _fix_input(value: onnx.ValueInfoProto, shape: tuple[int, ...]) -> None:
    """Static shape; bytes as whole floats, which have a gradient."""
    tensor = value.type.tensor_type
    tensor.elem_type = TensorProto.FLOAT
    del tensor.shape.dim[:]
    for side in shape:
        tensor.shape.dim.add().dim_value = side


def _newer(proto: onnx.ModelProto) -> onnx.ModelProto:
    (version,) = [entry.version for entry in proto.opset_import if entry.domain in ("", "ai.onnx")] or [OPSET]
    if version >= OPSET:
        return proto
    del proto.graph.value_info[:]  # of the batch it was exported with
    try:
        return onnx.version_converter.convert_version(proto, OPSET)
    except CONVERSION_FAILURES as error:
        got = f"operator set {version} ({error})"
        raise ModelError("no compiled gradient", got=got, expected=f"convertible to {OPSET}") from error
