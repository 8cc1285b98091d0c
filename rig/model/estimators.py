"""Gradients from scores alone, behind the seam of `rig.model.gradient`: no weights, no graph, many queries.

Both ask about x + sigma u and x - sigma u, clipped to [0, 1], and weigh u by the difference in loss. Their mean is the
gradient itself, scale included, as far as the loss is linear over 2 sigma; one estimate from n pairs of a D-dimensional
image is sqrt(D / n) times as long as the gradient, and points along it with cosine sqrt(n / (n + D)) or so.
"""

from collections.abc import Iterator

import torch

from rig.model.deployed import CHUNK, DeployedModel

PAIRS = 50
SIGMA = 2 / 255  # whole steps of 8 bits: a model that takes bytes sees exactly this difference


class Estimator:
    """`value_and_grad` of n images asks about (1 + 2 `pairs`) n, each counted by the model. Deterministic per seed."""

    name = ""
    is_estimate = True
    share = None

    def __init__(self, model: DeployedModel, because="asked for", pairs: int = PAIRS, sigma: float = SIGMA, seed=0):
        self.road = f"{self.name}, {pairs} antithetic pairs an image ({because})"
        self.max_logit_error, self.stand_in = 0.0, ""  # the logits are the file's
        self.inner = self
        self._model, self._pairs, self._sigma = model, pairs, sigma
        self._generator = torch.Generator().manual_seed(seed)

    def value_and_grad(self, batch, objective):
        """As `rig.model.gradient.Gradient`."""
        images = batch.detach().cpu()
        logits = torch.from_numpy(self._model.logits(images))
        losses = objective(logits.to(batch.device)).detach()
        total = torch.zeros_like(images)
        for directions in self._drawn(images):
            total += self._slopes(images, directions, objective, batch.device)
        grad = total / (self._pairs * self._mean_reach(images))
        return losses, grad.to(batch.device), logits.to(batch.device)

    def _drawn(self, images: torch.Tensor) -> Iterator[torch.Tensor]:
        """Directions (S, B, 3, H, W), a few pairs at a time: small batches fill a call, memory is bounded."""
        at_once = max(1, CHUNK // (2 * max(1, len(images))))
        for start in range(0, self._pairs if len(images) else 0, at_once):
            yield self._draw((min(at_once, self._pairs - start), *images.shape))

    def _slopes(self, images, directions, objective, device) -> torch.Tensor:
        """Sum over the pairs of (loss ahead - loss behind) u; (B, 3, H, W)."""
        sides = torch.stack([images + self._sigma * directions, images - self._sigma * directions]).clamp_(0, 1)
        logits = torch.from_numpy(self._model.logits(sides.flatten(0, 2)))
        rows = logits.reshape(-1, len(images), logits.shape[1]).to(device)
        with torch.no_grad():
            losses = torch.stack([objective(row) for row in rows]).cpu().reshape(sides.shape[:3])
        return ((losses[0] - losses[1])[..., None, None, None] * directions).sum(0)

    def _draw(self, shape) -> torch.Tensor:
        raise NotImplementedError

    def _mean_reach(self, images: torch.Tensor) -> torch.Tensor:
        """E[u d] of each pixel, d the difference between its two values as asked, clipped: 2 sigma inside [0, 1].

        d is odd in u and pixels are drawn apart, so that E[u_i sum_j g_j d_j] = g_i E[u_i d_i].
        """
        raise NotImplementedError


class NES(Estimator):
    """Gaussian directions (Wierstra et al. 2014; Ilyas et al. 2018)."""

    name = "NES"

    def _draw(self, shape):
        return torch.randn(shape, generator=self._generator)

    def _mean_reach(self, images):
        """By Stein's lemma E[u clip(x + sigma u)] = sigma P(0 < x + sigma u < 1)."""
        inside = torch.special.ndtr((1 - images) / self._sigma) - torch.special.ndtr(-images / self._sigma)
        return 2 * self._sigma * inside


class SPSA(Estimator):
    """Directions of +1 and -1 (Spall 1992)."""

    name = "SPSA"

    def _draw(self, shape):
        return torch.randint(0, 2, shape, generator=self._generator) * 2.0 - 1

    def _mean_reach(self, images):
        return (images + self._sigma).clamp(0, 1) - (images - self._sigma).clamp(0, 1)
