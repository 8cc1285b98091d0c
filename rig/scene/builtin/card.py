"""A blank square card: what a patch is printed on that may be anywhere in a photograph."""

import numpy as np

from rig.contracts import Mesh
from rig.scene.builtin.charts import Chart, build
from rig.scene.builtin.pattern import noise

CELLS = 16  # quads along a side
GREY, GRAIN = 0.5, 0.02


def card() -> Mesh:
    """A sheet that faces azimuth 0, elevation 0; its back is not drawn."""
    return build([Chart(sheet, paper, (CELLS, CELLS))])


def sheet(s: np.ndarray, t: np.ndarray) -> np.ndarray:
    return np.stack([np.zeros_like(s), s - 0.5, t - 0.5], axis=-1)


def paper(s: np.ndarray, t: np.ndarray, points: np.ndarray) -> np.ndarray:
    return np.repeat(GREY + GRAIN * noise(points, 0.03, seed=0)[..., None], 3, axis=-1)
