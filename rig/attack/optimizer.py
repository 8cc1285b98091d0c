"""Adam over a texture's scales at once."""

import torch
import torch.nn.functional as F

BETA_MEAN, BETA_SQUARE = 0.9, 0.999


class PyramidAdam:
    """Adam (Kingma & Ba 2015) run on a texture's gradient at every level of its mip pyramid, the steps added up.

    What many views agree on is coarse: a plain texel-wise Adam spends its budget on noise that single views ask for.
    With one level it is plain Adam.
    """

    def __init__(self, like: torch.Tensor, levels: int):
        shapes = [[3, *(max(1, side >> level) for side in like.shape[1:])] for level in range(levels)]
        self.mean = [like.new_zeros(shape) for shape in shapes]
        self.square = [like.new_zeros(shape) for shape in shapes]

    def direction(self, gradient: torch.Tensor, step: int) -> torch.Tensor:
        """The sum of all levels' unit-scale Adam steps, (3, h, w); `step` counts from 0."""
        total = torch.zeros_like(gradient)
        for mean, square in zip(self.mean, self.square, strict=True):
            coarse = F.adaptive_avg_pool2d(gradient, mean.shape[1:])
            mean.lerp_(coarse, 1 - BETA_MEAN)
            square.lerp_(coarse**2, 1 - BETA_SQUARE)
            unbiased = mean / (1 - BETA_MEAN ** (step + 1))
            scale = (square / (1 - BETA_SQUARE ** (step + 1))).sqrt() + 1e-12
            total += F.interpolate((unbiased / scale)[None], gradient.shape[1:], mode="bilinear")[0]
        return total / len(self.mean)

    def arrays(self) -> dict[str, torch.Tensor]:
        """What a checkpoint keeps."""
        return {f"{name}_{i}": t for name in ("mean", "square") for i, t in enumerate(getattr(self, name))}

    def load(self, arrays: dict[str, torch.Tensor]) -> None:
        for name, tensor in self.arrays().items():
            tensor.copy_(arrays[name])
