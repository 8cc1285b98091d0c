"""Where a frame lies in the model's image: letterboxed or stretched, boxes there and back."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F

from rig.model.detect.boxes import HALF_PX
from rig.model.detect.card import FitCard
from rig.model.preprocess import check_batch

Size = tuple[int, int]  # (height, width)


@dataclass(frozen=True)
class Placement:
    """A frame of `frame_px`, resampled to `inner_px`, its corner at row `top` and column `left` of `model_px`."""

    frame_px: Size
    model_px: Size
    inner_px: Size
    top: int
    left: int

    def fit(self, batch: torch.Tensor, fill: float) -> torch.Tensor:
        """(B, 3, H, W) in [0, 1] into the model's image, differentiable. At that size already: the same tensor."""
        check_batch(batch)
        if self.inner_px != self.frame_px:
            batch = F.interpolate(batch, self.inner_px, mode="bilinear", antialias=True)
        below, beyond = (whole - side for whole, side in zip(self.model_px, self.inner_px, strict=True))
        pads = (self.left, beyond - self.left, self.top, below - self.top)
        return F.pad(batch, pads, value=fill) if any(pads) else batch

    def to_model(self, boxes_xyxy_px: torch.Tensor) -> torch.Tensor:
        """Boxes (..., 4) of the frame in the model's image."""
        scale, shift = self._scale_and_shift(boxes_xyxy_px)
        return (boxes_xyxy_px + HALF_PX) * scale + shift - HALF_PX

    def to_frame(self, boxes_xyxy_px: torch.Tensor) -> torch.Tensor:
        """Boxes (..., 4) of the model's image in the frame, and no further than its edges."""
        scale, shift = self._scale_and_shift(boxes_xyxy_px)
        corner = (boxes_xyxy_px + HALF_PX - shift) / scale
        limit = corner.new_tensor([self.frame_px[1], self.frame_px[0]] * 2)
        return corner.clamp(min=0).minimum(limit) - HALF_PX

    def _scale_and_shift(self, like: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        y, x = (inner / side for inner, side in zip(self.inner_px, self.frame_px, strict=True))
        return like.new_tensor([x, y, x, y]), like.new_tensor([self.left, self.top] * 2)


def place(card: FitCard, frame_px: Size, model_px: Size) -> Placement:
    """Letterboxes are rounded as YOLO's own are: the odd row of grey lies below."""
    if card.mode == "stretch":
        return Placement(frame_px, model_px, model_px, 0, 0)
    ratio = min(whole / side for whole, side in zip(model_px, frame_px, strict=True))
    inner_px = tuple(max(1, round(side * ratio)) for side in frame_px)
    top, left = ((whole - side) // 2 for whole, side in zip(model_px, inner_px, strict=True))
    return Placement(frame_px, model_px, inner_px, top, left)
