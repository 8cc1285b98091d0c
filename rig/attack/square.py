"""A random search over a texture by coloured squares, after Square Attack (Andriushchenko et al., ECCV 2020)."""

import math
from collections.abc import Iterable
from functools import cached_property
from itertools import islice

import numpy as np
import torch
import torch.nn.functional as F

from rig.attack.black_box import BlackBoxAttack
from rig.attack.texture import BUDGET_AIM
from rig.render import PreparedView
from rig.scene.layout import layout_of

HALVED_AT = (0.001, 0.005, 0.02, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8)  # of all steps: squares shrink as the paper's do
MOST_DRAWN = 20  # squares that go beyond the budget, before a step does without
START_CELLS = ((1, 32), (8, 8), (16, 16), (32, 32), (64, 64), (16, 16), (32, 32), (64, 64))  # stripes are the paper's
SQUARE_CELLS = (16, 16)  # of the grid whose colours squares take


class SquareAttack(BlackBoxAttack):
    """Each step proposes one square, of one colour's distance from the clean texture, and keeps it if the step's views do.

    Views slide (`reuse_frac`), so the kept texture is asked about new views only, and a proposal about all of them.
    """

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self._known: dict[str, torch.Tensor] = {}  # the kept texture's logits, by view

    def take_step(self) -> dict:
        state, views = self.state, self.poses.at(self.state.step)
        kept = self._kept_logits(views)
        is_better = False
        for proposal in self._proposals():
            proposed = self.logits(proposal, views)
            if self._cost(proposed) < self._cost(kept):
                state.texture, kept, is_better = proposal, proposed, True
        self._known = dict(zip((view.view.id for view in views), kept, strict=True))
        state.step += 1
        return self.row(self._cost(kept), self.distance(state.texture), kept) | {"kept": is_better}

    def _proposals(self) -> Iterable[torch.Tensor]:
        """Changes that keep within the Delta-E budget, or go no further beyond it: one, and at the start several.

        The model is asked about no other: what exceeds the budget is known without it.
        """
        generator = self.drawn()
        if self.state.step == 0 and torch.equal(self.state.texture, self.clean):
            return [self._start(cells, generator) for cells in START_CELLS]
        most = max(BUDGET_AIM * self.state.budget, self.distance(self.state.texture))
        drawn = (self._square(generator) for _ in range(MOST_DRAWN))
        return islice((proposal for proposal in drawn if self.distance(proposal) <= most), 1)

    def _kept_logits(self, views: list[PreparedView]) -> torch.Tensor:
        """(V, K) of the kept texture; asked where not known yet."""
        new = [view for view in views if view.view.id not in self._known]
        if new:
            asked = self.logits(self.state.texture, new)
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
        proposal[where] = self._painted(sign, self._square_reach)[where]
        return proposal

    def _start(self, cells: tuple[int, int], generator: torch.Generator) -> torch.Tensor:
        """A grid of random colours, as far from clean as the budgets let it be."""
        grid = self._grid(cells, generator)
        return self._painted(grid, self._reach(grid))

    def _grid(self, cells: tuple[int, int], generator: torch.Generator) -> torch.Tensor:
        """(3, h, w) of +1 and -1 by cells, in rows and columns of them."""
        signs = torch.randint(0, 2, (1, 3, *cells), generator=generator).to(self.clean) * 2 - 1
        return F.interpolate(signs, self.clean.shape[1:], mode="nearest")[0]

    def _painted(self, sign: torch.Tensor, reach: float) -> torch.Tensor:
        return self._allowed(self.clean + reach * sign)

    @cached_property
    def _places(self) -> np.ndarray:
        """(N, 2) rows and columns of texels that may be painted and that some face shows."""
        mesh = self.stage.renderer.scene.mesh
        return np.argwhere(layout_of(mesh).used & self.paintable.cpu().numpy())

    @cached_property
    def _square_reach(self) -> float:
        """Of squares: as of a grid at the start, whatever was kept since."""
        return self._reach(self._grid(SQUARE_CELLS, self.drawn(0)))

    def _reach(self, sign: torch.Tensor) -> float:
        """How far each channel goes in whole 8-bit steps: to epsilon, or until the Delta-E budget is met."""
        most = 255 if self.settings.epsilon is None else math.floor(self.settings.epsilon)
        if math.isinf(self.declared_budget):
            return most / 255
        aim, low, high = BUDGET_AIM * self.declared_budget, 1, most + 1
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if self.distance(self._painted(sign, middle / 255)) <= aim else (low, middle)
        return low / 255
