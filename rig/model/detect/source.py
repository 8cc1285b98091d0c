"""Where in a detector's graph gradients start: its raw head, or what a selection inside the graph selects from."""

from dataclasses import dataclass

import numpy as np
import onnx
import torch

from rig.errors import ModelError
from rig.model.compiled.prepare import Level, open_session, session_options
from rig.model.detect.card import HeadCard
from rig.model.detect.deployed import DeployedDetector
from rig.model.detect.head import decode
from rig.model.detect.probe import without_threshold

MAX_COMPARED = 20  # detections an image
NEAR_PX, NEAR_FRAC = 0.5, 1e-3  # by which a graph's own boxes and scores may differ from those they were selected from


@dataclass(frozen=True)
class Source:
    """Tensors that hold every box's score, each with its shape an image, and how to read them."""

    head: HeadCard
    shapes: tuple[tuple[int, ...], ...]
    classes_first: bool  # the second tensor is (N, K, A)
    what: str


def find_source(detector: DeployedDetector, proto: onnx.ModelProto) -> Source:
    """Raises ModelError where a graph selects detections from what cannot be found. `proto` holds its weights."""
    head = detector.card.head
    names, classes_first, what = (head.outputs, False, "raw head") if not head.is_final else _before(detector, proto)
    runs = _runs(detector, proto, names)
    shapes = {tuple(run[name].shape[1:] for name in names) for run in runs}
    if len(shapes) > 1 or (head.is_final and any(run[name].ndim != 3 for run in runs for name in names)):
        raise _refused(detector, f"{what}: {' and '.join(names)} change their shape with the image")
    if head.is_final:
        names = sorted(names, key=lambda name: runs[0][name].shape[-1] != 4) if not classes_first else names
        head = _reading(detector, runs, names, classes_first)
    return Source(head, tuple(runs[0][name].shape[1:] for name in names), classes_first, what)


def _before(detector: DeployedDetector, proto: onnx.ModelProto) -> tuple[list[str], bool, str]:
    """(boxes and scores, whether the scores are (N, K, A), what)."""
    suppressing = [node for node in proto.graph.node if node.op_type == "NonMaxSuppression"]
    if len(suppressing) == 1:
        return list(suppressing[0].input[:2]), True, "before NonMaxSuppression"
    selected = set()
    taken = []
    for node in proto.graph.node:
        if node.op_type == "TopK" or selected.intersection(node.input):
            selected.update(node.output)
        if node.op_type == "GatherElements" and node.input[0] not in selected and node.input[1] in selected:
            taken.append(node.input[0])
    if not suppressing and len(set(taken)) == 2:
        return list(dict.fromkeys(taken)), False, "before TopK"
    got = f"{len(suppressing)} NonMaxSuppression nodes and {len(set(taken))} tensors selected from by TopK"
    raise _refused(detector, got)


def _refused(detector: DeployedDetector, got: str) -> ModelError:
    hint = "export the model without NMS"
    return ModelError(
        "no gradient: no scores found before the graph's selection", where=detector.path, got=got, hint=hint
    )


def _runs(detector: DeployedDetector, proto: onnx.ModelProto, names: list[str]) -> list[dict[str, np.ndarray]]:
    """Every output and `names`, of a few images, whatever the score."""
    everything = without_threshold(proto)
    known = {value.name for value in proto.graph.output}
    everything.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names if name not in known)
    session = open_session(everything.SerializeToString(), session_options(Level.ORT_ENABLE_ALL, detector.threads))
    return detector.ask_a_few(session, detector.card.input)


def _reading(detector: DeployedDetector, runs, names: list[str], classes_first: bool) -> HeadCard:
    """The form, unit and labels with which the graph's own detections are found among its candidates."""
    for form in ("xyxy", "yxyx", "cxcywh"):
        for unit in ("px", "frac"):
            head = HeadCard(
                layout="boxes_scores", outputs=names, box_form=form, box_unit=unit, activation="none", background="none"
            )
            shifts = [shift for run in runs for shift in _label_shifts(detector, head, run, classes_first)]
            common = set.intersection(*shifts) if shifts else set()
            if len(common) == 1 and min(common) >= 0:
                return head.model_copy(update={"first_label": common.pop()})
    raise _refused(detector, f"{' and '.join(names)}, among which the graph's own detections are not found")


def _label_shifts(detector: DeployedDetector, head: HeadCard, run, classes_first: bool) -> list[set[int]]:
    """For each of a run's detections, by how much its label may exceed the column it was selected from."""
    boxes, scores = (torch.from_numpy(run[name]) for name in head.outputs)
    among = decode(head, [boxes, scores.mT if classes_first else scores], detector.size_px)
    final, whole = detector.decode(run), detector.placement(detector.size_px)
    seen = torch.nonzero(final.scores[0, :, 0] > 0)[:MAX_COMPARED, 0]
    found = []
    for box, score, label in zip(
        final.boxes_xyxy_px[0, seen], final.scores[0, seen, 0], final.labels[0, seen], strict=True
    ):
        off_px = (whole.to_frame(among.boxes_xyxy_px[0]) - whole.to_frame(box)).abs().amax(-1)
        same = (off_px[:, None] < NEAR_PX) & ((among.scores[0] - score).abs() <= NEAR_FRAC * score)
        found.append({int(label) - column for column in same.any(0).nonzero()[:, 0].tolist()})
    return found
