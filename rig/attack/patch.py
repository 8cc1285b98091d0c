"""A patch on objects, optimised over the views that show it (Brown et al. 2017; Athalye et al. 2018).

The variable is the patch's picture. A sticker's linear map makes textures of it, so that everything from texture to loss,
and back, is the texture attack's own. Worn by several objects it is universal: the mean over objects of their losses.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from rig.attack.goal import cross_entropy
from rig.attack.look import mean_delta_e, pull
from rig.attack.settings import AttackSettings
from rig.attack.texture import Poses, Stage, TextureAttack, eight_bit, predict
from rig.errors import RigError
from rig.render import MipAtlas, texture_tensor
from rig.scene.sticker import Sticker

GREY, GRAIN = 127, 16  # a patch starts grey, with this much noise: a flat one leaves networks with a maximum a tie


@dataclass(frozen=True, eq=False)
class Worn:
    """One object with the sticker on it, and where each step sees it from."""

    stage: Stage
    sticker: Sticker
    poses: Poses

    def texture(self, patch: np.ndarray) -> np.ndarray:
        """The 8-bit texture (h, w, 3) with an 8-bit patch (ph, pw, 3) on it."""
        return stuck(self.sticker, self.stage.renderer.scene.mesh.texture, patch)


def first_patch(patch_px: tuple[int, int], seed: int) -> np.ndarray:
    """What an attack starts from, (ph, pw, 3) uint8."""
    rng = np.random.default_rng(seed)
    return rng.integers(GREY - GRAIN, GREY + GRAIN, (*patch_px, 3), dtype=np.uint8, endpoint=True)


def stuck(sticker: Sticker, clean: np.ndarray, patch: np.ndarray) -> np.ndarray:
    """The 8-bit texture (h, w, 3) of an 8-bit patch (ph, pw, 3) on a clean one."""
    return eight_bit(torch.from_numpy(sticker.on(texture_tensor(clean).numpy(), texture_tensor(patch).numpy())))


class PatchAttack(TextureAttack):
    """One optimisation of one patch on one or several objects; its state's `texture` and `best` are the patch."""

    def __init__(self, worn: Sequence[Worn], settings: AttackSettings, name: str, start: np.ndarray):
        self.worn = worn
        self.wearers = [TextureAttack(one.stage, one.poses, settings, name) for one in worn]
        super().__init__(worn[0].stage, worn[0].poses, settings, name, start)
        self.clean = self.state.texture
        self.paintable = torch.ones(self.clean.shape[1:], dtype=torch.bool)

    def take_step(self) -> dict:
        state = self.state
        found = [self._pulled(*one) for one in zip(self.worn, self.wearers, strict=True)]
        gradient = np.mean([gradient for gradient, _ in found], axis=0, dtype=np.float32)
        if not gradient.any() and state.step == 0:
            hint = "`rig models check` looks at the gradient; a patch in the middle of what is seen, or larger"
            raise RigError("no gradient reaches the patch", got="0 in every view of the first step", hint=hint)
        self._descend(torch.from_numpy(gradient))
        state.step += 1
        rows = [row for _, row in found]
        state.gradients += sum(row.pop("n") for row in rows)
        means = {name: float(np.mean([row[name] for row in rows])) for name in rows[0]}
        return {"step": state.step, "phase": self.name, **means, "lambda": 0.0}

    def _pulled(self, worn: Worn, wearer: TextureAttack) -> tuple[np.ndarray, dict]:
        """d loss / d patch (3, ph, pw) over one object's views of this step, and what was seen."""
        texture = torch.from_numpy(worn.sticker.on(wearer.clean.numpy(), self.state.texture.numpy())).requires_grad_()
        atlas = MipAtlas(texture)
        looks = wearer.look(atlas, worn.poses.at(self.state.step))
        losses, logits = (torch.cat([getattr(look, name) for look in looks]) for name in ("losses", "logits"))
        weights = self.weights(losses) / len(losses)
        atlas.texels.backward(pull(looks, weights, 0.0))
        return worn.sticker.back(texture.grad.numpy()), {
            "loss": float((losses * weights).sum()),
            "cross_entropy": float(cross_entropy(worn.stage.goal)(logits).mean()),
            "delta_e": mean_delta_e(looks),
            "success_batch": float(np.mean(worn.stage.goal.reached(logits.cpu().numpy()))),
            "n": len(losses),
        }

    def validate(self) -> dict:
        """Score the 8-bit patch on views that no step sees, of every object alike; keep it if it is the best so far."""
        patch, state = self._file_of(self.state.texture), self.state
        logits = [predict(one.stage, one.texture(patch), one.stage.validation) for one in self.worn]
        success = float(np.mean([one.stage.goal.reached(of).mean() for one, of in zip(self.worn, logits, strict=True)]))
        losses = [
            float(one.objective(torch.from_numpy(of)).mean()) for one, of in zip(self.wearers, logits, strict=True)
        ]
        score = (success, -float(np.mean(losses)))
        if score > state.best_score:
            state.best, state.best_score, state.best_success = patch, score, success
        state.streak = state.streak + 1 if success >= self.settings.stop_at else 0
        return {"validation_success": success}
