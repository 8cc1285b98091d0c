"""Boxes: their forms, overlap and suppression.

In the rig a box is xyxy in pixels whose integers are pixel centres, and its edges lie on pixel borders: one that holds
columns a to b whole runs from a - 0.5 to b + 0.5, a whole image of width W from -0.5 to W - 0.5. Networks count from
the image's corner, 0 to W or 0 to 1.
"""

import torch

HALF_PX = 0.5  # from a network's origin, the corner of the first pixel, to the rig's, its centre


def from_network(boxes: torch.Tensor, form: str, scale_px: tuple[float, float]) -> torch.Tensor:
    """Boxes (..., 4) of a network, "xyxy", "yxyx" or "cxcywh", `scale_px` = pixels of one of its units (x, y)."""
    if form == "cxcywh":
        centre, side = boxes[..., :2], boxes[..., 2:]
        boxes = torch.cat([centre - side / 2, centre + side / 2], -1)
    elif form == "yxyx":
        boxes = boxes[..., [1, 0, 3, 2]]
    return boxes * boxes.new_tensor(scale_px).repeat(2) - HALF_PX


def iou(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """Intersection over union of boxes (..., 4), broadcast; 0 where both are empty."""
    low, high = torch.maximum(a[..., :2], b[..., :2]), torch.minimum(a[..., 2:], b[..., 2:])
    shared = (high - low).clamp(min=0).prod(-1)
    union = _area(a) + _area(b) - shared
    return shared / union.clamp(min=torch.finfo(union.dtype).tiny)


def _area(boxes: torch.Tensor) -> torch.Tensor:
    return (boxes[..., 2:] - boxes[..., :2]).clamp(min=0).prod(-1)


def nms(boxes: torch.Tensor, scores: torch.Tensor, labels: torch.Tensor, max_iou: float) -> torch.Tensor:
    """Indices, best score first, of boxes (D, 4) that overlap no better one of their label by more than `max_iou`."""
    left, kept = scores.argsort(descending=True, stable=True), []
    while len(left):
        best, rest = left[0], left[1:]
        kept.append(best)
        left = rest[(labels[rest] != labels[best]) | (iou(boxes[best], boxes[rest]) <= max_iou)]
    return torch.stack(kept) if kept else left
