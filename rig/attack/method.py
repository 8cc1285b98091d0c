"""Which attack on a texture the settings ask for."""

import numpy as np

from rig.attack.black_box import ScoresOnly
from rig.attack.settings import AttackSettings
from rig.attack.square import SquareAttack
from rig.attack.texture import Poses, Stage, TextureAttack
from rig.model import DeployedModel, Gradient, gradient_of


def texture_attack(
    stage: Stage, poses: Poses, settings: AttackSettings, name: str, start: np.ndarray | None = None, seed: int = 0
) -> TextureAttack:
    """`seed` is of what a black-box search draws."""
    if settings.black_box is None:
        return TextureAttack(stage, poses, settings, name, start)
    return SquareAttack(stage, poses, settings, name, start, seed)


def road_for(model: DeployedModel, settings: AttackSettings) -> Gradient:
    """What the attack learns from; no road to a gradient is looked for where scores are all that it may know."""
    return gradient_of(model) if settings.black_box is None else ScoresOnly(settings.black_box)
