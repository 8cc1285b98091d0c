"""What to make of a detector: losses (B,) of its candidates, to be lowered. Boxes are in the model's image.

Scores are taken as log-odds: the gradient is as large for a sure detection as for a doubtful one.
"""

from collections.abc import Callable

import torch

from rig.model.detect.boxes import iou
from rig.model.detect.head import Candidates

DetectorObjective = Callable[[Candidates], torch.Tensor]
"""Candidates of B images to losses (B,). Loss i depends on image i alone."""

LEAST_PROB = 1e-6  # scores nearer than this to 0 or 1 are not followed


def disappearance(
    label: int | None = None, box_xyxy_px: torch.Tensor | None = None, min_iou: float = 0.5
) -> DetectorObjective:
    """The best score of `label` (None: of any) over the boxes that overlap `box_xyxy_px`, (4,) or (B, 4) one an image, by more than
    `min_iou` (None: over all). Where no box does, the lowest value."""
    return lambda found: _best(found, label, box_xyxy_px, min_iou)


def misclassification(
    target: int, box_xyxy_px: torch.Tensor, label: int | None = None, min_iou: float = 0.5
) -> DetectorObjective:
    """The negative best score of `target` over the boxes that overlap; with `label`, the lead of that one over it."""

    def loss(found: Candidates) -> torch.Tensor:
        lead = 0 if label is None else _best(found, label, box_xyxy_px, min_iou)
        return lead - _best(found, target, box_xyxy_px, min_iou)

    return loss


def _best(found: Candidates, label: int | None, box: torch.Tensor | None, min_iou: float) -> torch.Tensor:
    log_odds = torch.logit(found.score_of(label), eps=LEAST_PROB)
    if box is None:
        return log_odds.amax(1)
    boxes = found.boxes_xyxy_px.detach()  # which boxes overlap is looked up, not pushed
    box = torch.as_tensor(box).to(boxes)
    chosen = iou(boxes, (box if box.ndim == 1 else box[found.images])[..., None, :]) > min_iou
    lowest = torch.logit(log_odds.new_tensor(0.0), eps=LEAST_PROB)
    return torch.where(chosen, log_odds, lowest).amax(1)
