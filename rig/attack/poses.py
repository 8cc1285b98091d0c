"""Which views each optimisation step looks at: a function of its number only, so that a resumed attack is the same."""

import math

from rig.attack.look import each
from rig.render import PreparedView, Renderer
from rig.scene import SceneConfig
from rig.views import draw_views


class PoseWindow:
    """A window sliding over one endless sequence of attack views.

    Each step sees `size` views, a `reuse_frac` of them again from the step before, rendered anew with the texture
    as it is then (Athalye et al. 2018 keep up to 80 %).
    """

    def __init__(self, config: SceneConfig, renderer: Renderer, seed: int, split: str, size: int, reuse_frac: float):
        self._draw = lambda start, n: draw_views(config, n, seed, split, start=start)
        self._renderer = renderer
        self._size = size
        self._n_new = max(1, math.ceil(size * (1 - reuse_frac)))
        self._prepared: dict[int, PreparedView] = {}

    def at(self, step: int) -> list[PreparedView]:
        first = step * self._n_new
        wanted = range(first, first + self._size)
        self._prepared = {number: found for number, found in self._prepared.items() if number in wanted}
        new = [number for number in wanted if number not in self._prepared]
        views = [self._draw(number, 1)[0] for number in new]
        self._prepared |= zip(new, each(self._renderer.prepare, views), strict=True)
        return [self._prepared[number] for number in wanted]


class FixedViews:
    """The same views at every step: what an attack without EOT does."""

    def __init__(self, prepared: list[PreparedView]):
        self._prepared = prepared

    def at(self, step: int) -> list[PreparedView]:
        return self._prepared
