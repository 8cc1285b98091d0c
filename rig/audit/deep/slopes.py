"""The attack's own gradient on texels against differences of its own loss, term by term, on stored views."""

import numpy as np
import torch

from rig.attack.goal import goal_of
from rig.attack.look import mean_delta_e, pull
from rig.attack.patch_views import first_facing
from rig.attack.poses import FixedViews
from rig.attack.texture import Stage, TextureAttack
from rig.audit.distance import frame_size_px
from rig.audit.evidence import Evidence
from rig.audit.patch_budget import worn
from rig.audit.seen import evaluation_views
from rig.contracts import View
from rig.metrics.patch import PATCH_JOB
from rig.model import DeployedModel, gradient_of
from rig.render import MipAtlas, Renderer, texture_tensor

N_VIEWS = 4
N_BLOCKS = 8  # a side of the texture; directions move half of them
STEPS = (1 / 255, 2 / 255, 4 / 255)
CONCLUSIVE_FRAC = 0.15  # of a slope: by how much the differences over STEPS may themselves differ
LIMIT = 0.1  # 8-bit rounding of frames, which the gradient passes as identity, is part of the measured loss
ROOM = 0.1  # of [0, 1]: kept free at both ends, where clipping stops a gradient


def measure_slopes(evidence: Evidence, model: DeployedModel) -> dict:
    """Of each term: the median over directions of the gradient's slope over the measured one."""
    attack, prepared = _stage(evidence, model)
    texture = ROOM + (1 - 2 * ROOM) * texture_tensor(evidence.texture("adversarial"))
    movable = _movable(evidence)
    gradients = {name: one * movable for name, one in _gradients(attack, prepared, texture).items()}
    return {
        "limit": LIMIT,
        "n_views": len(prepared),
        "terms": {name: _term(attack, prepared, texture, name, one) for name, one in gradients.items()},
    }


def _stage(evidence: Evidence, model: DeployedModel) -> tuple[TextureAttack, list]:
    (scene,) = evidence.scenes.values()
    renderer = Renderer(scene, frame_size_px(scene, model.card.model_dump()))
    prepared = [renderer.prepare(view) for view in _views(evidence, renderer)]
    goal = goal_of(scene, evidence.settings.target, model.labels)
    stage = Stage(renderer, model, gradient_of(model), goal, prepared)
    return TextureAttack(stage, FixedViews(prepared), evidence.settings, "adversarial"), prepared


def _views(evidence: Evidence, renderer: Renderer) -> list[View]:
    """The first scored ones; for a patch, those that face it: elsewhere it has no slope."""
    seed, config = evidence.run.record.seed, renderer.scene.config
    n = min(N_VIEWS, evidence.config["sweep"]["views"])
    if evidence.job == PATCH_JOB:
        return first_facing(renderer, worn(evidence)[0][1], n, seed, "eval")
    return evaluation_views(config, evidence.config["sweep"] | {"views": n}, seed)


def _movable(evidence: Evidence) -> torch.Tensor:
    """(h, w) 1 where the attack may change the texture: directions stay there."""
    if evidence.job != PATCH_JOB:
        return torch.ones(1)
    ((_, sticker),) = worn(evidence)
    return torch.from_numpy(sticker.coverage_map > 0).float()


def _gradients(attack: TextureAttack, prepared: list, texture: torch.Tensor) -> dict[str, torch.Tensor]:
    """d term / d texture (3, h, w), each term alone, by the road that the attack takes."""
    found = {}
    for name, of_loss, of_distance in (("objective", 1.0, 0.0), ("Delta-E", 0.0, 1.0)):
        leaf = texture.clone().requires_grad_()
        atlas = MipAtlas(leaf)
        looks = attack.look(atlas, prepared)
        weights = torch.full((len(prepared),), of_loss / len(prepared))
        atlas.texels.backward(pull(looks, weights, of_distance))
        found[name] = leaf.grad
    return found


def _term(attack: TextureAttack, prepared: list, texture: torch.Tensor, name: str, gradient: torch.Tensor) -> dict:
    ratios = [_ratio(attack, prepared, texture, name, gradient, direction) for direction in _directions(gradient)]
    settled = [ratio for ratio in ratios if ratio is not None]
    median = float(np.median(settled)) if settled else None
    return {"median_ratio": median, "n_conclusive": len(settled), "n_directions": len(ratios)}


def _directions(gradient: torch.Tensor) -> list[torch.Tensor]:
    """The gradient's signs, where a wrong factor shows best: on all texels, and on either half of random blocks."""
    signs = gradient.sign()
    blocks = torch.rand(1, 1, N_BLOCKS, N_BLOCKS, generator=torch.Generator().manual_seed(0)) < 0.5
    half = torch.nn.functional.interpolate(blocks.float(), signs.shape[1:], mode="nearest")[0]
    return [signs, signs * half, signs * (1 - half)]


def _ratio(attack, prepared, texture, name: str, gradient: torch.Tensor, direction: torch.Tensor) -> float | None:
    """None where the differences over STEPS do not settle."""
    measured = [
        (
            _value(attack, prepared, texture + step * direction, name)
            - _value(attack, prepared, texture - step * direction, name)
        )
        / (2 * step)
        for step in STEPS
    ]
    middle = float(np.median(measured))
    if not middle or np.ptp(measured) > CONCLUSIVE_FRAC * abs(middle):
        return None
    return float((gradient.double() * direction).sum()) / middle


def _value(attack: TextureAttack, prepared: list, texture: torch.Tensor, name: str) -> float:
    looks = attack.look(MipAtlas(texture.clone().requires_grad_()), prepared)
    losses = torch.cat([look.losses for look in looks])
    return float(losses.double().mean()) if name == "objective" else mean_delta_e(looks)
