"""The view sphere as SVG: which cells a pass covers, which of them fooled a model, where the camera is now."""

import math
from dataclasses import dataclass

from rig.capture.cells import Cell, Grid

RADIUS = 100.0


@dataclass(frozen=True)
class SphereState:
    """What the diagram shows; equal states look the same."""

    covered: tuple[Cell, ...]
    judged: tuple[Cell, ...]  # covered cells whose frames a model has seen
    fooled: tuple[Cell, ...]
    place: tuple[float, float] | None  # azimuth and elevation of the camera


def draw(grid: Grid, state: SphereState) -> str:
    """The hemisphere that the object is seen from, both where frames of both were taken. Azimuth 0 is to the right."""
    below = state.place is not None and state.place[1] < 0
    with_below = below or any(band < 0 for _, band in state.covered)
    with_above = not below or any(band >= 0 for _, band in state.covered)
    discs = [_disc(grid, state, side) for side, shown in (("above", with_above), ("below", with_below)) if shown]
    return f'<div class="discs">{"".join(discs)}</div>'


def _disc(grid: Grid, state: SphereState, side: str) -> str:
    mine = [cell for cell in grid.cells if (cell[1] < 0) == (side == "below")]
    cells = [_sector(grid, cell, _kind(state, cell)) for cell in mine]
    ticks = "".join(_tick(azimuth_deg) for azimuth_deg in (0, 90, 180, -90))
    here = _here(grid, state.place, side)
    name = f"Cells of the view sphere, seen from {side}"
    return (
        f'<figure><svg viewBox="-128 -120 256 240" role="img" aria-label="{name}">{"".join(cells)}{ticks}{here}</svg>'
        f"<figcaption>from {side}</figcaption></figure>"
    )


def _kind(state: SphereState, cell: Cell) -> str:
    if cell in state.fooled:
        return "fooled"
    if cell in state.judged:
        return "right"
    return "taken" if cell in state.covered else "empty"


def _sector(grid: Grid, cell: Cell, kind: str) -> str:
    from_deg, to_deg, low_deg, high_deg = grid.bounds_deg(cell)
    below = cell[1] < 0
    inner, outer = sorted((_radius(grid, low_deg, below), _radius(grid, high_deg, below)))
    corners = [_at(outer, from_deg), _at(outer, to_deg), _at(inner, to_deg), _at(inner, from_deg)]
    (ax, ay), (bx, by), (cx, cy), (dx, dy) = corners
    path = (
        f"M{ax:.1f} {ay:.1f}A{outer:.1f} {outer:.1f} 0 0 0 {bx:.1f} {by:.1f}"
        f"L{cx:.1f} {cy:.1f}A{inner:.1f} {inner:.1f} 0 0 1 {dx:.1f} {dy:.1f}Z"
    )
    middle = _at((inner + outer) / 2, (from_deg + to_deg) / 2)
    mark = f'<path class="cross" d="{_cross(*middle)}"/>' if kind == "fooled" else ""
    words = f"azimuth {from_deg:g} to {to_deg:g}, elevation {low_deg:g} to {high_deg:g}: {WORDS[kind]}"
    return f'<path class="cell {kind}" d="{path}"><title>{words}</title></path>{mark}'


WORDS = {"empty": "no frame", "taken": "taken", "right": "taken, right", "fooled": "taken, not right"}


def _cross(x: float, y: float, arm: float = 2.6) -> str:
    return f"M{x - arm:.1f} {y - arm:.1f}l{2 * arm} {2 * arm}M{x - arm:.1f} {y + arm:.1f}l{2 * arm} {-2 * arm}"


def _tick(azimuth_deg: float) -> str:
    x, y = _at(RADIUS + 13, azimuth_deg)
    return f'<text x="{x:.0f}" y="{y:.0f}">{azimuth_deg:g}°</text>'


def _here(grid: Grid, place: tuple[float, float] | None, side: str) -> str:
    if place is None or (place[1] < 0) != (side == "below"):
        return ""
    x, y = _at(_radius(grid, place[1], side == "below"), place[0])
    return f'<line class="sight" x1="0" y1="0" x2="{x:.1f}" y2="{y:.1f}"/><circle class="here" cx="{x:.1f}" cy="{y:.1f}" r="6"/>'


def _radius(grid: Grid, elevation_deg: float, below: bool) -> float:
    """The pole in the middle; the outermost band reaches half a step beyond the horizon."""
    from_pole_deg = 90 + elevation_deg if below else 90 - elevation_deg
    return RADIUS * from_pole_deg / (90 + grid.step_deg / 2)


def _at(radius: float, azimuth_deg: float) -> tuple[float, float]:
    """Counter-clockwise from the right, as azimuth runs seen from above; SVG's y points down."""
    return radius * math.cos(math.radians(azimuth_deg)), -radius * math.sin(math.radians(azimuth_deg))
