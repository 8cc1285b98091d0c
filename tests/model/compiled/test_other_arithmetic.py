"""float16 and integer operators: slopes of a float32 stand-in, at scores that are bit for bit the file's own."""

import logging

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
import torch.nn.functional as F
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, quantize_dynamic, quantize_static

from rig.errors import ModelError
from rig.model import DeployedModel, gradient_of
from rig.model.compiled import CompiledGradient
from rig.model.compiled.integers import REWRITES, unfused
from rig.model.widened import widened


class Images(CalibrationDataReader):
    def __init__(self, images):
        self._feeds = iter([{"images": image[None]} for image in images])

    def get_next(self):
        return next(self._feeds, None)


def stored_of(folder, name):
    return {key: torch.from_numpy(value) for key, value in np.load(folder / f"{name}.npz").items()}


def assert_straight_through(path, stored, road, least_cosine):
    """The slope is the source model's, its length within 5 %; the scores are the file's."""
    model = DeployedModel(path, threads=1)
    std, mean = (torch.tensor(values).view(3, 1, 1) for values in (model.card.input.std, model.card.input.mean))
    images = stored["images"] * std + mean
    gradient = gradient_of(model, road)
    losses, grad, logits = gradient.value_and_grad(images, lambda z: (z * stored["cotangent"]).sum(1))
    assert model.queries == len(images)
    np.testing.assert_array_equal(logits, model.logits(images))
    torch.testing.assert_close(losses, (logits * stored["cotangent"]).sum(1))
    got, expected = (grad * std).flatten(), stored["gradient"].flatten()
    assert torch.isfinite(got).all()
    assert F.cosine_similarity(got, expected, dim=0) > least_cosine
    assert 0.95 < got.norm() / expected.norm() < 1.05
    return gradient


@pytest.mark.parametrize("road", ["compiled", "torch"])
@pytest.mark.parametrize("name", ["convnext", "regnet"])
def test_float16_file(shared, name, road):
    folder = shared / "onnx_zoo"
    gradient = assert_straight_through(folder / f"{name}-fp16.onnx", stored_of(folder, name), road, 0.999)
    assert "float32 for float16, scores by the file itself" in gradient.road
    assert gradient.max_logit_error < 2e-2


@pytest.mark.parametrize("name", ["convnext", "regnet"])
def test_float16_slopes_neither_overflow_nor_vanish(shared, name):
    """In half precision 1e6 is infinite and 1e-9 is 0: gradients are linear in the loss, whatever its size."""
    model = DeployedModel(shared / "onnx_zoo" / f"{name}-fp16.onnx", threads=1)
    gradient = gradient_of(model, "compiled")
    images = torch.rand(2, 3, *model.size_px, generator=torch.Generator().manual_seed(0))
    one, huge, tiny = (gradient.value_and_grad(images, lambda z, k=k: k * z[:, 0])[1] / k for k in (1, 1e6, 1e-9))
    torch.testing.assert_close(huge, one, rtol=1e-4, atol=1e-6 * float(one.abs().max()))
    torch.testing.assert_close(tiny, one, rtol=1e-4, atol=1e-6 * float(one.abs().max()))


def test_nothing_stays_half_anywhere(shared):
    proto = onnx.load(str(shared / "onnx_zoo" / "convnext-fp16.onnx"))
    text = onnx.printer.to_text(proto)
    assert widened(proto) and not widened(proto)
    assert "float16" in text and "float16" not in onnx.printer.to_text(proto)


@pytest.fixture(scope="module")
def quantised(shared, tmp_path_factory):
    """Zoo files quantised by ONNX Runtime's own tool into operators on integers."""
    folder, zoo = tmp_path_factory.mktemp("quantised"), shared / "onnx_zoo"

    def make(name, kind):
        path = folder / f"{name}-{kind}.onnx"
        source = zoo / f"{name}-legacy.onnx"
        logging.disable(logging.WARNING)
        if kind == "dynamic":
            quantize_dynamic(source, path)
        else:
            images = Images(np.load(zoo / f"{name}.npz")["images"])
            # 7-bit weights: sums of 8-bit products saturate at 16 bits on processors without VNNI
            settings = {"quant_format": QuantFormat.QOperator, "reduce_range": True}
            quantize_static(source, path, images, per_channel=kind == "per_channel", **settings)
        logging.disable(logging.NOTSET)
        return path, stored_of(zoo, name)

    return make


@pytest.mark.parametrize(
    ("name", "kind"),
    [("regnet", "per_channel"), ("shufflenet", "per_tensor"), ("convnext", "per_tensor"), ("regnet", "dynamic")],
)
def test_operators_on_integers(quantised, name, kind):
    path, stored = quantised(name, kind)
    used = {node.op_type for node in onnx.load(str(path)).graph.node}
    assert used & set(REWRITES)
    gradient = assert_straight_through(path, stored, "compiled", 0.95)
    assert "scores by the file itself" in gradient.road


@pytest.mark.parametrize("name", ["regnet", "shufflenet"])
def test_what_stands_in_for_integer_operators_computes_the_same_integers(quantised, name):
    path, stored = quantised(name, "per_channel")
    proto = onnx.load(str(path))
    assert unfused(proto)
    assert not {node.op_type for node in proto.graph.node} & set(REWRITES)
    feeds = {"images": stored["images"].numpy()}
    scores = [
        onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"]).run(None, feeds)[0]
        for file in (str(path), proto.SerializeToString())
    ]
    np.testing.assert_allclose(scores[1], scores[0], atol=0.01 * np.ptp(scores[0]))


def test_integer_operator_without_a_rewriting_is_refused_by_name(tiny):
    def edit(graph):
        zero = helper.make_tensor("zero", TensorProto.UINT8, [], [0])
        mask = helper.make_tensor("mask", TensorProto.BOOL, [5], [1, 0, 1, 1, 1])
        graph.initializer.extend([numpy_helper.from_array(np.float32(0.05), "scale"), zero, mask])
        codes = ["codes", "scale", "zero"]
        graph.node[-1].output[0] = "scores"
        graph.node.append(helper.make_node("QuantizeLinear", ["scores", "scale", "zero"], ["codes"]))
        where = helper.make_node(
            "QLinearWhere", ["mask", *codes, "zero", *codes[1:], *codes[1:]], ["some"], domain="com.microsoft"
        )
        graph.node.append(where)
        graph.node.append(helper.make_node("DequantizeLinear", ["some", "scale", "zero"], ["y"]))

    model = DeployedModel(tiny(edit=edit).path, threads=1)
    with pytest.raises(ModelError, match="unsupported operator com.microsoft.QLinearWhere"):
        CompiledGradient(model)
    assert gradient_of(model).road.startswith("NES")
