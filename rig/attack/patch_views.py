"""Views that a patch is seen from: others say nothing about it, and an attack would wait through them."""

from collections.abc import Callable, Iterator
from itertools import count

import numpy as np
import torch

from rig.attack.poses import PoseWindow
from rig.contracts import View
from rig.errors import RigError
from rig.render import MipAtlas, PreparedView, Renderer, surface
from rig.scene import SceneConfig
from rig.scene.sticker import Sticker
from rig.views import draw_views

LEAST_FACING = 0.1  # cosine between the place's normal and the way to the camera
MOST_TRIED = 200  # views drawn for each one that is wanted


def facing_views(renderer: Renderer, sticker: Sticker, draw: Callable[[int, int], list[View]]) -> Iterator[View]:
    """Of an endless sequence, the views whose camera the place looks at. Raises RigError where none comes."""
    tried = 0
    for number in count():
        (view,) = draw(number, 1)
        tried += 1
        if _facing(renderer, sticker, view) >= LEAST_FACING:
            tried = 0
            yield view
        elif tried >= MOST_TRIED:
            got = f"0 of {MOST_TRIED} views"
            raise RigError("no view of the scene shows the patch", where="--at", got=got, hint="another place or views")


def _facing(renderer: Renderer, sticker: Sticker, view: View) -> float:
    way = renderer.world_from_camera(view)[:3, 3] - sticker.place.point_m
    return float(way @ sticker.place.normal / np.linalg.norm(way))


class FacingWindow(PoseWindow):
    """A PoseWindow over the views that face the patch: the k-th of them, whatever their numbers."""

    def __init__(self, config: SceneConfig, renderer: Renderer, sticker: Sticker, seed: int, size: int, reuse: float):
        super().__init__(config, renderer, seed, "attack", size, reuse)
        self._coming = facing_views(renderer, sticker, self._draw)
        self._found: list[View] = []
        self._draw = self._kth

    def _kth(self, start: int, n: int) -> list[View]:
        while len(self._found) < start + n:
            self._found.append(next(self._coming))
        return self._found[start : start + n]


def first_facing(renderer: Renderer, sticker: Sticker, n: int, seed: int, split: str) -> list[View]:
    coming = facing_views(
        renderer, sticker, lambda start, m: draw_views(renderer.scene.config, m, seed, split, start=start)
    )
    return [next(coming) for _ in range(n)]


def shown(renderer: Renderer, coverage_map: np.ndarray, prepared: list[PreparedView]) -> tuple[np.ndarray, np.ndarray]:
    """Share of each frame's pixels, and of its object's pixels, that show texels of a coverage map (h, w): (V,) each."""
    if not prepared:
        return np.empty(0), np.empty(0)
    coverage = torch.from_numpy(np.repeat(coverage_map[None].astype(np.float32), 3, axis=0))
    seen = MipAtlas(coverage).sample(*surface(prepared))[:, 0].numpy()
    n_object = np.array([len(one.pixels) for one in prepared])
    sums = np.bincount(np.repeat(np.arange(len(prepared)), n_object), seen, len(prepared))
    return sums / (renderer.height_px * renderer.width_px), sums / np.maximum(n_object, 1)
