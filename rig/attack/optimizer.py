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
        """The mean over all levels of Adam's unit-scale steps, (3, h, w); `step` counts from 0."""
        gradients = [gradient]
        for mean in self.mean[1:]:
            gradients.append(F.adaptive_avg_pool2d(gradients[-1], mean.shape[1:]))
        total = self._level_step(len(self.mean) - 1, gradients[-1], step)
        for level in reversed(range(len(self.mean) - 1)):
            finer = F.interpolate(total[None], gradients[level].shape[1:], mode="bilinear")[0]
            total = finer.add_(self._level_step(level, gradients[level], step))
        return total / len(self.mean)

    def _level_step(self, level: int, gradient: torch.Tensor, step: int) -> torch.Tensor:
        mean, square = self.mean[level], self.square[level]
        mean.lerp_(gradient, 1 - BETA_MEAN)
        square.mul_(BETA_SQUARE).addcmul_(gradient, gradient, value=1 - BETA_SQUARE)
        scale = square.sqrt().mul_((1 - BETA_SQUARE ** (step + 1)) ** -0.5).add_(1e-12)
        return mean / scale / (1 - BETA_MEAN ** (step + 1))

    def arrays(self) -> dict[str, torch.Tensor]:
        """What a checkpoint keeps."""
        return {f"{name}_{i}": t for name in ("mean", "square") for i, t in enumerate(getattr(self, name))}

    def load(self, arrays: dict[str, torch.Tensor]) -> None:
        for name, tensor in self.arrays().items():
            tensor.copy_(arrays[name])
