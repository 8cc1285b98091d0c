import json

import numpy as np
import onnx
import pytest
import torch
from planted import LAYOUTS, detector

from rig.errors import ModelError
from rig.model.card import write_card
from rig.model.detect import DeployedDetector

HEADS = {
    "yolov5": "objectness_rows",
    "yolov8": "class_columns",
    "ssd": "boxes_scores",
    "ssd_softmax": "boxes_scores",
    "ssd_logits": "boxes_scores",
    "nms": "detections",
    "nms_flat": "detections",
    "topk": "detection_rows",
}
FROM_ONE = ("ssd_softmax", "nms")  # labels 1 and 2: 0 is the background
ALONE = ("nms", "nms_flat")  # one image a call


def made(folder, layout, **options):
    batch = options.pop("batch", 1 if layout in ALONE else "n")
    return DeployedDetector(detector(folder / f"{layout}.onnx", layout, batch=batch, **options), threads=1)


def recard(made_detector, **head):
    card = made_detector.card
    write_card(card.model_copy(update={"head": card.head.model_copy(update=head)}), made_detector.path)
    return DeployedDetector(made_detector.path, threads=1)


@pytest.mark.parametrize("unit", ["px", "frac"])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_is_recognised_and_finds_the_squares(tmp_path, layout, unit, picture, squares):
    made_detector = made(tmp_path, layout, unit=unit)
    head = made_detector.card.head
    assert (head.layout, head.box_unit) == (HEADS[layout], unit)
    (found,) = made_detector.predict([picture])
    first = 1 if layout in FROM_ONE else 0
    in_rising_order = zip(found.labels[::-1], found.boxes_xyxy_px[::-1], strict=True)
    best = {int(label) - first: box for label, box in in_rising_order}
    assert best.keys() == squares.keys()
    for label, box in squares.items():
        np.testing.assert_allclose(best[label], box, atol=1e-4)
    assert len(found.scores) == (4 if layout == "topk" else 2)  # YOLOv10 leaves its near twins to its training
    assert (found.scores > 0.9).all() and (np.diff(found.scores) <= 0).all()
    assert found.boxes_xyxy_px.dtype == np.float64


@pytest.mark.parametrize("unit", ["px", "frac"])
@pytest.mark.parametrize("layout", ALONE)
def test_units_are_seen_even_where_noise_shows_no_detection(tmp_path, layout, unit, picture):
    def strict(graph):
        (node,) = [node for node in graph.node if node.op_type == "NonMaxSuppression"]
        graph.initializer.append(onnx.helper.make_tensor("strict", onnx.TensorProto.FLOAT, [1], [0.99]))
        node.input[4] = "strict"

    made_detector = made(tmp_path, layout, unit=unit, edit=strict)
    half_grey = (picture // 4 * 3).astype(np.uint8)
    assert [len(found.labels) for found in made_detector.predict([half_grey, picture])] == [0, 2]
    assert made_detector.card.head.box_unit == unit


def one_class(graph):
    """YOLOv5 with a single class: six columns, as detections have."""
    graph.node[-1].output[0] = "seven"
    for name, values in {"from": [0], "to": [6], "axis": [2]}.items():
        graph.initializer.append(onnx.helper.make_tensor(name, onnx.TensorProto.INT64, [1], values))
    graph.node.append(onnx.helper.make_node("Slice", ["seven", "from", "to", "axis"], ["output0"]))


def test_six_columns_are_told_from_detections_by_what_they_hold(tmp_path, picture, squares):
    made_detector = made(tmp_path, "yolov5", edit=one_class)
    assert made_detector.card.head.layout == "objectness_rows" and made_detector.card.labels == ["class_0"]
    (found,) = made_detector.predict([picture])
    np.testing.assert_allclose(found.boxes_xyxy_px, [squares[0]], atol=1e-4)


def test_reasons_are_stated(tmp_path):
    said = " ".join(made(tmp_path, "yolov5").card.guessed)
    for words in ("154 rows of 7 columns", "as YOLO has them", "in pixels (they reach 88)", "letterboxed"):
        assert words in said


@pytest.mark.parametrize("batch", ["n", 1, 3])
def test_batches_queries_and_nothing_found(tmp_path, batch, picture, squares):
    made_detector = made(tmp_path, "yolov8", batch=batch)
    black = np.zeros_like(picture)
    found = made_detector.predict(np.stack([black, picture, black, picture]))
    assert [len(each.labels) for each in found] == [0, 2, 0, 2]
    assert found[0].boxes_xyxy_px.shape == (0, 4)
    assert made_detector.queries == 4 and made_detector.predict([]) == []


@pytest.mark.parametrize(("mode", "rows"), [("letterbox", (32, 64)), ("stretch", (24, 40))])
def test_boxes_come_back_in_the_frames_own_pixels(tmp_path, mode, rows):
    """A frame of another shape, its square where the model's grid sees it whole: rows 24 to 40, columns 48 to 64."""
    made_detector, columns = made(tmp_path, "yolov8"), (96, 128)
    card = made_detector.card
    write_card(card.model_copy(update={"fit": card.fit.model_copy(update={"mode": mode})}), made_detector.path)
    frame = np.zeros((96 if mode == "letterbox" else 64, 192, 3), np.uint8)
    frame[slice(*rows), slice(*columns), 0] = 255
    (found,) = DeployedDetector(made_detector.path, threads=1).predict([frame])
    expected = [columns[0] - 0.5, rows[0] - 0.5, columns[1] - 0.5, rows[1] - 0.5]
    np.testing.assert_allclose(found.boxes_xyxy_px, [expected], atol=1e-4)


def test_card_round_trip_says_the_same(tmp_path, picture):
    made_detector = made(tmp_path, "ssd_softmax")
    write_card(made_detector.card, made_detector.path)
    again = DeployedDetector(made_detector.path, threads=1)
    assert again.card == made_detector.card and json.loads(again.path.with_suffix(".card.json").read_text())["task"]
    before, after = made_detector.predict([picture])[0], again.predict([picture])[0]
    np.testing.assert_array_equal(before.boxes_xyxy_px, after.boxes_xyxy_px)


def test_card_can_name_the_first_label_and_an_activation(tmp_path, picture):
    made_detector = made(tmp_path, "ssd_logits")
    assert made_detector.card.head.activation == "sigmoid"
    (found,) = recard(made_detector, first_label=7).predict([picture])
    assert sorted(found.labels) == [7, 8]


def turned(graph):
    """(N, A, 4 + K): as RT-DETR and TensorFlow Lite exports have it."""
    graph.node[-1].output[0] = "columns"
    graph.node.append(onnx.helper.make_node("Transpose", ["columns"], ["output0"], perm=[0, 2, 1]))


def without_softmax(graph):
    graph.node[-1].op_type = "Identity"
    del graph.node[-1].attribute[:]


def background_last(graph):
    graph.node[-1].output[0] = "turned"
    graph.initializer.append(onnx.helper.make_tensor("order", onnx.TensorProto.INT64, [3], [1, 2, 0]))
    graph.node.append(onnx.helper.make_node("Gather", ["turned", "order"], ["scores"], axis=2))


@pytest.mark.parametrize(
    ("layout", "edit", "head", "labels"),
    [
        ("yolov8", turned, {"layout": "class_rows"}, [0, 1]),
        ("ssd_softmax", without_softmax, {"activation": "softmax", "background": "first"}, [1, 2]),
        ("ssd_softmax", background_last, {}, [0, 1]),
    ],
)
def test_heads_that_a_card_tells_apart(tmp_path, layout, edit, head, labels, picture, squares):
    made_detector = recard(made(tmp_path, layout, edit=edit), **head)
    (found,) = made_detector.predict([picture])
    assert sorted(found.labels.tolist()) == labels
    np.testing.assert_allclose(found.boxes_xyxy_px[found.labels.argmin()], squares[0], atol=1e-4)
    assert found.scores.min() > 0.99


@pytest.mark.parametrize(
    ("layout", "head", "message"),
    [
        ("yolov5", {"layout": "class_columns"}, "not the class_columns head of its card; got"),
        ("ssd", {"layout": "detections"}, "number of head.outputs contradicts"),
        ("ssd", {"outputs": ["boxes", "classes"]}, "head.outputs contradicts"),
        ("ssd", {"box_form": "cxcywh", "outputs": ["scores", "boxes"]}, "are no boxes_scores head"),
        ("yolov8", {"box_form": "xyxy"}, "boxes turned inside out"),
        ("yolov8", {"box_unit": "frac"}, "px away"),
        ("ssd_logits", {"activation": "none"}, r"scores outside \[0, 1\]"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_card_that_contradicts_the_file_or_its_outputs_is_refused(tmp_path, layout, head, message):
    made_detector = made(tmp_path, layout)
    with pytest.raises(ModelError, match=message) as caught:
        recard(made_detector, **head)
    assert "\n" not in str(caught.value) and str(made_detector.path.with_suffix("")) in str(caught.value)


def test_fractions_called_pixels_are_refused(tmp_path):
    with pytest.raises(ModelError, match=r"boxes of at most 0.5156 px; correct head in ssd.card.json"):
        recard(made(tmp_path, "ssd", unit="frac"), box_unit="px")


def test_classifiers_and_their_cards_are_refused(tmp_path, tiny):
    with pytest.raises(ModelError, match=r"no known detection head; got .*\[1, 5\]; expected \(N, A, 5 \+ K\)"):
        DeployedDetector(tiny().path)
    made_detector = made(tmp_path, "yolov8")
    text = json.dumps({"task": "classification"})
    made_detector.path.with_suffix(".card.json").write_text(text)
    with pytest.raises(ModelError, match=r"yolov8.card.json: task: Input should be 'detection'"):
        DeployedDetector(made_detector.path)


def test_truncated_file_is_refused(tmp_path):
    path = detector(tmp_path / "cut.onnx", "yolov8")
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(ModelError, match="cut.onnx"):
        DeployedDetector(path)


def test_undefined_numbers_are_refused(tmp_path):
    def spoil(graph):
        graph.node[-1].output[0] = "whole"
        graph.node.append(onnx.helper.make_node("Log", ["less"], ["output0"]))
        graph.node.insert(len(graph.node) - 1, onnx.helper.make_node("Neg", ["whole"], ["less"]))

    with pytest.raises(ModelError, match="infinite or undefined"):
        made(tmp_path, "yolov8", edit=spoil)


@pytest.mark.parametrize("image", [np.zeros((4, 4), np.uint8), np.zeros((4, 4, 3)), np.zeros((0, 4, 3), np.uint8)])
def test_what_is_no_image_is_refused(tmp_path, image):
    with pytest.raises(ModelError, match="not an image; got"):
        made(tmp_path, "yolov8").predict([image])


def test_candidates_are_what_the_file_says(tmp_path, picture, raw_run):
    made_detector = made(tmp_path, "yolov5")
    batch = torch.from_numpy(picture)[None].permute(0, 3, 1, 2).float() / 255
    (found,) = made_detector.candidates(batch)
    raw = raw_run(made_detector.path, batch.numpy())
    np.testing.assert_array_equal(found.scores, raw[..., 4:5] * raw[..., 5:])
    np.testing.assert_allclose(found.boxes_xyxy_px[..., 2] - found.boxes_xyxy_px[..., 0], raw[..., 2], atol=1e-4)
