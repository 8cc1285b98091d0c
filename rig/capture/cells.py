"""Cells of the view sphere, of equal steps in azimuth and elevation: what a pass has covered, and where to go next."""

from dataclasses import dataclass

from rig.capture.record import Row

STEP_DEG = 15.0

Cell = tuple[int, int]  # column by azimuth, from -180; band by elevation, from -90


@dataclass(frozen=True)
class Grid:
    """`step_deg` divides 90."""

    step_deg: float = STEP_DEG

    def cell(self, azimuth_deg: float, elevation_deg: float) -> Cell:
        columns, bands = round(360 / self.step_deg), round(180 / self.step_deg)
        column = int((azimuth_deg + 180) % 360 // self.step_deg) % columns
        return column, min(int((elevation_deg + 90) // self.step_deg), bands - 1)

    def bounds_deg(self, cell: Cell) -> tuple[float, float, float, float]:
        """Azimuth from and to, elevation from and to."""
        azimuth_deg, elevation_deg = cell[0] * self.step_deg - 180, cell[1] * self.step_deg - 90
        return azimuth_deg, azimuth_deg + self.step_deg, elevation_deg, elevation_deg + self.step_deg

    def covered(self, rows: list[Row]) -> dict[Cell, list[int]]:
        """Frame numbers by the cell that they were taken in."""
        found: dict[Cell, list[int]] = {}
        for row in rows:
            if row.pose is not None:
                found.setdefault(self.cell(row.pose.azimuth_deg, row.pose.elevation_deg), []).append(row.frame)
        return found
