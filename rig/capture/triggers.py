"""When a frame is taken without being asked for."""

from collections.abc import Collection
from typing import Protocol

from rig.capture.cells import Cell, Grid
from rig.capture.sight import Sight


class Trigger(Protocol):
    name: str

    def wants(self, sight: Sight, covered: Collection[Cell]) -> bool:
        """Whether to take this frame; `covered` are the cells that the pass has."""


class OnKey:
    """Never: the page's button and the space bar ask."""

    name = "key"

    def wants(self, sight: Sight, covered: Collection[Cell]) -> bool:
        return False


class Continuous:
    """Every n-th good frame."""

    name = "continuous"

    def __init__(self, every: int):
        self._every, self._n_good = every, 0

    def wants(self, sight: Sight, covered: Collection[Cell]) -> bool:
        if not sight.is_good:
            return False
        self._n_good += 1
        return (self._n_good - 1) % self._every == 0


class Turntable:
    """A good frame of a board at rest, in a cell that the pass does not have."""

    name = "turntable"

    def __init__(self, grid: Grid):
        self._grid = grid

    def wants(self, sight: Sight, covered: Collection[Cell]) -> bool:
        if not (sight.is_good and sight.is_still):
            return False
        return self._grid.cell(sight.angles.azimuth_deg, sight.angles.elevation_deg) not in covered
