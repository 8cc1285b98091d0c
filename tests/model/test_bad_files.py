"""Every unusable file is refused in one line that names it."""

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper

from rig.errors import ModelError
from rig.model import DeployedModel, guess_card, resolve, write_card


def refused(path, message):
    with pytest.raises(ModelError, match=message) as caught:
        DeployedModel(path)
    assert "\n" not in str(caught.value) and path.name in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"hello", b"\x89PNG\r\n\x1a\n" + bytes(100), bytes(1000), b"\x08\x08"])
def test_not_an_onnx_file(tmp_path, content):
    path = tmp_path / "model.onnx"
    path.write_bytes(content)
    refused(path, "ONNX file")


def test_no_file_and_no_folder(tmp_path):
    refused(tmp_path / "absent.onnx", "no such model file")
    refused(tmp_path, "no such model file")


def test_truncated_file(tiny):
    path = tiny().path
    path.write_bytes(path.read_bytes()[:-300])
    refused(path, "not an ONNX file|cannot load the model")


def edit_input(**dims):
    def edit(graph):
        for index, value in dims.items():
            graph.input[0].type.tensor_type.shape.dim[int(index[1:])].dim_value = value

    return edit


def second_input(graph):
    graph.input.append(helper.make_tensor_value_info("mask", TensorProto.FLOAT, [1]))


def flat_input(graph):
    del graph.input[0].type.tensor_type.shape.dim[3]


def double_input(graph):
    graph.input[0].type.tensor_type.elem_type = TensorProto.DOUBLE


def label_output(graph):
    graph.node.append(helper.make_node("ArgMax", ["y"], ["label"], axis=1))
    del graph.output[:]
    graph.output.append(helper.make_tensor_value_info("label", TensorProto.INT64, ["n", 1]))


def map_output(graph):
    del graph.output[:]
    graph.output.append(helper.make_tensor_value_info("conv", TensorProto.FLOAT, ["n", 8, 7, 9]))


def unknown_operator(graph):
    graph.node[0].op_type = "Convolve"


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (second_input, r"exactly one input.*got 2 \(x, mask\)"),
        (flat_input, "3 dimensions; expected 4"),
        (double_input, "unsupported type of input x.*DOUBLE"),
        (edit_input(d2=0), "empty dimension"),
        (edit_input(d0=0), "empty dimension"),
        (label_output, "no output is a row of class scores"),
        (map_output, r"no output is a row of class scores.*conv \[None, 8, 7, 9\]"),
        (unknown_operator, "cannot load the model.*Convolve"),
    ],
)
def test_graph_that_is_no_image_classifier(tiny, edit, message):
    refused(tiny(edit=edit).path, message)


def test_scores_that_are_not_probabilities_are_not_taken_for_them(tiny):
    path = tiny().path
    card = guess_card(path)
    write_card(card.model_copy(update={"output": card.output.model_copy(update={"kind": "probabilities"})}), path)
    refused(path, "no probabilities")


def test_logits_that_are_not_finite(tiny):
    def overflow(graph):
        graph.node[-1].output[0] = "small"
        graph.node.append(helper.make_node("Log", ["negative"], ["y"]))
        graph.node.insert(len(graph.node) - 1, helper.make_node("Sub", ["small", "small"], ["negative"]))

    refused(tiny(edit=overflow).path, "not finite")


def test_file_that_loads_but_cannot_run(tiny):
    """A reshape that fits no batch passes ONNX Runtime's load."""

    def misfit(graph):
        graph.node[-1].output[0] = "scores"
        graph.initializer.append(helper.make_tensor("shape", TensorProto.INT64, [2], [7, 5]))
        graph.node.append(helper.make_node("Reshape", ["scores", "shape"], ["y"]))

    refused(tiny(edit=misfit).path, "cannot run the model|cannot load the model")


def external(path, location):
    """Move the weights of a file to `location`, relative to it."""
    proto = onnx.load(str(path))
    for tensor in proto.graph.initializer:
        tensor.raw_data = tensor.raw_data
        target = path.parent / f"{location}-{tensor.name}"
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(tensor.raw_data)
        onnx.external_data_helper.set_external_data(tensor, f"{location}-{tensor.name}", length=len(tensor.raw_data))
        tensor.ClearField("raw_data")
    path.write_bytes(proto.SerializeToString())


def test_weights_beside_the_file_are_used_and_hashed(tiny):
    path = tiny().path
    batch = torch.rand(2, 3, 16, 20)
    inside = DeployedModel(path)
    external(path, "weights/tiny")
    outside = DeployedModel(path)
    np.testing.assert_array_equal(outside.logits(batch), inside.logits(batch))
    target = path.parent / "weights" / "tiny-linear"
    target.write_bytes(bytes(len(target.read_bytes())))
    assert DeployedModel(path).sha256 != outside.sha256


def test_weights_outside_the_models_folder_are_refused(tiny):
    path = tiny().path
    external(path, "../stolen")
    refused(path, "outside the model's folder")


def test_weights_behind_a_link_out_of_the_folder_are_refused(tiny, tmp_path_factory):
    path = tiny().path
    external(path, "weights")
    elsewhere = tmp_path_factory.mktemp("elsewhere") / "secret"
    (path.parent / "weights-linear").rename(elsewhere)
    (path.parent / "weights-linear").symlink_to(elsewhere)
    refused(path, "outside the model's folder")


def test_missing_weights(tiny):
    path = tiny().path
    external(path, "weights")
    (path.parent / "weights-linear").unlink()
    refused(path, "external weights are missing")


@pytest.mark.parametrize(
    "batch",
    [torch.rand(3, 16, 20), torch.rand(1, 1, 16, 20), torch.rand(1, 3, 16, 20).double(), torch.rand(1, 3, 0, 20)],
)
def test_what_is_no_batch_is_refused(tiny, batch):
    with pytest.raises(ModelError, match="not a batch of images"):
        DeployedModel(tiny().path).logits(batch)


@pytest.mark.parametrize("images", [np.zeros((16, 20, 3), np.uint8), np.zeros((1, 16, 20, 3), np.float32)])
def test_what_are_no_images_is_refused(tiny, images):
    with pytest.raises(ModelError, match="not a stack of images"):
        DeployedModel(tiny().path).predict(images)


def test_name_that_is_no_model():
    with pytest.raises(ModelError, match="did you mean efficientnet-lite0"):
        resolve("efficientnetlite0")
