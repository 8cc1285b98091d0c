"""Cells of the view sphere, of equal steps in azimuth and elevation: what a pass has covered, and where to go next.

A cell's middle is a whole multiple of the step, where a turntable stops: noise never decides between two cells there.
"""

from dataclasses import dataclass

from rig.capture.record import Row

STEP_DEG = 15.0

Cell = tuple[int, int]  # steps of azimuth from 0 (0 to 345 degrees by 15), steps of elevation from the horizon


@dataclass(frozen=True)
class Grid:
    """`step_deg` divides 90."""

    step_deg: float = STEP_DEG

    @property
    def cells(self) -> list[Cell]:
        bands = round(90 / self.step_deg)
        return [(column, band) for band in range(-bands, bands + 1) for column in range(self._columns)]

    @property
    def _columns(self) -> int:
        return round(360 / self.step_deg)

    def cell(self, azimuth_deg: float, elevation_deg: float) -> Cell:
        return round(azimuth_deg / self.step_deg) % self._columns, round(elevation_deg / self.step_deg)

    def bounds_deg(self, cell: Cell) -> tuple[float, float, float, float]:
        """Azimuth from and to, elevation from and to."""
        half_deg = self.step_deg / 2
        azimuth_deg, elevation_deg = cell[0] * self.step_deg, cell[1] * self.step_deg
        low_deg, high_deg = max(elevation_deg - half_deg, -90), min(elevation_deg + half_deg, 90)
        return azimuth_deg - half_deg, azimuth_deg + half_deg, low_deg, high_deg

    def covered(self, rows: list[Row]) -> dict[Cell, list[int]]:
        """Frame numbers by the cell that they were taken in."""
        found: dict[Cell, list[int]] = {}
        for row in rows:
            if row.pose is not None:
                found.setdefault(self.cell(row.pose.azimuth_deg, row.pose.elevation_deg), []).append(row.frame)
        return found
