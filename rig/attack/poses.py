"""Which views each optimisation step looks at: a function of its number only, so that a resumed attack is the same."""

import math

from rig.attack.look import each
from rig.render import PreparedView, Renderer
from rig.scene import SceneConfig
from rig.views import draw_views

NARROWEST = 0.3  # of every range's distribution


class PoseWindow:
    """A window sliding over one endless sequence of attack views.

    Each step sees `size` views, a `reuse_frac` of them again from the step before, rendered anew with the texture
    as it is then (Athalye et al. 2018 keep up to 80 %). The first `narrow_steps` begin with the middle NARROWEST of every
    range and end with all of it: what fools is found where views are alike, and carried from there.
    """

    def __init__(
        self,
        config: SceneConfig,
        renderer: Renderer,
        seed: int,
        split: str,
        size: int,
        reuse_frac: float,
        narrow_steps: float = 0,
    ):
        self._draw = lambda start, n: draw_views(config, n, seed, split, start=start, share=self._share(start))
        self._renderer = renderer
        self._size = size
        self._n_new = max(1, math.ceil(size * (1 - reuse_frac)))
        self._narrow_views = narrow_steps * self._n_new
        self._prepared: dict[int, PreparedView] = {}

    def at(self, step: int) -> list[PreparedView]:
        first = step * self._n_new
        wanted = range(first, first + self._size)
        self._prepared = {number: found for number, found in self._prepared.items() if number in wanted}
        new = [number for number in wanted if number not in self._prepared]
        views = [self._draw(number, 1)[0] for number in new]
        self._prepared |= zip(new, each(self._renderer.prepare, views), strict=True)
        return [self._prepared[number] for number in wanted]

    def _share(self, number: int) -> float:
        """Of every range, for the view of that number: the same whenever it is drawn."""
        if number >= self._narrow_views:
            return 1.0
        return NARROWEST + (1 - NARROWEST) * number / self._narrow_views


class FixedViews:
    """The same views at every step: what an attack without EOT does."""

    def __init__(self, prepared: list[PreparedView]):
        self._prepared = prepared

    def at(self, step: int) -> list[PreparedView]:
        return self._prepared
