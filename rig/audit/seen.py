"""Which views the optimiser saw: drawn again from the run's seed and settings, as many as its history has steps."""

import math

from rig.attack.settings import AttackSettings
from rig.contracts import View
from rig.metrics.load import Refinement
from rig.scene import SceneConfig
from rig.sweep.refine import round_ids
from rig.views import derive_seed, draw_views, placed_views

SINGLE_VIEW = "control_single_view"


def seen_views(config: SceneConfig, settings: AttackSettings, seed: int, steps: dict[str, int]) -> dict[str, list]:
    """Views by what saw them. `steps` taken by each attack of the run; validation chose the best texture by its own."""
    found = {"validation": draw_views(config, settings.validation_views, seed, "validation")}
    for name, n_steps in steps.items():
        n = 1 if name == SINGLE_VIEW else n_views_seen(settings, n_steps)
        found[name] = draw_views(config, n, derive_seed(seed, name), "attack")
    return found


def n_views_seen(settings: AttackSettings, n_steps: int) -> int:
    """Distinct views in a window of `views_per_step` that moves on by those not reused."""
    n_new = max(1, math.ceil(settings.views_per_step * (1 - settings.reuse_frac)))
    return max(0, n_steps - 1) * n_new + settings.views_per_step


def evaluation_views(config: SceneConfig, asked: dict, seed: int, refined: Refinement | None = None) -> list[View]:
    """The views that a texture run or a sweep declares in run.json: `asked` is config["sweep"], `refined` the scene's."""
    if refined is None:
        return draw_views(config, asked["views"], seed, "eval", asked["policy"])
    ids = [one for number in range(len(refined.rounds)) for one in round_ids("eval", refined.rounds, number)]
    return placed_views(config, refined.bands, refined.columns, ids, seed)
