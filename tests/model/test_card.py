import json

import numpy as np
import pytest
from onnx import helper, numpy_helper

from rig.errors import ModelError
from rig.model import DeployedModel, card_path, guess_card, read_card, write_card
from rig.model.guess import IMAGENET_MEAN, IMAGENET_STD


@pytest.fixture
def carded(tiny):
    """A tiny file with its guessed card beside it, and a function that edits the card's JSON."""
    path = tiny().path
    write_card(guess_card(path), path)

    def change(section, **fields):
        content = json.loads(card_path(path).read_text())
        (content[section] if section else content).update(fields)
        card_path(path).write_text(json.dumps(content))

    return path, change


def test_card_survives_the_disk_and_is_read_from_beside_the_model(carded):
    path, change = carded
    assert read_card(path) == guess_card(path)
    assert card_path(path).name == "tiny.card.json"
    change(None, labels=["a", "b", "c", "d", "e"], guessed=[])
    assert list(DeployedModel(path).labels) == ["a", "b", "c", "d", "e"]
    assert [file.name for file in path.parent.iterdir() if file.name.startswith(".")] == []


@pytest.mark.parametrize(
    ("section", "fields", "message"),
    [
        ("input", {"name": "images"}, "input.name contradicts.*got images; expected x"),
        ("input", {"height_px": 17}, r"input shape contradicts.*\[3, 17, 20\].*\[3, 16, 20\]"),
        ("input", {"layout": "NHWC"}, "input shape contradicts"),
        ("input", {"dtype": "float16"}, "input.dtype contradicts"),
        ("output", {"name": "probs"}, "output.name contradicts"),
        (None, {"sha256": "0" * 64}, "sha256 contradicts"),
        (None, {"labels": ["one"]}, "number of labels contradicts.*got 1; expected 5"),
        (None, {"comment": "hello"}, "comment: Extra inputs"),
        ("input", {"batch": "many"}, "input.batch"),
        ("input", {"std": [1, 0, 1]}, "input.std.1"),
        ("input", {"range": [1, 0]}, "range is"),
        ("resize", {"crop_frac": 1.5}, "resize.crop_frac"),
        ("resize", {"interpolation": "nearest"}, "resize.interpolation"),
        ("input", {"dtype": "uint8"}, "a uint8 input takes range"),
    ],
)
def test_contradicting_or_malformed_card_is_refused_in_one_line(carded, section, fields, message):
    path, change = carded
    change(section, **fields)
    with pytest.raises(ModelError, match=message) as caught:
        DeployedModel(path)
    assert "\n" not in str(caught.value) and "tiny.card.json" in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff\xfe"])
def test_broken_card_file_is_refused(carded, content):
    path, _ = carded
    card_path(path).write_bytes(content)
    with pytest.raises(ModelError, match="tiny.card.json"):
        read_card(path)


def test_missing_card_is_an_error_only_for_read_card(tiny):
    path = tiny().path
    with pytest.raises(ModelError, match="cannot read the card"):
        read_card(path)
    assert DeployedModel(path).card.guessed


def test_fixed_batch_may_not_be_called_another(tiny):
    path = tiny(batch=4).path
    card = guess_card(path)
    write_card(card.model_copy(update={"input": card.input.model_copy(update={"batch": 2})}), path)
    with pytest.raises(ModelError, match="input.batch contradicts.*got 2; expected 4"):
        read_card(path)


@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
def test_guess_of_a_float_file(tiny, layout):
    card = guess_card(tiny(layout=layout).path)
    assert (card.input.layout, card.input.height_px, card.input.width_px) == (layout, 16, 20)
    assert (card.input.mean, card.input.std) == (IMAGENET_MEAN, IMAGENET_STD)
    assert card.labels == [f"class_{index}" for index in range(5)]
    said = " ".join(card.guessed)
    assert all(word in said for word in (layout, "ImageNet mean", "RGB", "class_0", "logits"))


def test_guess_of_a_byte_file_normalises_nothing(tiny):
    card = guess_card(tiny(dtype="uint8").path)
    assert (card.input.range, card.input.mean, card.input.std) == ((0, 255), (0, 0, 0), (1, 1, 1))


@pytest.mark.parametrize(
    ("classes", "first", "last"), [(1000, "tench", "toilet tissue"), (1001, "background", "toilet tissue")]
)
def test_guess_of_imagenet_labels(tiny, classes, first, last):
    labels = guess_card(tiny(classes=classes).path).labels
    assert len(labels) == classes
    assert labels[0].startswith(first) and labels[-1].startswith(last)


def test_guess_sees_a_softmax_and_a_normalisation_in_the_graph(shared):
    card = guess_card(shared / "onnx_zoo" / "softmax_inside-current.onnx")
    assert card.output.kind == "probabilities"
    assert (card.input.range, card.input.mean) == ((0, 1), (0, 0, 0))


@pytest.mark.parametrize(
    ("operator", "constant", "high"), [("Div", 255.0, 255), ("Sub", 0.5, 1), ("Mul", 1 / 255, 255)]
)
def test_guess_reads_the_range_from_the_arithmetic_on_the_input(tiny, operator, constant, high):
    def edit(graph):
        graph.initializer.append(numpy_helper.from_array(np.float32([constant]), "constant"))
        graph.node.insert(0, helper.make_node(operator, ["x", "constant"], ["scaled"]))
        next(node for node in graph.node if node.op_type == "Conv").input[0] = "scaled"

    card = guess_card(tiny(edit=edit).path)
    assert (card.input.range, card.input.mean, card.input.std) == ((0, high), (0, 0, 0), (1, 1, 1))


def test_dynamic_size_is_assumed_and_said(tiny):
    card = guess_card(tiny(size=("h", "w")).path)
    assert (card.input.height_px, card.input.width_px) == (224, 224)
    assert any("dynamic" in sentence for sentence in card.guessed)


def test_grey_input_is_refused(tiny):
    def edit(graph):
        graph.input[0].type.tensor_type.shape.dim[1].dim_value = 1

    with pytest.raises(ModelError, match="no three colour channels"):
        guess_card(tiny(edit=edit).path)
