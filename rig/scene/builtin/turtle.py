"""A sea turtle: shell, head, four flippers and a tail, each an upper and a lower chart."""

from collections.abc import Iterator

import numpy as np

from rig.contracts import Mesh
from rig.scene.builtin.ambient import ambient_light
from rig.scene.builtin.charts import Chart, build
from rig.scene.builtin.turtle_shape import FRONT_FLIPPER, HEAD, REAR_FLIPPER, TAIL, Limb, carapace, plastron
from rig.scene.builtin.turtle_skin import (
    ABOVE,
    BELOW,
    flipper_underside,
    neck,
    nowhere,
    paint_carapace,
    paint_head,
    paint_plastron,
    paint_scales,
    throat,
)

BODIES = 7  # shell, head, four flippers, tail
SHELL_CELLS = (36, 32)  # of both halves, which share the rim
SKY = 0.35  # how much brighter the baked sky is above than at the horizon
EYE_ALONG, EYE_ACROSS = 0.78, 0.15  # on the head's upper surface


def turtle() -> Mesh:
    """About 2 units long, flippers out, gliding; its light is baked into the texture."""
    return build(list(_charts()), light=lambda mesh: 0.45 + 0.55 * ambient_light(mesh, SKY))


def _charts() -> Iterator[Chart]:
    yield Chart(carapace, paint_carapace, SHELL_CELLS)
    yield Chart(plastron, paint_plastron, SHELL_CELLS)
    yield from _head()
    for side in (1, -1):
        yield from _limb(Limb(FRONT_FLIPPER, blunt=7, side=side), cells=(28, 8), scales=(14, 4))
        yield from _limb(Limb(REAR_FLIPPER, blunt=5, side=side), cells=(16, 8), scales=(8, 4))
    yield from _limb(Limb(TAIL, blunt=4), cells=(8, 6), scales=(8, 4))


def _limb(limb: Limb, cells: tuple[int, int], scales: tuple[int, int]) -> Iterator[Chart]:
    upper, lower = _scale_seeds(limb.upper, scales, seed=1), _scale_seeds(limb.lower, scales, seed=2)
    yield Chart(limb.upper, paint_scales(upper, ABOVE, nowhere), cells)
    yield Chart(limb.lower, paint_scales(lower, BELOW, flipper_underside), cells)


def _head() -> Iterator[Chart]:
    limb = Limb(HEAD, blunt=9)
    upper, lower = _scale_seeds(limb.upper, (11, 6), seed=3), _scale_seeds(limb.lower, (11, 6), seed=4)
    eyes = np.stack([limb.upper(np.array(EYE_ALONG), np.array(t)) for t in (EYE_ACROSS, 1 - EYE_ACROSS)])
    yield Chart(limb.upper, paint_head(paint_scales(upper, ABOVE, neck), eyes), (24, 16))
    yield Chart(limb.lower, paint_head(paint_scales(lower, BELOW, throat), eyes), (24, 16))


def _scale_seeds(surface, counts: tuple[int, int], seed: int) -> np.ndarray:
    """Centres (N, 3) of scales: a staggered grid over the surface, jittered."""
    rng = np.random.default_rng(seed)
    columns, rows = np.meshgrid(np.arange(counts[0]), np.arange(counts[1]))
    jitter = rng.uniform(-0.28, 0.28, (2, *columns.shape))
    s = (columns + 0.5 + 0.5 * (rows % 2) + jitter[0]) / (counts[0] + 0.5)
    t = (rows + 0.5 + jitter[1]) / counts[1]
    return surface(np.clip(s, 0, 1), np.clip(t, 0, 1)).reshape(-1, 3)
