"""Gradients of a detector's boxes and scores: its graph cut at its source, laid out as one row an image, and handed to
the roads that classifiers take."""

import math
import tempfile
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import onnx
import torch
from onnx import helper, numpy_helper

from rig.errors import ModelError
from rig.model.compiled.prepare import Level, open_session, session_options
from rig.model.detect.deployed import DeployedDetector
from rig.model.detect.head import ALL, Candidates, decode
from rig.model.detect.objectives import DetectorObjective
from rig.model.detect.source import Source, find_source
from rig.model.gradient import Gradient, gradient_of
from rig.model.onnx_file import open_onnx

ROW = "rig_row"
CALL_BYTES = 16 << 20  # of rows a call: in each of its passes a road shows the objective the rows of the whole call
LEAST_IMAGES = 4  # a call, one a worker


class DetectorGradient:
    """As `rig.model.gradient.Gradient` (roads and queries, too), of objectives of `Candidates`."""

    def __init__(self, detector: DeployedDetector, road: str | None = None):
        with tempfile.TemporaryDirectory(prefix="rig-detector-") as folder:
            self._rows = _Rows(detector, Path(folder) / detector.path.name)
            try:
                self._gradient = gradient_of(self._rows, road)
            except ModelError as error:
                raise ModelError(self._in_place(str(error), detector)) from error
        self._gradient.road = self._in_place(f"{self._gradient.road}, {self._rows.source.what}", detector)
        self.road = self._gradient.road
        self.max_logit_error = self._gradient.max_logit_error  # of the range of boxes (as fractions) and scores
        self._rows.path = detector.path

    @property
    def as_classifier(self) -> tuple["_Rows", Gradient]:
        """Boxes and scores of an image as one row of "logits", for what asks a model and its gradient for no more."""
        return self._rows, self._gradient

    def value_and_grad(
        self, batch: torch.Tensor, objective: DetectorObjective
    ) -> tuple[torch.Tensor, torch.Tensor, Candidates]:
        """Losses (B,), d loss / d batch (B, 3, H, W), candidates; batch RGB in [0, 1] at the model's size."""
        size = max(LEAST_IMAGES, CALL_BYTES // (4 * len(self._rows.labels)))
        starts = range(0, max(1, len(batch)), size)
        parts = [self._call(batch, slice(start, start + size), objective) for start in starts]
        losses, grad, rows = (torch.cat(parts_of_one) for parts_of_one in zip(*parts, strict=True))
        return losses, grad, self._rows.decode(rows)

    def _call(self, batch: torch.Tensor, images: slice, objective: DetectorObjective):
        return self._gradient.value_and_grad(batch[images], lambda rows: objective(self._rows.decode(rows, images)))

    def _in_place(self, text: str, detector: DeployedDetector) -> str:
        return text.replace(str(self._rows.path), str(detector.path))


class _Rows:
    """A detector as the roads want a model: one row of "logits" an image, in a file of its own."""

    def __init__(self, detector: DeployedDetector, path: Path):
        proto = _whole(detector)
        self.source = find_source(detector, proto)
        self.path, self.threads, self.size_px, self._detector = path, detector.threads, detector.size_px, detector
        self.labels = range(sum(math.prod(shape) for shape in self.source.shapes))
        _cut(proto, self.source, _scales(self.source, self.size_px), len(self.labels))
        onnx.save(proto, path)
        self.sha256 = open_onnx(path).sha256
        output = SimpleNamespace(name=ROW, kind="logits")
        self.card = SimpleNamespace(input=detector.card.input, output=output, guessed=detector.card.guessed)
        self.provider = detector.provider
        session = open_session(proto.SerializeToString(), session_options(Level.ORT_ENABLE_ALL, detector.threads))
        self._ask = lambda images: detector.ask(session, images, detector.card.input)[ROW]

    @property
    def queries(self) -> int:
        return self._detector.queries

    @queries.setter
    def queries(self, n: int) -> None:
        self._detector.queries = n

    def logits(self, batch: torch.Tensor) -> np.ndarray:
        self.queries += len(batch)
        return np.concatenate([self._ask(images) for images in batch.split(self.card.input.batch or len(batch))])

    def decode(self, rows: torch.Tensor, images: slice = ALL) -> Candidates:
        shapes, head = self.source.shapes, self.source.head
        parts = rows.split([math.prod(shape) for shape in shapes], dim=1)
        raw = [part.reshape(len(part), *shape) for part, shape in zip(parts, shapes, strict=True)]
        raw[1:] = [scores.mT if self.source.classes_first else scores for scores in raw[1:]]
        longest = (max(self.size_px),) * 2  # what boxes in pixels were divided by
        found = decode(
            head.model_copy(update={"box_unit": "frac"}), raw, longest if head.box_unit == "px" else self.size_px
        )
        return replace(found, images=images)


def _whole(detector: DeployedDetector) -> onnx.ModelProto:
    file = open_onnx(detector.path, classifies=False)
    if file.sha256 != detector.sha256:
        raise ModelError("the model file changed since it was loaded", where=detector.path)
    onnx.load_external_data_for_model(file.proto, str(detector.path.resolve().parent))
    return file.proto


def _scales(source: Source, size_px: tuple[int, int]) -> list[np.ndarray]:
    """Factors that make boxes in pixels fractions of the longer side, for the roads to be proven on them and on scores."""
    size = 1 / max(size_px) if source.head.box_unit == "px" else 1.0
    if len(source.shapes) == 2:
        return [np.float32([size]), np.float32([1])]
    axis = 0 if source.head.layout == "class_columns" else 1
    factors = np.ones(source.shapes[0][axis], np.float32)
    factors[:4] = size
    return [factors[:, None] if axis == 0 else factors]


def _cut(proto: onnx.ModelProto, source: Source, scales: list[np.ndarray], length: int) -> None:
    """End the graph in one output: the source's tensors, scaled, in a row an image."""
    graph = proto.graph
    for i, (name, scale) in enumerate(zip(source.head.outputs, scales, strict=True)):
        graph.initializer.append(numpy_helper.from_array(scale, f"rig_scale_{i}"))
        graph.node.extend(
            [
                helper.make_node("Cast", [name], [f"rig_float_{i}"], to=onnx.TensorProto.FLOAT),
                helper.make_node("Mul", [f"rig_float_{i}", f"rig_scale_{i}"], [f"rig_scaled_{i}"]),
                helper.make_node("Flatten", [f"rig_scaled_{i}"], [f"rig_flat_{i}"], axis=1),
            ]
        )
    graph.node.append(helper.make_node("Concat", [f"rig_flat_{i}" for i in range(len(scales))], [ROW], axis=1))
    del graph.output[:]
    graph.output.append(helper.make_tensor_value_info(ROW, onnx.TensorProto.FLOAT, [None, length]))
    _drop_unused(graph)


def _drop_unused(graph: onnx.GraphProto) -> None:
    wanted, kept = {value.name for value in graph.output}, []
    for node in reversed(graph.node):
        if wanted.intersection(node.output):
            kept.append(node)
            wanted.update(_read(node))
    del graph.node[:]
    graph.node.extend(reversed(kept))


def _read(node: onnx.NodeProto) -> set[str]:
    """The values a node reads, those of its branches and bodies included."""
    inner = (graph for attribute in node.attribute for graph in (attribute.g, *attribute.graphs))
    return {*node.input, *(name for graph in inner for name in _read_inside(graph))}


def _read_inside(graph: onnx.GraphProto) -> set[str]:
    return {value.name for value in graph.output}.union(*map(_read, graph.node))
