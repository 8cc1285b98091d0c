"""Controls: what else could have had the same effect? Each is scored at the same held-out views as the attack."""

import dataclasses

import numpy as np

from rig.attack.distance import DeltaE
from rig.attack.method import texture_attack
from rig.attack.poses import FixedViews
from rig.attack.printable import Printable
from rig.attack.settings import AttackSettings
from rig.attack.texture import Stage, State, eight_bit
from rig.render import PreparedView, texture_tensor
from rig.runs import Progress, RunFolder

SINGLE_VIEW_STEPS = 100


def random_texture(
    stage: Stage, adversarial: np.ndarray, prepared: list[PreparedView], seed: int, printable: Printable | None = None
) -> np.ndarray:
    """A meaningless change as large as the attack's: its spatial spectrum with random phases, scaled to its Delta-E.

    Scaled by bisection so that the mean Delta-E over `prepared` equals the adversarial texture's (8-bit, clipped).
    """
    clean = stage.renderer.scene.mesh.texture
    distance = DeltaE(stage.renderer, clean, prepared)
    wanted = distance.mean(adversarial)
    change = random_phases(adversarial.astype(float) - clean, np.random.default_rng(seed))
    low, high = 0.0, 1.0
    while distance.mean(_changed(stage, change * high, printable)) < wanted and high < 64:
        low, high = high, 2 * high
    for _ in range(12):
        middle = (low + high) / 2
        below = distance.mean(_changed(stage, change * middle, printable)) < wanted
        low, high = (middle, high) if below else (low, middle)
    return _changed(stage, change * (low + high) / 2, printable)


def random_phases(change: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """(H, W, 3) with the amplitude spectrum of `change`; one phase field for all channels keeps their correlation."""
    phases = np.angle(np.fft.fft2(rng.standard_normal(change.shape[:2])))  # of a real image, so the result is real
    spectrum = np.fft.fft2(change, axes=(0, 1)) * np.exp(1j * phases)[..., None]
    return np.fft.ifft2(spectrum, axes=(0, 1)).real


def _changed(stage: Stage, change: np.ndarray, printable: Printable | None) -> np.ndarray:
    scene = stage.renderer.scene
    changed = np.clip(np.rint(scene.mesh.texture + change), 0, 255).astype(np.uint8)
    if printable:
        near = eight_bit(printable.near(texture_tensor(changed)))  # from where what is exact is quickly found
        changed = printable.painted(near, scene.mesh.texture, None)
    return np.where(scene.paintable[..., None], changed, scene.mesh.texture)


def single_view_attack(
    stage: Stage, settings: AttackSettings, view: PreparedView, run: RunFolder, progress: Progress
) -> State:
    """The same attack without expectation over transformation: one view only, under the same budget.

    Of networks attacked together each sees that view.
    """
    alone = dataclasses.replace(stage, validation=[view])
    steps = min(settings.steps, SINGLE_VIEW_STEPS) if settings.black_box is None else settings.steps
    fewer = settings.model_copy(update={"steps": steps, "views_per_step": 1})
    attack = texture_attack(
        alone, FixedViews([view] * len(stage.models)), fewer, "control_single_view", seed=view.view.seed
    )
    return attack.run(run, progress)
