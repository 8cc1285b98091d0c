"""EOT on textures for models that give scores only: the same loss, budget and validation, found by asking."""

from functools import cached_property

import numpy as np
import torch
import torch.nn.functional as F

from rig.attack.distance import DeltaE
from rig.attack.goal import cross_entropy
from rig.attack.look import each
from rig.attack.settings import AttackSettings, BlackBoxSettings
from rig.attack.texture import BUDGET_AIM, Poses, TextureAttack, eight_bit
from rig.errors import RigError
from rig.render import PreparedView
from rig.views import derive_seed

RULER_VIEWS = 12  # that Delta-E is measured at


class ScoresOnly:
    """What stands where a road to gradients would: see `rig.model.gradient.Gradient`."""

    is_estimate = True
    share, max_logit_error, stand_in = None, 0.0, ""
    ROADS = {
        "nes": "NES over textures, {cells} x {cells} x 3 directions (scores only)",
        "square": "Square search over textures (scores only)",
    }

    def __init__(self, settings: BlackBoxSettings):
        self.road = self.ROADS[settings.method].format(cells=settings.cells)

    def value_and_grad(self, batch, objective):
        raise RigError("asked for a gradient, where scores are all there is")


class BlackBoxAttack(TextureAttack):
    """What both searches share. `seed` is that of the attack: what a step draws depends on it and on the step only."""

    knows_gradients = False

    def __init__(self, stage, poses: Poses, settings: AttackSettings, name: str, start=None, seed: int = 0):
        super().__init__(stage, poses, settings, name, start)
        self.black_box, self.seed = settings.black_box, seed

    def logits(self, textures: list[torch.Tensor], prepared: list[PreparedView]) -> torch.Tensor:
        """(V, K) of the deployed file, each view with a texture (3, h, w) of its own; a query each."""
        renderer = self.stage.renderer
        frames = each(lambda texture, view: renderer.render(texture, [view]), textures, prepared)
        return torch.from_numpy(self.stage.model.logits(torch.cat(frames)))

    def distance(self, texture: torch.Tensor) -> float:
        """Mean Delta-E of the 8-bit texture, at the same pixels in every step; the model is not asked."""
        return self._ruler.mean(eight_bit(texture))

    @cached_property
    def _ruler(self) -> DeltaE:
        scene = self.stage.renderer.scene
        return DeltaE(self.stage.renderer, scene.mesh.texture, self.stage.validation[:RULER_VIEWS])

    def drawn(self, step: int | None = None) -> torch.Generator:
        """What a step draws from; None: the present one."""
        return torch.Generator().manual_seed(
            derive_seed(self.seed, self.name, self.state.step if step is None else step)
        )

    def row(self, loss: float, distance: float, logits: torch.Tensor) -> dict:
        """What the history keeps of the step just taken."""
        return {
            "step": self.state.step,
            "phase": self.name,
            "loss": loss,
            "cross_entropy": float(cross_entropy(self.stage.goal)(logits).mean()),
            "delta_e": distance,
            "success_batch": float(np.mean(self.stage.goal.reached(logits.numpy()))),
            "lambda": 0.0,  # the budget is kept by staying within it
        }


class NESAttack(BlackBoxAttack):
    """Natural evolution strategies (Wierstra et al. 2014; Ilyas et al. 2018) in a low-frequency basis of the texture.

    Every direction is smooth noise with a view of its own, asked about on both sides; the mean of difference times
    direction is the slope of the expected loss. 768 directions of texture can be learnt about; 150,000 pixels cannot.
    """

    def take_step(self) -> dict:
        state, views = self.state, self.poses.at(self.state.step)
        directions = self._directions(self.black_box.pairs or len(views))
        losses, logits = self._both_sides(directions, [views[i % len(views)] for i in range(len(directions))])
        weights = self.weights(losses.mean(0)) / len(directions)
        slopes = (losses[0] - losses[1]) / (2 * self.black_box.sigma) * weights
        self._descend(torch.einsum("p,pchw->chw", slopes.to(directions), directions))
        distance = self._back_within_budget()
        state.step += 1
        return self.row(float((losses.mean(0) * weights).sum()), distance, logits)

    def _back_within_budget(self) -> float:
        """The change shrunk to the Delta-E budget; a pull of its own would drown in the estimate's noise."""
        state, most = self.state, BUDGET_AIM * self.state.budget
        while (distance := self.distance(state.texture)) > most:
            state.texture = self.clean + 0.995 * most / distance * (state.texture - self.clean)
        return distance

    def _directions(self, n: int) -> torch.Tensor:
        """(n, 3, h, w)"""
        size, cells = self.clean.shape[1:], self.black_box.cells
        coarse = torch.randn(n, 3, min(cells, size[0]), min(cells, size[1]), generator=self.drawn())
        smooth = F.interpolate(coarse, size, mode="bilinear").to(self.clean)
        return torch.where(self.paintable, smooth, 0.0)

    def _both_sides(self, directions: torch.Tensor, asked: list[PreparedView]) -> tuple[torch.Tensor, torch.Tensor]:
        """Losses (2, P) ahead and behind, and the logits they come from (2 P, K)."""
        aside = self.black_box.sigma * directions
        sides = [*(self.state.texture + aside).clamp(0, 1), *(self.state.texture - aside).clamp(0, 1)]
        logits = self.logits(sides, [*asked, *asked])
        return self.objective(logits).reshape(2, -1), logits
