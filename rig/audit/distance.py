"""Delta-E of 8-bit textures over the object's pixels at stored views, with how sure the mean is over views."""

from dataclasses import dataclass

import numpy as np
import polars as pl

from rig.attack.distance import DeltaE
from rig.contracts import View
from rig.render import Renderer
from rig.scene import Scene

MOST_VIEWS = 50
SURE = 3.0  # standard errors: one false alarm in 700 runs


@dataclass(frozen=True)
class Distance:
    """`se` is the standard error of the mean over pixels when whole views are drawn anew."""

    mean: float
    se: float
    n_views: int

    def is_over(self, budget: float, n_held: int) -> bool:
        """Surely: by more than SURE standard errors, where the budget was held on a sample, too, of `n_held` views."""
        return self.mean - SURE * self.se * (1 + self.n_views / n_held) ** 0.5 > budget


def object_delta_e(scene: Scene, card: dict, textures: dict[str, np.ndarray], clean: pl.DataFrame) -> dict:
    """A Distance for each texture; `clean` are the clean rows, whose poses are used, MOST_VIEWS at even steps."""
    rows = clean.unique("view", maintain_order=True)
    rows = rows.gather_every(max(1, -(-len(rows) // MOST_VIEWS))).to_dicts()
    renderer = Renderer(scene, frame_size_px(scene, card))
    prepared = [renderer.prepare(View(row["view"], "eval", row, 0)) for row in rows]
    delta_e = DeltaE(renderer, textures["clean"], prepared)
    counts = np.array([len(one.pixels) for one in prepared])
    return {name: _mean(delta_e.of(texture).numpy(), counts) for name, texture in textures.items()}


def frame_size_px(scene: Scene, card: dict) -> tuple[int, int]:
    """(height, width) of the frames that a model with this card was shown."""
    size_px = scene.config.sensor.size_px
    own = card["input"]["height_px"], card["input"]["width_px"]
    return own if size_px == "model" else (size_px, size_px)


def _mean(values: np.ndarray, counts: np.ndarray) -> Distance:
    """A ratio of sums over views: Cochran 1977, section 6.4."""
    owner = np.repeat(np.arange(len(counts)), counts)
    sums = np.bincount(owner, values.astype(float), len(counts))
    n, ratio = len(counts), float(sums.sum() / counts.sum())
    spread = np.sqrt(np.square(sums - ratio * counts).sum() * n / max(1, n - 1)) / counts.sum()
    return Distance(ratio, float(spread), n)
