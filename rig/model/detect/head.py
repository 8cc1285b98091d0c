"""From a detector's raw outputs to boxes and scores, differentiable."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F

from rig.errors import ModelError
from rig.model.detect.boxes import from_network
from rig.model.detect.card import HeadCard

ACTIVATIONS = {"none": lambda x: x, "sigmoid": torch.sigmoid, "softmax": lambda x: x.softmax(-1)}
ALL = slice(None)


@dataclass(frozen=True)
class Candidates:
    """A boxes an image, before suppression where the graph has none. Column k of `scores` is label k.

    Where `labels` is given, each box has the one score of that label. `images` says which of a batch's images these are:
    an objective with something of its own for each image of the batch takes that slice of it.
    """

    boxes_xyxy_px: torch.Tensor  # (B, A, 4) in the model's image
    scores: torch.Tensor  # (B, A, K), or (B, A, 1) with labels
    labels: torch.Tensor | None = None  # (B, A) int64
    images: slice = field(default_factory=lambda: ALL)

    def score_of(self, label: int | None = None) -> torch.Tensor:
        """(B, A): each box's score of one label, or its best of all."""
        if label is None:
            return self.scores.amax(-1)
        if self.labels is not None:
            return torch.where(self.labels == label, self.scores[..., 0], 0)
        if not 0 <= label < self.scores.shape[-1]:
            raise ModelError("no such class id", got=label, expected=f"0 to {self.scores.shape[-1] - 1}")
        return self.scores[..., label]

    def best_labels(self) -> torch.Tensor:
        """(B, A): the label with each box's best score."""
        return self.scores.argmax(-1) if self.labels is None else self.labels


def decode(head: HeadCard, raw: Sequence[torch.Tensor], size_px: tuple[int, int]) -> Candidates:
    """`raw` holds the outputs that the card names, `size_px` is the model's (height, width)."""
    boxes, scores, labels = _parts(head, [t if t.dtype == torch.float64 else t.float() for t in raw])
    scale_px = (size_px[1], size_px[0]) if head.box_unit == "frac" else (1, 1)
    if labels is None:
        scores = _without_background(scores, head.background)
        scores = F.pad(scores, (head.first_label, 0)) if head.first_label else scores
    return Candidates(from_network(boxes, head.box_form, scale_px), scores, labels)


def _parts(head: HeadCard, raw: list[torch.Tensor]):
    """Boxes as the network has them, scores after activation, labels or None."""
    activate = ACTIVATIONS[head.activation]
    first = raw[0].mT if head.layout == "class_columns" else raw[0]
    match head.layout:
        case "objectness_rows":
            scores = activate(first[..., 4:])
            return first[..., :4], scores[..., :1] * scores[..., 1:], None
        case "class_rows" | "class_columns":
            return first[..., :4], activate(first[..., 4:]), None
        case "boxes_scores":
            return first.flatten(1, -2), activate(raw[1]), None
        case "detection_rows":
            return first[..., :4], first[..., 4:5], first[..., 5].long()
        case "detections":
            boxes, scores, labels = raw if first.ndim == 3 else (t[None] for t in raw)
            return boxes, scores[..., None], labels.long()


def _without_background(scores: torch.Tensor, background: str) -> torch.Tensor:
    if background == "none":
        return scores
    is_object = torch.ones(scores.shape[-1], dtype=scores.dtype, device=scores.device)
    is_object[0 if background == "first" else -1] = 0
    return scores * is_object
