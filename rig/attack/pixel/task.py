"""One thing to search for: an image, what it shall be taken for, how many pixels may change."""

from dataclasses import dataclass

import numpy as np

from rig.attack.goal import Goal
from rig.attack.pixel.change import PixelChange
from rig.attack.pixel.space import Space
from rig.errors import RigError


@dataclass(frozen=True, eq=False)
class Task:
    """`image` (H, W, 3) uint8; `name` names it in its run; `start` is the best that fewer pixels found, if any."""

    name: str
    image: np.ndarray
    goal: Goal
    n_pixels: int
    start: PixelChange | None = None

    def __post_init__(self):
        height, width = self.image.shape[:2]
        if not 1 <= self.n_pixels <= height * width:
            got = f"{self.n_pixels} pixels"
            raise RigError("no such number of pixels", got=got, expected=f"1 to {height * width} ({width} x {height})")
        if self.start is not None and len(self.start) > self.n_pixels:
            raise RigError("a start with more pixels than may change", got=len(self.start), expected=self.n_pixels)

    @property
    def space(self) -> Space:
        return Space(*self.image.shape[:2], self.n_pixels)

    def started(self) -> np.ndarray:
        """(K, 5): the start, its last pixel repeated until there are K; that sets no other pixel."""
        missing = self.n_pixels - len(self.start)
        return np.concatenate([self.start.pixels, np.repeat(self.start.pixels[-1:], missing, axis=0)])
