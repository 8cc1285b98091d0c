"""A detection file as deployed: one ONNX Runtime session, its boxes in the frame's pixels."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import onnx
import torch

from rig.errors import ModelError
from rig.images import batch_from_images
from rig.model.card import InputCard, card_path
from rig.model.compiled.prepare import Level, open_session, session_options
from rig.model.deployed import ORT_ERRORS, session_of
from rig.model.detect.boxes import nms
from rig.model.detect.card import DetectorCard, read_detector_card
from rig.model.detect.head import Candidates, decode
from rig.model.detect.placement import Placement, place
from rig.model.detect.probe import MAX_FRACTION, Runs, guess_card, without_threshold
from rig.model.onnx_file import OnnxFile, open_onnx
from rig.model.preprocess import feed
from rig.model.proof import proof_images

MAX_REACH = 8  # model images; boxes of even an untrained network do not lie farther out
ROUNDING = 1e-3


@dataclass(frozen=True)
class Detections:
    """What was found in one image, best first. Box edges lie on pixel borders: see `rig.model.detect.boxes`."""

    boxes_xyxy_px: np.ndarray  # (D, 4) float64, in the frame as given
    scores: np.ndarray  # (D,) float32
    labels: np.ndarray  # (D,) int64


class DeployedDetector:
    """A detector as deployed. Its card is read from beside the file, or guessed where none lies there.

    Each box counts for its best class alone. `queries` counts images asked about, `threads` limits ONNX Runtime's own.
    Raises ModelError for a file that is not such a model, does not run, or fails the self-test of its card.
    """

    def __init__(self, path: Path, threads: int | None = None):
        file = open_onnx(path, classifies=False)
        self.path, self.sha256, self.threads = file.path, file.sha256, threads
        self._session = session_of(file, threads)
        self.provider = self._session.get_providers()[0].removesuffix("ExecutionProvider")
        given = read_detector_card(file) if card_path(file.path).exists() else None
        self.card: DetectorCard = given or guess_card(file, lambda spec: self.ask_a_few(self._wide(file), spec))
        self.size_px = (self.card.input.height_px, self.card.input.width_px)
        self._check(self.ask_a_few(self._session, self.card.input))
        self.queries = 0

    def predict(self, images: np.ndarray | Sequence[np.ndarray]) -> list[Detections]:
        """Of 8-bit images (H, W, 3), each of its own size or stacked."""
        for image in images:
            if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8 or not image.size:
                got = f"{image.dtype} of shape {image.shape}"
                raise ModelError("not an image", got=got, expected="uint8 of shape (H, W, 3)")
        return [found for image in images for found in self.detect(batch_from_images(image[None]))]

    def detect(self, batch: torch.Tensor) -> list[Detections]:
        """Of a batch (B, 3, H, W) in [0, 1] of any size."""
        placement = self.placement(tuple(batch.shape[-2:]))
        return [self._choose(single, placement) for single in self.candidates(batch)]

    def candidates(self, batch: torch.Tensor) -> list[Candidates]:
        """What the file says of each image, before suppression where the graph has none: B = 1 in each."""
        batch = self.fit(batch.detach().cpu())
        self.queries += len(batch)
        return [self.decode(self.ask(self._session, image[None], self.card.input)) for image in batch]

    def fit(self, batch: torch.Tensor) -> torch.Tensor:
        """(B, 3, H, W) of any size to the model's, differentiable; a batch of that size passes unchanged."""
        return self.placement(tuple(batch.shape[-2:])).fit(batch, self.card.fit.fill)

    def placement(self, frame_px: tuple[int, int]) -> Placement:
        """Where frames of (height, width) lie in the model's image."""
        return place(self.card.fit, frame_px, self.size_px)

    def ask(self, session, images: torch.Tensor, spec: InputCard) -> dict[str, np.ndarray]:
        """All outputs, of at most a fixed batch of images, which is filled up with copies of the last."""
        values = feed(SimpleNamespace(input=spec), images).contiguous().numpy().astype(spec.dtype, copy=False)
        n_missing = (spec.batch or len(values)) - len(values)
        values = np.concatenate([values, np.repeat(values[-1:], n_missing, axis=0)])
        try:
            outputs = session.run(None, {spec.name: values})
        except ORT_ERRORS as error:
            raise ModelError("ONNX Runtime cannot run the model", where=self.path, got=error) from error
        names = [value.name for value in session.get_outputs()]
        kept = [value[: len(images)] if n_missing else value for value in outputs]
        return dict(zip(names, kept, strict=True))

    def ask_a_few(self, session, spec: InputCard) -> Runs:
        """All outputs, of a few synthetic images."""
        return [self.ask(session, image[None], spec) for image in proof_images((spec.height_px, spec.width_px))]

    def _wide(self, file: OnnxFile):
        """A session that shows boxes of any score."""
        if all(node.op_type != "NonMaxSuppression" for node in file.proto.graph.node):
            return self._session
        onnx.load_external_data_for_model(file.proto, str(file.path.resolve().parent))
        return open_session(
            without_threshold(file.proto).SerializeToString(), session_options(Level.ORT_ENABLE_ALL, self.threads)
        )

    def decode(self, outputs: dict[str, np.ndarray]) -> Candidates:
        raw = [torch.from_numpy(outputs[name]) for name in self.card.head.outputs]
        try:
            found = decode(self.card.head, raw, self.size_px)
            n_boxes = found.boxes_xyxy_px.shape[:2]
            if found.boxes_xyxy_px.shape[2] == 4 and n_boxes == found.scores.shape[:2] == found.best_labels().shape:
                return found
        except (RuntimeError, IndexError, ValueError):  # what torch and Python raise on axes that are not there
            pass
        got = ", ".join(f"{name} {list(outputs[name].shape)}" for name in self.card.head.outputs)
        raise ModelError(f"the outputs are no {self.card.head.layout} head", where=self.path, got=got)

    def _check(self, runs: Runs) -> None:
        """Raises ModelError where the outputs contradict what the card makes of them."""
        every = [self.decode(run) for run in runs]
        boxes = torch.cat([found.boxes_xyxy_px.flatten(0, 1) for found in every])
        scores = torch.cat([found.scores.flatten() for found in every])
        reach = float(boxes.abs().max()) if len(boxes) else 0.0
        sides = boxes[:, 2:] - boxes[:, :2]
        wrong = {
            "infinite or undefined numbers": not (boxes.isfinite().all() and scores.isfinite().all()),
            "scores outside [0, 1]": bool(((scores < -ROUNDING) | (scores > 1 + ROUNDING)).any()),
            "boxes turned inside out": bool((sides < -ROUNDING * max(self.size_px)).any()),
            f"boxes {reach:.4g} px away": reach > MAX_REACH * max(self.size_px),
            f"boxes of at most {reach:.4g} px": len(boxes) > 0 and reach <= MAX_FRACTION < min(self.size_px) / 2,
        }
        got = ", ".join(what for what, is_so in wrong.items() if is_so)
        if got:
            hint = f"correct head in {card_path(self.path).name}"
            raise ModelError(f"not the {self.card.head.layout} head of its card", where=self.path, got=got, hint=hint)

    def _choose(self, found: Candidates, placement: Placement) -> Detections:
        (scores,), (labels,) = found.score_of(), found.best_labels()
        chosen = torch.nonzero((scores >= self.card.thresholds.score) & (scores > 0))[:, 0]
        boxes, scores, labels = found.boxes_xyxy_px[0, chosen].double(), scores[chosen], labels[chosen]
        max_iou = 1.0 if self.card.head.is_final else self.card.thresholds.iou
        kept = nms(boxes, scores, labels, max_iou)
        return Detections(placement.to_frame(boxes[kept]).numpy(), scores[kept].numpy(), labels[kept].numpy())
