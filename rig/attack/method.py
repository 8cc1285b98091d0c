"""Which attack on a texture the settings ask for."""

from collections.abc import Sequence

import numpy as np

from rig.attack.black_box import ScoresOnly
from rig.attack.settings import AttackSettings
from rig.attack.square import SquareAttack
from rig.attack.texture import Poses, Stage, TextureAttack
from rig.errors import RigError
from rig.model import Gradient, gradient_of
from rig.model.detect import Judge


def texture_attack(
    stage: Stage, poses: Poses, settings: AttackSettings, name: str, start: np.ndarray | None = None, seed: int = 0
) -> TextureAttack:
    """`seed` is of what a black-box search draws."""
    if settings.black_box is None:
        return TextureAttack(stage, poses, settings, name, start)
    return SquareAttack(stage, poses, settings, name, start, seed)


def roads_for(models: Sequence[Judge], settings: AttackSettings) -> list[Gradient]:
    """What the attack learns from each; no road to a gradient is looked for where scores are all that it may know."""
    if settings.black_box is None:
        return [gradient_of(model) for model in models]
    if len(models) > 1:
        raise RigError("from scores alone one network is attacked", where="--model", got=f"{len(models)} networks")
    return [ScoresOnly(settings.black_box)]
