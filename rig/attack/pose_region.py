"""How far a failure reaches: distinct failures, draws from growing neighbourhoods, and regions linked by failing paths."""

from collections.abc import Callable

import numpy as np

from rig.attack.pose_space import PoseSpace
from rig.contracts import View
from rig.geometry import direction, orbit_camera
from rig.views import Dimension

DISTINCT = 0.2  # root mean square over the searched dimensions, as a share of each one's range
NEAREST = 6  # points that each one is tried to be linked with
PATH = (4, 2, 6, 1, 3, 5, 7)  # eighths of the way between two failures, in the order asked


def distinct(space: PoseSpace, rows: np.ndarray, margins: np.ndarray) -> list[int]:
    """Of failures (N, D) the deepest, then the deepest of those that lie further than DISTINCT from it, and so on."""
    left, chosen = list(np.argsort(margins, kind="stable")), []
    while left:
        chosen.append(int(left[0]))
        left = [i for i in left if space.apart(rows[i], rows[chosen[-1]]) > DISTINCT]
    return chosen


def turns(space: PoseSpace) -> bool:
    """Whether the scene lets the camera's direction vary."""
    return bool({"azimuth_deg", "elevation_deg"} & _free(space))


def _free(space: PoseSpace) -> set[str]:
    return {one.name for one, varied in zip(space.dimensions, space.varied, strict=True) if varied}


def draw_within(space: PoseSpace, view: View, radius_deg: float, n: int, seed: int) -> list[dict]:
    """Values of n views whose direction is drawn from the declared distribution within `radius_deg` of the view's.

    Everything else stays as it was. Where the scene leaves roll free the camera turns no further than by that angle (as
    `rig.sweep.neighbours` does); where roll is fixed it stays.
    """
    generator = np.random.default_rng(seed)
    centre = direction(view.values["azimuth_deg"], view.values["elevation_deg"])
    azimuths, elevations = _window(space, view, radius_deg)
    start, turning = space.dimensions[_place(space, "azimuth_deg")].low, space.wraps[_place(space, "azimuth_deg")]
    found: list[dict] = []
    while len(found) < n:
        azimuth_deg, elevation_deg = azimuths.at(generator.random()), elevations.at(generator.random())
        if np.dot(direction(azimuth_deg, elevation_deg), centre) < np.cos(np.radians(radius_deg)) - 1e-12:
            continue
        if turning:
            azimuth_deg = start + (azimuth_deg - start) % 360
        moved = {"azimuth_deg": azimuth_deg, "elevation_deg": elevation_deg}
        if space.wraps[_place(space, "roll_deg")]:
            moved["roll_deg"] = carried_roll_deg(view, azimuth_deg, elevation_deg)
        found.append({**view.values, **moved})
    return found


def _place(space: PoseSpace, name: str) -> int:
    return [one.name for one in space.dimensions].index(name)


def _window(space: PoseSpace, view: View, radius_deg: float) -> tuple[Dimension, Dimension]:
    """The smallest ranges of azimuth and elevation that hold every declared direction within the radius."""
    azimuth, elevation = (space.dimensions[_place(space, name)] for name in ("azimuth_deg", "elevation_deg"))
    at_azimuth, at_elevation = view.values["azimuth_deg"], view.values["elevation_deg"]
    low, high = max(elevation.low, at_elevation - radius_deg), min(elevation.high, at_elevation + radius_deg)
    at_pole = abs(at_elevation) + radius_deg >= 90
    width = (
        180.0 if at_pole else np.degrees(np.arcsin(np.sin(np.radians(radius_deg)) / np.cos(np.radians(at_elevation))))
    )
    left, right = at_azimuth - width, at_azimuth + width
    if not space.wraps[_place(space, "azimuth_deg")]:
        left, right = max(azimuth.low, left), min(azimuth.high, right)
    return Dimension("azimuth_deg", left, right), Dimension("elevation_deg", low, high, spherical=True)


def carried_roll_deg(view: View, azimuth_deg: float, elevation_deg: float) -> float:
    """The roll of the view's camera after the shortest turn that brings it to another direction."""
    angles = tuple(view.values[name] for name in ("azimuth_deg", "elevation_deg", "roll_deg"))
    right, _, forward = orbit_camera(*angles, 1.0)[:3, :3].T
    onto = -direction(azimuth_deg, elevation_deg)
    # the rotation that takes one unit vector onto another (Rodrigues), applied to the camera's right
    axis, cosine = np.cross(forward, onto), float(forward @ onto)
    turned = right + np.cross(axis, right) + np.cross(axis, np.cross(axis, right)) / (1.0 + cosine)
    level_right, level_down, _ = orbit_camera(azimuth_deg, elevation_deg, 0.0, 1.0)[:3, :3].T
    return float(np.degrees(np.arctan2(turned @ level_down, turned @ level_right)))


def linked(space: PoseSpace, rows: np.ndarray, fails: Callable[[int, np.ndarray], bool]) -> np.ndarray:
    """(N,) the region that each failure (N, D) belongs to: two are one region where the straight way between them fails.

    `fails(i, row)` is asked at seven places of a way, the view otherwise as failure i; a way counts when all fail. Each
    failure is tried with its NEAREST others, nearest first. A gap narrower than an eighth of a way can be overlooked, a
    connection by curved ways only can be missed.
    """
    region = np.arange(len(rows))
    for i, j in _pairs(space, rows):
        if region[i] == region[j]:
            continue
        step = space.step(rows[i], rows[j])
        if all(fails(i, space.folded(rows[i] + eighths / 8 * step)) for eighths in PATH):
            region[region == region[j]] = region[i]
    return region


def _pairs(space: PoseSpace, rows: np.ndarray) -> list[tuple[int, int]]:
    """Each row with its nearest others over all dimensions that vary, the closest pairs first."""
    found = {}
    for i, row in enumerate(rows):
        ways = np.linalg.norm(space.step(row, rows), axis=1)
        for j in np.argsort(ways, kind="stable")[: NEAREST + 1].tolist():
            if i != j:
                found[min(i, j), max(i, j)] = float(ways[j])
    return sorted(found, key=lambda pair: (found[pair], pair))
