"""What EOT pixels are judged by: the frame itself, and frames from beside it in other conditions."""

import numpy as np

from rig.attack.pixel.space import set_pixels
from rig.attack.pixel_expectation import Looks
from rig.contracts import View
from rig.render import PreparedView, Renderer
from rig.sweep.carriers import footprints_of, paint
from rig.sweep.conditions import CONDITIONS, UNCHANGED, Condition
from rig.sweep.neighbours import neighbour
from rig.views import derive_seed

N_LOOKS = 8
REACH_DEG = 8.0


def draw_looks(
    view: View,
    seed: int,
    n: int = N_LOOKS,
    reach_deg: float = REACH_DEG,
    conditions: tuple[Condition, ...] = CONDITIONS,
) -> list[tuple[View, Condition]]:
    """The view as it is, then n - 1 neighbours: angle uniform within reach, any bearing, a condition in every other one."""
    rng = np.random.default_rng(derive_seed(seed, view.id, "looks"))
    some = [condition for condition in conditions if condition.name != UNCHANGED]
    drawn = [(view, Condition(UNCHANGED, 0.0))]
    for number in range(1, n):
        beside = neighbour(view, float(rng.uniform(0, reach_deg)), float(rng.uniform(0, 360)))
        condition = some[rng.integers(len(some))] if some and number % 2 else Condition(UNCHANGED, 0.0)
        drawn.append((beside, condition))
    return drawn


def sensor_looks(renderer: Renderer, drawn: list[tuple[View, Condition]]) -> Looks:
    """A candidate at the same image coordinates of every frame."""
    prepared = [renderer.prepare(view) for view, _ in drawn]
    clean = [frame.image for frame in renderer.frames(renderer.scene.mesh.texture, prepared)]

    def frames(pixels: np.ndarray, which: slice) -> np.ndarray:
        return _in_conditions([set_pixels(image, pixels[None])[0] for image in clean[which]], drawn[which])

    return Looks(len(drawn), frames)


def surface_looks(
    renderer: Renderer, found_on: PreparedView, drawn: list[tuple[View, Condition]], dot_px: float
) -> Looks:
    """A candidate printed on the object where the first view shows it, and rendered from all."""
    footprints = footprints_of(renderer, found_on.view)
    prepared = [renderer.prepare(view) for view, _ in drawn]

    def frames(pixels: np.ndarray, which: slice) -> np.ndarray:
        texture, _ = paint(pixels, renderer, found_on, footprints, dot_px)
        return _in_conditions([frame.image for frame in renderer.frames(texture, prepared[which])], drawn[which])

    return Looks(len(drawn), frames)


def _in_conditions(images: list[np.ndarray], drawn: list[tuple[View, Condition]]) -> np.ndarray:
    changed = [
        condition.applied(image[None], view.seed)[0] for image, (view, condition) in zip(images, drawn, strict=True)
    ]
    return np.stack(changed)
