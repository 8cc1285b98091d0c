"""The official ONNX node tests of every operator that has a rule: gradient against central differences.

pytest -m onnx_backend          all of them (10 to 40 s); otherwise one of each operator
"""

import contextlib
import io
import warnings
from unittest import mock

import numpy as np
import onnx
import pytest
from onnx import TensorProto, numpy_helper
from small_graphs import slopes

from rig.errors import ModelError
from rig.model.compiled.backward import RULES
from rig.model.compiled.engine import Engine, derive
from rig.model.compiled.prepare import prepare

# Their inputs sit on the kink, on the step or in the overflow of the operator: no difference quotient there.
NO_SLOPE = {"test_elu_example", "test_floor_example", "test_leakyrelu_example", "test_pow", "test_round", "test_sign"}
LEAST_OPERATORS = 50
LEAST_PASSED = 250  # 268 with onnx 1.23 and onnxruntime 1.31


def cases():
    """(name, model of one float input x, its value): the other inputs become constants."""
    from onnx.backend.test.case.node import collect_testcases

    with warnings.catch_warnings(action="ignore"), contextlib.redirect_stdout(io.StringIO()), pooling_unanswered():
        found = collect_testcases(None)
    for case in found:
        operators = {(node.domain, node.op_type) for node in case.model.graph.node}
        if case.name not in NO_SLOPE and operators <= RULES.keys() and len(operators) == 1:
            values = [np.asarray(value) for value in case.data_sets[0][0]]
            if _is_usable(case.model.graph, values):
                yield case.name, _of_one_input(case.model, values), values[0]


def pooling_unanswered():
    """What a case should give is not looked at here, and ONNX's reference takes most of the time for that of pooling."""

    def unanswered(padded, x_shape, kernel, strides, out_shape, *_, **__):
        return np.zeros((*x_shape[:2], *out_shape), padded.dtype)

    return mock.patch("onnx.reference.ops.op_pool_common.pool", unanswered)


def _is_usable(graph, values) -> bool:
    whole = len(values) == len(graph.input) and values and all(value.dtype != object for value in values)
    return (
        whole
        and values[0].dtype == np.float32
        and values[0].size > 0
        and values[0].ndim > 0
        and graph.output[0].type.tensor_type.elem_type == TensorProto.FLOAT
    )


def _of_one_input(proto: onnx.ModelProto, values) -> onnx.ModelProto:
    graph = proto.graph
    graph.initializer.extend(
        numpy_helper.from_array(value, given.name) for given, value in zip(graph.input[1:], values[1:], strict=True)
    )
    del graph.input[1:]
    del graph.output[1:]
    for node in graph.node:
        node.input[:] = ["x" if name == graph.input[0].name else name for name in node.input]
    graph.input[0].name = "x"
    return proto


def is_right(proto: onnx.ModelProto, x: np.ndarray) -> bool:
    """Raises ModelError where the operator is refused."""
    copy = onnx.ModelProto()
    copy.CopyFrom(proto)
    engine = Engine(derive(prepare(copy, x.shape, proto.graph.output[0].name)), threads=1)
    rng = np.random.default_rng(0)
    cotangent = rng.normal(size=engine.forward(x).shape).astype(np.float32)
    grad = engine.backward(cotangent)
    directions = rng.normal(size=(4, *x.shape))
    got = (directions * grad).reshape(4, -1).sum(1)
    for step, tolerance in ((1e-6, 2e-4), (1e-3, 1e-2), (1e-2, 1e-2)):  # the reference of some is single precision
        expected = slopes(proto, x, cotangent, directions, step)
        if np.allclose(got, expected, rtol=tolerance, atol=tolerance * np.linalg.norm(grad) + 1e-5):
            return True
    return False


def sort_out(chosen) -> tuple[list[str], list[str], list[str]]:
    """Names of those that pass, are wrong, are refused."""
    passed, wrong, refused = [], [], []
    for name, proto, x in chosen:
        try:
            (passed if is_right(proto, x) else wrong).append(name)
        except ModelError:
            refused.append(name)
    return passed, wrong, refused


def test_an_official_case_of_each_operator_passes():
    by_operator = {}
    for name, proto, x in cases():
        by_operator.setdefault(proto.graph.node[0].op_type, []).append((name, proto, x))
    smallest = [min(found, key=lambda case: case[2].size) for found in by_operator.values()]
    passed, wrong, refused = sort_out(smallest)
    assert not wrong
    assert len(passed) >= LEAST_OPERATORS, refused


@pytest.mark.onnx_backend
def test_official_cases_pass_or_are_refused():
    passed, wrong, refused = sort_out(cases())
    print(f"{len(passed)} of {len(passed) + len(refused) + len(wrong)} official cases, {len(refused)} refused")
    assert not wrong
    assert len(passed) >= LEAST_PASSED
