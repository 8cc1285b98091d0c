"""EOT on textures for models that give scores only: the same loss, budget and validation, found by asking."""

from functools import cached_property

import numpy as np
import torch

from rig.attack.distance import DeltaE
from rig.attack.goal import cross_entropy
from rig.attack.look import each, in_shares
from rig.attack.settings import AttackSettings, BlackBoxSettings
from rig.attack.texture import Poses, TextureAttack, eight_bit
from rig.errors import RigError
from rig.render import PreparedView
from rig.views import derive_seed

RULER_VIEWS = 12  # that Delta-E is measured at
AT_ONCE = 4  # views that one thread renders


class ScoresOnly:
    """What stands where a road to gradients would: see `rig.model.gradient.Gradient`."""

    is_estimate = True
    share, max_logit_error, stand_in = None, 0.0, ""

    def __init__(self, settings: BlackBoxSettings):
        self.road = f"{settings.method.title()} search over textures (scores only)"

    def value_and_grad(self, batch, objective):
        raise RigError("asked for a gradient, where scores are all there is")


class BlackBoxAttack(TextureAttack):
    """What searches share. `seed` is that of the attack: what a step draws depends on it and on the step only."""

    knows_gradients = False

    def __init__(self, stage, poses: Poses, settings: AttackSettings, name: str, start=None, seed: int = 0):
        super().__init__(stage, poses, settings, name, start)
        self.black_box, self.seed = settings.black_box, seed

    def logits(self, texture: torch.Tensor, prepared: list[PreparedView]) -> torch.Tensor:
        """(V, K) of the deployed file on frames of a texture (3, h, w); a query each."""
        renderer = self.stage.renderer
        frames = each(lambda share: renderer.render(texture, share), in_shares(prepared, AT_ONCE))
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
