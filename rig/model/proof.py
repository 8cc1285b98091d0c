"""What a gradient road has to show when it is made: the file's own logits, and a usable gradient."""

from typing import Protocol

import torch

from rig.errors import ModelError
from rig.model.deployed import DeployedModel

MAX_LOGIT_ERROR = 1e-3  # of the logits' range, between a road and ONNX Runtime
ROUNDING = 1e-5  # of the same range: two logits nearer than this are a tie


WIDE, INTEGERS = "float32 for float16", "(de)quantised floats for operators on integers"
STAND_INS = {"": MAX_LOGIT_ERROR, WIDE: 2e-2, INTEGERS: 5e-2}
"""What a road may compute in place of the file's own arithmetic, and how far off its logits may then be."""


class Road(Protocol):
    def value_and_grad(self, batch, objective): ...


def prove(road: Road, model: DeployedModel, stand_in: str = "") -> float:
    """The largest error of the road's logits as a fraction of their range. Raises ModelError where it is no road."""
    batch = proof_images(model.size_px)
    expected = torch.from_numpy(model.logits(batch))
    model.queries -= len(batch)
    _, grad, logits = road.value_and_grad(batch, lambda logits: logits.var(1))
    error_frac = float((logits - expected).abs().max() / (expected.max() - expected.min()))
    limit_frac = STAND_INS[stand_in]
    tie = (limit_frac if stand_in else ROUNDING) * (expected.max() - expected.min())
    behind = expected.amax(1) - expected.gather(1, logits.argmax(1, keepdim=True))[:, 0]  # ties may fall either way
    changed = int((behind > tie).sum())
    if not error_frac <= limit_frac or changed:
        got = f"logits off by {error_frac:.2g} of their range, top-1 changed on {changed} of {len(batch)} images"
        limit = f"<= {limit_frac:g} and 0"
        raise ModelError("the gradient import differs from the file", where=model.path, got=got, expected=limit)
    if not torch.isfinite(grad).all() or not grad.any():
        got = "zero everywhere" if not grad.any() else "infinite or undefined entries"
        raise ModelError("no usable gradient through the file", where=model.path, got=got)
    return error_frac


def among(logits: torch.Tensor, rows: slice, n: int) -> torch.Tensor:
    """A chunk's logits at their rows of all n, so that an objective with one target an image sees them in place."""
    before, after = rows.start, n - rows.start - len(logits)
    return torch.cat([logits.new_zeros(before, logits.shape[1]), logits, logits.new_zeros(after, logits.shape[1])])


def proof_images(size_px: tuple[int, int]) -> torch.Tensor:
    """Noise fine and coarse, a ramp, stripes: 8-bit values, so that a uint8 model sees the same."""
    height, width = size_px
    generator = torch.Generator().manual_seed(0)
    fine = torch.rand(2, 3, height, width, generator=generator)
    coarse = torch.nn.functional.interpolate(
        torch.rand(2, 3, 5, 5, generator=generator), size_px, mode="bicubic"
    ).clamp(0, 1)
    ramp = torch.linspace(0, 1, width).expand(1, 3, height, width)
    stripes = (torch.arange(height) // 4 % 2).float().view(1, 1, height, 1).expand(1, 3, height, width)
    return (torch.cat([fine, coarse, ramp, stripes]) * 255).round() / 255
