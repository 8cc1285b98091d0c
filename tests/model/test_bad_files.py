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


def relu_of_its_own_output(graph):
    graph.node.insert(0, helper.make_node("Add", ["x", "back"], ["sum"]))
    graph.node.insert(1, helper.make_node("Relu", ["sum"], ["back"]))
    next(node for node in graph.node if node.op_type == "Conv").input[0] = "back"


def identity_of_itself(graph):
    graph.node[-1].output[0] = "scores"
    graph.node.append(helper.make_node("Identity", ["y"], ["y"]))


def operator_without_inputs(graph):
    graph.node[-1].output[0] = "scores"
    graph.node.append(helper.make_node("Flatten", [], ["y"]))


def sequence_input(graph):
    graph.input[0].CopyFrom(helper.make_tensor_sequence_value_info("x", TensorProto.FLOAT, ["n", 3, 16, 20]))


def many_classes(graph):
    graph.output[0].type.tensor_type.shape.dim[1].dim_value = 2**33


def short_weights(graph):
    graph.initializer[0].raw_data = graph.initializer[0].raw_data[:7]


def lying_weights(graph):
    graph.initializer[0].dims[0] = 2**40


def custom_domain(graph):
    graph.node[-1].domain = "evil.corp"


def constant_bomb(graph):
    """Four terabytes, once it runs."""
    graph.initializer.append(helper.make_tensor("shape", TensorProto.INT64, [2], [2**20, 2**20]))
    graph.node[-1].output[0] = "scores"
    graph.node.append(helper.make_node("ConstantOfShape", ["shape"], ["zeros"]))
    graph.node.append(helper.make_node("ReduceSum", ["zeros"], ["zero"], keepdims=0))
    graph.node.append(helper.make_node("Add", ["scores", "zero"], ["y"]))


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
        (relu_of_its_own_output, "cannot load the model.*not acyclic"),
        (identity_of_itself, "cannot load the model.*not acyclic"),
        (operator_without_inputs, "cannot load the model"),
        (sequence_input, "unsupported type of input x; got sequence_type"),
        (edit_input(d0=10**6), r"absurdly large; got \[1000000, 3, 16, 20\]; expected at most 134217728"),
        (edit_input(d2=2**31, d3=2**31), "absurdly large"),
        (edit_input(d2=-5), "empty dimension"),
        (many_classes, "absurd number of classes; got 8589934592"),
        (short_weights, "cannot load the model"),
        (lying_weights, "cannot load the model"),
        (custom_domain, "cannot load the model.*evil.corp"),
        (constant_bomb, "cannot (load|run) the model"),
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


def test_name_that_is_no_text(tiny):
    path = tiny().path
    path.write_bytes(path.read_bytes().replace(b"ReduceMean", b"Reduce\xc6ean").replace(b"MatMul", b"Mat\xc6ul"))
    refused(path, "not an ONNX file|cannot load the model")


def with_functions(path, *bodies):
    """Functions F0, F1, ... of the file, each the operators of F's own domain that it applies in a row."""
    proto = onnx.load(str(path))
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("own", 1)]
    for i, called in enumerate(bodies):
        names = ["a", *(f"v{k}" for k in range(1, len(called))), "b"]
        nodes = [
            helper.make_node(op, [before], [after], domain="own" if op[0] == "F" else "")
            for op, before, after in zip(called, names[:-1], names[1:], strict=True)
        ]
        proto.functions.append(helper.make_function("own", f"F{i}", ["a"], ["b"], nodes, opsets))
    proto.graph.node[-1].output[0] = "scores"
    proto.graph.node.append(helper.make_node("F0", ["scores"], ["y"], domain="own"))
    proto.opset_import.append(opsets[1])
    path.write_bytes(proto.SerializeToString())
    return path


def test_functions_of_the_files_own(tiny):
    """Run as written; not where they would never end, or fill memory once written out."""
    batch = torch.rand(2, 3, 16, 20)
    plain = DeployedModel(tiny().path).logits(batch)
    path = with_functions(tiny().path, ["F1", "F1"], ["Neg"])
    np.testing.assert_array_equal(DeployedModel(path).logits(batch), plain)
    refused(with_functions(tiny().path, ["F1"], ["Neg", "F0"]), "a function of the file calls itself; got F[01]")
    doubling = [[f"F{i + 1}"] * 2 for i in range(29)]
    refused(with_functions(tiny().path, *doubling, ["Neg"]), "absurd number of nodes; got 5368")


def test_loop_without_end_is_left(tiny, monkeypatch):
    def endless(graph):
        def value(name, dtype, shape):
            return helper.make_tensor_value_info(name, dtype, shape)

        body = helper.make_graph(
            [helper.make_node("Identity", ["go_on"], ["still"]), helper.make_node("Neg", ["state"], ["next"])],
            "body",
            [value("i", TensorProto.INT64, []), value("go_on", TensorProto.BOOL, []), value("state", 1, None)],
            [value("still", TensorProto.BOOL, []), value("next", 1, None)],
        )
        graph.initializer.append(helper.make_tensor("times", TensorProto.INT64, [], [2**62]))
        graph.node[-1].output[0] = "scores"
        graph.node.append(helper.make_node("Loop", ["times", "", "scores"], ["y"], body=body))

    monkeypatch.setattr("rig.model.deployed.PATIENCE_S", 0.3)
    refused(tiny(edit=endless).path, "no answer to one image within 0.3 s")


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
    ("location", "offset", "message"),
    [
        ("a" * 5000, 0, "no usable file name"),
        ("a\0b", 0, "no usable file name"),
        (".", 0, "are missing"),
        ("/etc/passwd", 0, "outside the model's folder"),
        ("weights-linear", -5, "described wrongly"),
        ("weights-linear", 10**15, "cannot load the model"),
    ],
    ids=["long", "zero byte", "folder", "absolute", "before", "behind"],
)
def test_external_weights_that_cannot_be(tiny, location, offset, message):
    path = tiny().path
    external(path, "weights")
    proto = onnx.load(str(path), load_external_data=False)
    tensor = next(tensor for tensor in proto.graph.initializer if tensor.name == "linear")
    for entry in tensor.external_data:
        entry.value = {"location": location, "offset": str(offset)}.get(entry.key, entry.value)
    if offset:
        tensor.external_data.add(key="offset", value=str(offset))
    path.write_bytes(proto.SerializeToString())
    refused(path, message)


@pytest.mark.parametrize("cut", [1, 10, 0.3, 0.6, 0.9, 0.99])
def test_file_cut_short_anywhere(tiny, cut):
    path = tiny().path
    whole = path.read_bytes()
    path.write_bytes(whole[: cut if isinstance(cut, int) else int(cut * len(whole))])
    refused(path, "not an ONNX file|cannot load the model")


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
