"""Several networks attacked as one: each looks at its own share of a batch, so that many cost as much as one."""

from collections.abc import Sequence

import torch

from rig.errors import ModelError
from rig.model.detect import Judge
from rig.model.gradient import Gradient


def together(models: Sequence[Judge], gradients: Sequence[Gradient]) -> Gradient:
    """One gradient of all models. Raises ModelError as `require_one_task`."""
    require_one_task(models)
    return gradients[0] if len(models) == 1 else Ensemble(models, gradients)


def require_one_task(models: Sequence[Judge]) -> None:
    """Raises ModelError where models that shall be attacked together have other labels, or one name."""
    first, names = models[0], [model.card.name for model in models]
    if len(set(names)) < len(names):
        raise ModelError("two models of the same name", got=", ".join(names), hint="give one's card another name")
    for model in models[1:]:
        if list(model.labels) != list(first.labels):
            got = f"{len(first.labels)} of {first.card.name}, {len(model.labels)} of {model.card.name}"
            raise ModelError("models attacked together need the same labels in the same order", got=got)


class Ensemble:
    """As `rig.model.gradient.Gradient`; rows i, i + n, i + 2 n, ... of a batch are the i-th of n networks'.

    Batches are of the first one's size; each card fits them to its own network. In the ensembles of Liu et al. (ICLR 2017)
    every network sees every image; views are so many here that each may have its own.
    """

    def __init__(self, models: Sequence[Judge], gradients: Sequence[Gradient]):
        self._networks = list(zip(models, gradients, strict=True))
        self.road = "; ".join(f"{model.card.name}: {gradient.road}" for model, gradient in self._networks)
        self.max_logit_error = max(gradient.max_logit_error for gradient in gradients)
        self.stand_in = "; ".join(gradient.stand_in for gradient in gradients if gradient.stand_in)
        self.is_estimate = any(gradient.is_estimate for gradient in gradients)
        shares = [gradient.share for gradient in gradients]
        self.share = None if None in shares else len(shares) * max(shares)

    def value_and_grad(self, batch, objective):
        n, found = len(self._networks), []
        for number, (model, gradient) in enumerate(self._networks[: len(batch)]):
            rows = slice(number, None, n)
            found.append((rows, _of_rows(model, gradient, batch, rows, objective)))
        losses, pull, logits = (batch.new_empty(len(batch), *part.shape[1:]) for part in found[0][1])
        for rows, parts in found:
            for whole, part in zip((losses, pull, logits), parts, strict=True):
                whole[rows] = part
        return losses, pull, logits


def _of_rows(model: Judge, gradient: Gradient, batch: torch.Tensor, rows: slice, objective) -> tuple:
    """Losses, d loss / d rows of the batch, logits."""
    with torch.enable_grad():
        seen = batch[rows].detach().requires_grad_()
        fitted = model.fit(seen)

    def in_place(logits: torch.Tensor) -> torch.Tensor:
        """Each row's logits where the objective, which may have a target an image, expects them."""
        return objective(logits.new_zeros(len(batch), logits.shape[1]).index_put((_numbers(rows, batch),), logits))[
            rows
        ]

    losses, pull, logits = gradient.value_and_grad(fitted.detach(), in_place)
    return losses, torch.autograd.grad(fitted, seen, pull)[0], logits


def _numbers(rows: slice, batch: torch.Tensor) -> torch.Tensor:
    return torch.arange(len(batch), device=batch.device)[rows]
