"""What a viewpoint search may turn: some of a scene's declared dimensions, as a unit cube in which volume is probability."""

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from rig.contracts import POSE_DIMENSIONS, View
from rig.errors import RigError
from rig.scene import SceneConfig
from rig.views import Dimension, dimensions_of

LIGHT = "light_"
ALL = "all"
TURNING = ("azimuth_deg", "roll_deg", "yaw_deg")  # ends of names whose ends meet after a whole turn


@dataclass(frozen=True)
class PoseSpace:
    """All dimensions of a scene, D of them, and the d that a search may move. Rows are coordinates in the unit cube."""

    dimensions: tuple[Dimension, ...]
    over: tuple[str, ...]

    @cached_property
    def moved(self) -> np.ndarray:
        """(d,) places of the searched dimensions among all."""
        names = [dimension.name for dimension in self.dimensions]
        return np.array([names.index(name) for name in self.over])

    @cached_property
    def varied(self) -> np.ndarray:
        """(D,) bool: those that are not fixed."""
        return np.array([one.high > one.low for one in self.dimensions])

    @cached_property
    def wraps(self) -> np.ndarray:
        """(D,) bool: whole turns."""
        return np.array([_is_turn(one) for one in self.dimensions])

    def folded(self, rows: np.ndarray) -> np.ndarray:
        """(N, D) any coordinates into the cube: turns go on, all else is mirrored at its ends, so nothing jumps."""
        return np.where(self.wraps, rows % 1.0, 1.0 - np.abs(1.0 - rows % 2.0))

    def placed(self, rest: np.ndarray, moved: np.ndarray) -> np.ndarray:
        """(N, D): rows `rest` (N, D) with the searched dimensions as in `moved` (N, d), folded."""
        rows = np.array(rest, float)
        rows[:, self.moved] = moved
        return self.folded(rows)

    def view(self, row: np.ndarray, name: str, split: str, seed: int) -> View:
        values = {one.name: one.at(float(unit)) for one, unit in zip(self.dimensions, row, strict=True)}
        return View(name, split, values, seed)

    def step(self, start: np.ndarray, end: np.ndarray) -> np.ndarray:
        """The shortest way from one row to another, round the turn where that is nearer; 0 along what is fixed."""
        way = np.asarray(end, float) - start
        way = np.where(self.wraps, (way + 0.5) % 1.0 - 0.5, way)
        return np.where(self.varied, way, 0.0)

    def apart(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        """Root mean square over the searched dimensions of the way between rows: about 0.3 to 0.4 for random pairs."""
        return np.sqrt(np.mean(self.step(a, b)[..., self.moved] ** 2, axis=-1))


def pose_space(config: SceneConfig, over: Sequence[str] = ()) -> PoseSpace:
    """`over`: names, or "all"; without any, pose and light as far as the scene lets them vary. Raises RigError."""
    dimensions = dimensions_of(config)
    free = [one.name for one in dimensions if one.high > one.low]
    if tuple(over) == (ALL,):
        chosen = free
    else:
        chosen = list(dict.fromkeys(over)) or [
            name for name in free if name in POSE_DIMENSIONS or name.startswith(LIGHT)
        ]
    _require(chosen, free, [one.name for one in dimensions], config.name)
    return PoseSpace(dimensions, tuple(chosen))


def _require(chosen: list[str], free: list[str], known: list[str], scene: str) -> None:
    there = f"some of {', '.join(free)}"
    for name in chosen:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
            raise RigError(
                "unknown dimension", where="--over", got=name, hint=f'did you mean "{near[0]}"?' if near else there
            )
        if name not in free:
            hint = f"give it a range in the scene or leave it out; {there}" if free else "nothing varies in this scene"
            raise RigError(f"scene {scene} fixes this dimension", where="--over", got=name, hint=hint)
    if not chosen:
        hint = "give the scene ranges of pose or light, or --over all" if free else "give the scene ranges"
        raise RigError(f"neither pose nor light varies in scene {scene}", where="--over", hint=hint)


def _is_turn(dimension: Dimension) -> bool:
    span = dimension.high - dimension.low
    return dimension.name.endswith(TURNING) and span > 0 and span % 360 == 0
