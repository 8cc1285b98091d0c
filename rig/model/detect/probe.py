"""A card for a detection file that came without one: the head from the outputs' shapes and from what they say of a few
images. Every guess is written down in a sentence."""

from collections.abc import Callable

import numpy as np
import onnx
from onnx import numpy_helper

from rig.errors import ModelError
from rig.model.card import InputCard
from rig.model.detect.card import FINAL, DetectorCard, FitCard, HeadCard, ThresholdsCard
from rig.model.guess import layout_of, leading_constants, takes_bytes
from rig.model.onnx_file import OnnxFile

DEFAULT_SIZE_PX = 640
YOLO_FILL = 114 / 255
MAX_FRACTION = 2.0  # coordinates up to here count in images, beyond in pixels
SCORE_THRESHOLD = 4  # the input of NonMaxSuppression
Runs = list[dict[str, np.ndarray]]  # output name to value, a run an image


def guess_input(file: OnnxFile, said: list[str]) -> InputCard:
    layout, height_px, width_px = layout_of(file, said, DEFAULT_SIZE_PX)
    constants = list(leading_constants(file.proto.graph, file.input_name))
    in_bytes = file.input_dtype == "uint8" or (constants and takes_bytes(*constants[0]))
    high = 255.0 if in_bytes else 1.0
    said.append(f"The input is taken for RGB in [0, {high:g}], nothing subtracted: as YOLO and torchvision have it.")
    return InputCard(
        name=file.input_name,
        layout=layout,
        dtype=file.input_dtype,
        color="RGB",
        height_px=height_px,
        width_px=width_px,
        batch=file.input_dims[0],
        range=(0.0, high),
        mean=(0.0, 0.0, 0.0),
        std=(1.0, 1.0, 1.0),
    )


def without_threshold(proto: onnx.ModelProto) -> onnx.ModelProto:
    """A copy whose NonMaxSuppression lets every score pass, so that a few synthetic images show some boxes."""
    copy = onnx.ModelProto()
    copy.CopyFrom(proto)
    copy.graph.initializer.append(numpy_helper.from_array(np.zeros(1, np.float32), "rig_no_threshold"))
    for node in copy.graph.node:
        if node.op_type == "NonMaxSuppression" and len(node.input) > SCORE_THRESHOLD:
            node.input[SCORE_THRESHOLD] = "rig_no_threshold"
    return copy


def guess_card(file: OnnxFile, run: Callable[[InputCard], Runs]) -> DetectorCard:
    """Raises ModelError where no known head has outputs like these."""
    said: list[str] = []
    spec = guess_input(file, said)
    runs = run(spec)
    head = _head(file, runs, said)
    is_yolo = head.layout not in ("boxes_scores", "detections")
    said.append(f"Frames of another size are assumed to be {'letterboxed' if is_yolo else 'stretched'}.")
    said.append("Scores from 0.25 on are assumed to be detections, overlaps above an IoU of 0.45 to be suppressed.")
    return DetectorCard(
        task="detection",
        name=file.path.stem,
        sha256=file.sha256,
        input=spec,
        fit=FitCard(mode="letterbox" if is_yolo else "stretch", fill=YOLO_FILL),
        head=head,
        thresholds=ThresholdsCard(score=0.25, iou=0.45),
        labels=_labels(head, runs),
        guessed=said,
    )


def _head(file: OnnxFile, runs: Runs, said: list[str]) -> HeadCard:
    layout, outputs, why = _by_shape(runs)
    if layout is None:
        got = ", ".join(f"{name} {list(value.shape)}" for name, value in runs[0].items())
        expected = "(N, A, 5 + K), (N, 4 + K, A), (N, D, 6), boxes and scores, or boxes, scores and labels"
        raise ModelError("the outputs are no known detection head", where=file.path, got=got, expected=expected)
    said.append(f"The head is taken for {layout} in {', '.join(outputs)}: {why}.")
    boxes, scores = _tables(runs, layout, outputs)
    form, unit = _boxes(layout, outputs[0], boxes, said)
    activation, background = ("none", "none") if scores is None else _scores(scores, said)
    return HeadCard(
        layout=layout, outputs=outputs, box_form=form, box_unit=unit, activation=activation, background=background
    )


def _tables(runs: Runs, layout: str, outputs: list[str]) -> tuple[np.ndarray, np.ndarray | None]:
    """Boxes (M, 4) and, where a row has several, scores (M, K) of all runs."""

    def rows(name):
        values = (run[name].swapaxes(1, 2) if layout == "class_columns" else run[name] for run in runs)
        return np.concatenate([value.reshape(-1, value.shape[-1]) for value in values])

    first = rows(outputs[0])
    if layout == "boxes_scores":
        return first, rows(outputs[1])
    return first[:, :4], None if layout in FINAL else first[:, 4:]


def _by_shape(runs: Runs) -> tuple[str | None, list[str], str]:
    """(layout, its outputs, why)."""
    first = runs[0]
    fours = [name for name, value in first.items() if value.ndim >= 2 and value.shape[-1] == 4]
    boxes = next((name for name in fours if "box" in name.lower()), fours[0] if fours else None)
    if boxes is not None and len(first) > 1:
        return _beside_boxes(first, boxes, [name for name in first if name != boxes])
    threes = [name for name, value in first.items() if value.ndim == 3]
    if not threes:
        return None, [], ""
    rows, columns = first[threes[0]].shape[1:]
    if columns == 6 and all(_are_detections(run[threes[0]]) for run in runs):
        return "detection_rows", threes[:1], "6 columns, the fifth falling scores, the last whole numbers"
    if columns < rows:
        why = f"{rows} rows of {columns} columns"
        return ("objectness_rows", threes[:1], why) if columns > 5 else (None, [], "")
    return ("class_columns", threes[:1], f"{columns} columns of {rows} rows") if rows > 4 else (None, [], "")


def _beside_boxes(first: dict[str, np.ndarray], boxes: str, others: list[str]):
    shape = first[boxes].shape
    flat = [name for name in others if first[name].shape == shape[:-1]]
    labels = [name for name in flat if _are_labels(name, first[name])]
    scores = [name for name in flat if name not in labels]
    if labels and scores:
        return "detections", [boxes, scores[0], labels[0]], f"boxes of shape {list(shape)}, a score and a label each"
    n_boxes = int(np.prod(shape[1:-1]))
    scores = [name for name in others if first[name].ndim == 3 and first[name].shape[1] == n_boxes]
    why = f"{n_boxes} boxes, a row of scores each"
    return ("boxes_scores", [boxes, scores[0]], why) if scores else (None, [], "")


def _are_labels(name: str, value: np.ndarray) -> bool:
    return np.issubdtype(value.dtype, np.integer) or any(word in name.lower() for word in ("label", "class"))


def _are_detections(rows: np.ndarray) -> bool:
    scores, labels = rows[..., 4], rows[..., 5]
    in_order = (np.diff(scores, axis=-1) <= 1e-6).all() and (scores >= 0).all() and (scores <= 1).all()
    return bool(in_order and (labels == np.round(labels)).all())


def _boxes(layout: str, name: str, boxes: np.ndarray, said: list[str]) -> tuple[str, str]:
    found = boxes[np.any(boxes != 0, axis=1)]
    ordered = bool((found[:, 2:] >= found[:, :2]).all())
    if layout in ("objectness_rows", "class_columns"):
        form, why = "cxcywh", "as YOLO has them"
    elif layout == "boxes_scores" and not ordered:
        form, why = "cxcywh", "the last two numbers are not always the larger ones"
    elif name.startswith("detection_boxes"):
        form, why = "yxyx", "by the output's name, TensorFlow's"
    else:
        form, why = "xyxy", "the last two numbers are the larger ones"
    unit = "frac" if len(found) and np.abs(found).max() <= MAX_FRACTION else "px"
    reach = f"they reach {np.abs(found).max():.4g}" if len(found) else "there was none to look at"
    said.append(f"Boxes are taken for {form} ({why}) in {'pixels' if unit == 'px' else 'fractions'} ({reach}).")
    return form, unit


def _scores(scores: np.ndarray, said: list[str]) -> tuple[str, str]:
    """(activation, background)."""
    if scores.min() < -1e-3 or scores.max() > 1 + 1e-3:
        said.append("Scores lie outside [0, 1]; a sigmoid is assumed to be still missing.")
        return "sigmoid", "none"
    if scores.shape[1] > 1 and np.abs(scores.sum(1) - 1).max() < 1e-2:
        background = "first" if scores[:, 0].mean() >= scores[:, -1].mean() else "last"
        said.append(f"Each box's scores sum to 1: the {background} class, the likelier, is taken for the background.")
        return "none", background
    return "none", "none"


def _labels(head: HeadCard, runs: Runs) -> list[str]:
    """Names for want of better ones; none where the outputs leave open how many classes there are."""
    if head.is_final:
        return []
    value = runs[0][head.outputs[-1]]
    n_classes = value.shape[1] - 4 if head.layout == "class_columns" else value.shape[-1]
    n_classes -= 5 if head.layout == "objectness_rows" else 0
    return [f"class_{index}" for index in range(n_classes)]
