"""A random search over a texture by coloured squares, after Square Attack (Andriushchenko et al., ECCV 2020)."""

import math
from functools import cached_property

import numpy as np
import torch

from rig.attack.black_box import BlackBoxAttack
from rig.attack.texture import BUDGET_AIM
from rig.render import PreparedView
from rig.scene.layout import layout_of

HALVED_AT = (0.001, 0.005, 0.02, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8)  # of all steps: squares shrink as the paper's do
MOST_DRAWN = 20  # squares that go beyond the budget, before a step does without
STRIPES = 32  # across the texture


class SquareAttack(BlackBoxAttack):
    """Each step proposes one square, of one colour's distance from the clean texture, and keeps it if the step's views do.

    Views slide (`reuse_frac`), so the kept texture is asked about new views only, and a proposal about all of them.
    """

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self._known: dict[str, torch.Tensor] = {}  # the kept texture's logits, by view

    def take_step(self) -> dict:
        state, views = self.state, self.poses.at(self.state.step)
        kept, proposal = self._kept_logits(views), self._proposal()
        is_better = False
        if proposal is not None:
            proposed = self.logits([proposal] * len(views), views)
            is_better = self._cost(proposed) < self._cost(kept)
        if is_better:
            state.texture, kept = proposal, proposed
        self._known = dict(zip((view.view.id for view in views), kept, strict=True))
        state.step += 1
        return self.row(self._cost(kept), self.distance(state.texture), kept) | {"kept": is_better}

    def _proposal(self) -> torch.Tensor | None:
        """A change that keeps within the Delta-E budget, or goes no further beyond it; None where many do not.

        The model is asked about no other: what exceeds the budget is known without it.
        """
        generator = self.drawn()
        if self.state.step == 0 and torch.equal(self.state.texture, self.clean):
            return self._stripes(generator)
        most = max(BUDGET_AIM * self.state.budget, self.distance(self.state.texture))
        drawn = (self._square(generator) for _ in range(MOST_DRAWN))
        return next((proposal for proposal in drawn if self.distance(proposal) <= most), None)

    def _kept_logits(self, views: list[PreparedView]) -> torch.Tensor:
        """(V, K) of the kept texture; asked where not known yet."""
        new = [view for view in views if view.view.id not in self._known]
        if new:
            asked = self.logits([self.state.texture] * len(new), new)
            self._known |= zip((view.view.id for view in new), asked, strict=True)
        return torch.stack([self._known[view.view.id] for view in views])

    def _cost(self, logits: torch.Tensor) -> float:
        losses = self.objective(logits)
        return float((losses * self.weights(losses)).mean())

    def _square(self, generator: torch.Generator) -> torch.Tensor:
        """The kept texture with one square of it painted over."""
        height, width = self.clean.shape[1:]
        halvings = sum(self.state.step >= share * self.settings.steps for share in HALVED_AT)
        side = max(1, round(math.sqrt(self.black_box.square_frac / 2**halvings * height * width)))
        at = self._places[int(torch.randint(len(self._places), (), generator=generator))]
        top, left = (max(0, int(place) - side // 2) for place in at)
        sign = torch.randint(0, 2, (3, 1, 1), generator=generator).to(self.clean) * 2 - 1
        where = np.s_[:, top : top + side, left : left + side]
        proposal = self.state.texture.clone()
        proposal[where] = self._painted(sign)[where]
        return proposal

    def _stripes(self, generator: torch.Generator, reach: float | None = None) -> torch.Tensor:
        """Vertical stripes, as the paper begins."""
        width = self.clean.shape[2]
        signs = torch.randint(0, 2, (3, 1, STRIPES), generator=generator).to(self.clean) * 2 - 1
        return self._painted(signs[:, :, torch.arange(width) * STRIPES // width], reach)

    def _painted(self, sign: torch.Tensor, reach: float | None = None) -> torch.Tensor:
        moved = (self.clean + (self.reach if reach is None else reach) * sign).clamp(0, 1)
        return torch.where(self.paintable, moved, self.clean)

    @cached_property
    def _places(self) -> np.ndarray:
        """(N, 2) rows and columns of texels that may be painted and that some face shows."""
        mesh = self.stage.renderer.scene.mesh
        return np.argwhere(layout_of(mesh).used & self.paintable.cpu().numpy())

    @cached_property
    def reach(self) -> float:
        """How far each channel goes: to epsilon, or as far as lets its first stripes meet the Delta-E budget."""
        most = 255 if self.settings.epsilon is None else math.floor(self.settings.epsilon)
        if math.isinf(self.declared_budget):
            return most / 255

        def fits(steps: int) -> bool:
            return self.distance(self._stripes(self.drawn(0), steps / 255)) <= BUDGET_AIM * self.declared_budget

        low, high = 1, most + 1
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if fits(middle) else (low, middle)
        return low / 255
