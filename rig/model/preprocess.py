"""From a batch of any size to what the network's input wants, differentiable all the way."""

import numpy as np
import torch
import torch.nn.functional as F

from rig.errors import ModelError
from rig.model.card import Card


def fit(card: Card, batch: torch.Tensor) -> torch.Tensor:
    """(B, 3, H, W) in [0, 1] at the model's size. At that size already: the same tensor."""
    check_batch(batch)
    size_px = (card.input.height_px, card.input.width_px)
    if tuple(batch.shape[-2:]) == size_px:
        return batch
    return resample(card, batch[(..., *seen_window(card, batch.shape[-2:]))])


def resample(card: Card, window: torch.Tensor) -> torch.Tensor:
    """(B, 3, h, w) of what `seen_window` leaves of a frame to the model's size."""
    size_px = (card.input.height_px, card.input.width_px)
    resampled = F.interpolate(window, size_px, mode=card.resize.interpolation, antialias=True)
    return resampled.clamp(0, 1)  # bicubic overshoots at edges


def check_batch(batch: torch.Tensor) -> None:
    if batch.ndim != 4 or batch.shape[1] != 3 or 0 in batch.shape[2:] or batch.dtype != torch.float32:
        got = f"{batch.dtype} of shape {tuple(batch.shape)}"
        raise ModelError("not a batch of images", got=got, expected="torch.float32 of shape (B, 3, H, W)")


def check_images(images: np.ndarray) -> None:
    if images.ndim != 4 or images.shape[3] != 3 or images.dtype != np.uint8:
        got = f"{images.dtype} of shape {images.shape}"
        raise ModelError("not a stack of images", got=got, expected="uint8 of shape (N, H, W, 3)")


def seen_window(card: Card, frame_px: tuple[int, int]) -> tuple[slice, slice]:
    """Rows and columns of a frame (height, width) that reach the network.

    All of a frame of the model's size; else the centre `crop_frac` of the largest window of the model's shape.
    """
    (height_px, width_px), size_px = frame_px, (card.input.height_px, card.input.width_px)
    if (height_px, width_px) == size_px:
        return slice(0, height_px), slice(0, width_px)
    scale = card.resize.crop_frac * min(height_px / size_px[0], width_px / size_px[1])
    rows, columns = (max(1, round(scale * side_px)) for side_px in size_px)
    top, left = (height_px - rows) // 2, (width_px - columns) // 2
    return slice(top, top + rows), slice(left, left + columns)


def feed(card: Card, batch: torch.Tensor) -> torch.Tensor:
    """A batch at the model's size as the network's input sees it: colour order, range, normalisation, layout, dtype.

    uint8 inputs come as whole floats; rounding passes the gradient straight through.
    """
    spec = card.input
    low, high = spec.range
    values = low + (high - low) * (batch if spec.color == "RGB" else batch.flip(1))
    if spec.dtype == "uint8":
        bounded = values.clamp(0, 255)
        values = bounded + (bounded.round() - bounded).detach()
    else:
        mean, std = (
            torch.tensor(v, dtype=torch.float32, device=batch.device).view(3, 1, 1) for v in (spec.mean, spec.std)
        )
        values = (values - mean) / std
    values = values.half() if spec.dtype == "float16" else values
    return values if spec.layout == "NCHW" else values.permute(0, 2, 3, 1)
