"""From the light on the sensor to the 8-bit frame. Differentiable; rounding and JPEG pass gradients straight through."""

import numpy as np
import torch
import torch.nn.functional as F
from kornia.filters import gaussian_blur2d

from rig.contracts import View
from rig.images import batch_from_images, decode_jpeg, encode_jpeg, images_from_batch

STRAIGHT_THROUGH = ("8-bit rounding", "JPEG")  # the stages whose gradient is approximated by the identity (BPDA)


def expose(batch: torch.Tensor, views: list[View]) -> torch.Tensor:
    """A batch as the camera of each view would deliver it: blur, resolution, gain, offset, noise, clip, JPEG, 8 bits."""
    batch = _blur(batch, [view.values.get("blur_px", 0.0) for view in views])
    batch = _reduce_resolution(batch, [view.values.get("resolution_frac", 1.0) for view in views])
    batch = _amplify(batch, _column(views, "sensor_gain", batch, default=1.0), _column(views, "sensor_offset", batch))
    return _Develop.apply(_add_noise(batch, views), [view.values.get("jpeg_quality") for view in views])


def _column(views: list[View], name: str, like: torch.Tensor, default: float = 0.0) -> torch.Tensor:
    return like.new_tensor([view.values.get(name, default) for view in views])[:, None, None, None]


def _blur(batch: torch.Tensor, stds_px: list[float]) -> torch.Tensor:
    """Each image by a kernel as wide as its own blur needs, so that it does not depend on the batch it is in."""
    if not any(stds_px):
        return batch
    return torch.cat([_blurred(image[None], std_px) for image, std_px in zip(batch, stds_px, strict=True)])


def _blurred(image: torch.Tensor, std_px: float) -> torch.Tensor:
    if std_px == 0:
        return image
    reach_px = min(int(np.ceil(3 * std_px)), min(image.shape[-2:]) - 1)  # what a mirrored border has room for
    return gaussian_blur2d(image, 2 * reach_px + 1, (float(std_px), float(std_px)))


def _reduce_resolution(batch: torch.Tensor, fractions: list[float]) -> torch.Tensor:
    if all(fraction == 1 for fraction in fractions):
        return batch
    size = batch.shape[-2:]
    coarse_sizes = [[max(1, round(side * fraction)) for side in size] for fraction in fractions]
    coarse = [
        F.interpolate(b[None], s, mode="bilinear", antialias=True) for b, s in zip(batch, coarse_sizes, strict=True)
    ]
    return torch.cat([F.interpolate(image, size, mode="bilinear") for image in coarse])


def _amplify(batch: torch.Tensor, gain: torch.Tensor, offset: torch.Tensor) -> torch.Tensor:
    return batch if bool((gain == 1).all() and (offset == 0).all()) else batch * gain + offset


def _add_noise(batch: torch.Tensor, views: list[View]) -> torch.Tensor:
    """Gaussian, each view from its own seed: the same view has the same noise whatever else is in the batch."""
    noisy = [view for view in views if view.values.get("noise_std", 0)]
    if not noisy:
        return batch
    noise = [view.values["noise_std"] * _standard_normal(view.seed, batch.shape[1:]) for view in views]
    return batch + torch.stack(noise).to(batch)


def _standard_normal(seed: int, shape: torch.Size) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


class _Develop(torch.autograd.Function):
    """Clip, JPEG where a view has a quality, 8 bits. Going back, clipping stops the gradient and the rest is identity."""

    @staticmethod
    def forward(context, batch, qualities):
        context.save_for_backward(batch)
        developed = batch.clamp(0, 1).mul_(255).round_().div_(255)
        return developed if qualities[0] is None else _through_jpeg(developed, qualities)

    @staticmethod
    def backward(context, gradient):
        (batch,) = context.saved_tensors
        return gradient * ((batch >= 0) & (batch <= 1)), None


def _through_jpeg(batch: torch.Tensor, qualities: list[float]) -> torch.Tensor:
    images = zip(images_from_batch(batch), qualities, strict=True)
    decoded = [decode_jpeg(encode_jpeg(image, round(quality))) for image, quality in images]
    return batch_from_images(np.stack(decoded)).to(batch)
