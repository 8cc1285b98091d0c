"""From where: declared, bounded dimensions, and policies that see only the unit cube."""

import hashlib
import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.stats import qmc

from rig.contracts import View
from rig.errors import SceneError
from rig.scene.config import SceneConfig

CHANNELS = ("red", "green", "blue")


@dataclass(frozen=True)
class Dimension:
    """A named range; `spherical` is uniform in the sine (elevations of points uniform on a sphere)."""

    name: str
    low: float
    high: float
    spherical: bool = False

    def at(self, unit: float) -> float:
        """The value at `unit` in [0, 1)."""
        if self.spherical:
            low, high = math.sin(math.radians(self.low)), math.sin(math.radians(self.high))
            return math.degrees(math.asin(low + unit * (high - low)))
        return self.low + unit * (self.high - self.low)


def dimensions_of(config: SceneConfig) -> tuple[Dimension, ...]:
    """Everything a scene lets vary, fixed values included, in one order: pose first."""
    views, light, background, sensor = config.views, config.light, config.background, config.sensor
    fields = {
        "azimuth_deg": views.azimuth_deg,
        "elevation_deg": views.elevation_deg,
        "roll_deg": views.roll_deg,
        "distance_m": views.distance_m,
        "offset_x_frac": views.offset_frac,
        "offset_y_frac": views.offset_frac,
        "fov_deg": views.fov_deg,
        "light_ambient": light.ambient,
        "light_directional": light.directional,
        "light_azimuth_deg": light.azimuth_deg,
        "light_elevation_deg": light.elevation_deg,
        **_background_fields(background),
        "sensor_gain": sensor.gain,
        "sensor_offset": sensor.offset,
        "noise_std": sensor.noise_std,
        "blur_px": sensor.blur_px,
        "resolution_frac": sensor.resolution_frac,
        **({"jpeg_quality": sensor.jpeg_quality} if sensor.jpeg_quality else {}),
        **{f"print_gain_{channel}": config.print.gain for channel in CHANNELS},
        **{f"print_offset_{channel}": config.print.offset for channel in CHANNELS},
    }
    spherical = {"elevation_deg", "light_elevation_deg"}
    return tuple(Dimension(name, low, high, name in spherical) for name, (low, high) in fields.items())


def _background_fields(background) -> dict[str, tuple[float, float]]:
    if background.kind == "color":
        return {f"background_{channel}": background.color for channel in CHANNELS}
    placed = {"background_index": (0.0, float(len(background.files)))}
    if background.kind == "panorama":
        return placed | {"background_yaw_deg": (-180.0, 180.0)}
    return placed | {"background_left_frac": (0.0, 1.0), "background_top_frac": (0.0, 1.0)}


def draw_views(
    config: SceneConfig, n: int, seed: int, split: str, policy: str = "random", start: int = 0, share: float = 1.0
) -> list[View]:
    """Views `start` .. `start + n` of a split. A view depends on seed, split and its own number only.

    `share`: draw from that much of every dimension's distribution, about its median; for an attack's first steps.
    """
    if policy not in POLICIES:
        raise SceneError("unknown view policy", got=policy, expected=" or ".join(POLICIES))
    dimensions = dimensions_of(config)
    units = POLICIES[policy](len(dimensions), n, seed, split, start)
    if share < 1:
        units = 0.5 + share * (units - 0.5)
    return [_view(dimensions, row, seed, split, start + i) for i, row in enumerate(units)]


def _view(dimensions: tuple[Dimension, ...], units: np.ndarray, seed: int, split: str, number: int) -> View:
    values = {dimension.name: dimension.at(unit) for dimension, unit in zip(dimensions, units, strict=True)}
    return View(f"{split}-{number:06d}", split, values, derive_seed(seed, split, "noise", number))


def _random(n_dimensions: int, n: int, seed: int, split: str, start: int) -> np.ndarray:
    generators = (np.random.default_rng(derive_seed(seed, split, number)) for number in range(start, start + n))
    return np.stack([generator.random(n_dimensions) for generator in generators]) if n else np.empty((0, n_dimensions))


def _sobol(n_dimensions: int, n: int, seed: int, split: str, start: int) -> np.ndarray:
    sampler = qmc.Sobol(n_dimensions, rng=np.random.default_rng(derive_seed(seed, split)))
    return sampler.fast_forward(start).random(n) if start else sampler.random(n)


POLICIES: dict[str, Callable[..., np.ndarray]] = {"random": _random, "sobol": _sobol}


PLACE = r"-r(\d+)-c(\d+)-"  # round and cell in a placed view's id


def placed_ids(split: str, round_: int, cells: Sequence[int], start: int) -> list[str]:
    """Ids of a round's views, one for each entry of `cells`; numbers go on from `start` over all rounds."""
    return [f"{split}-r{round_:02d}-c{cell:04d}-{start + i:06d}" for i, cell in enumerate(cells)]


def place_of(view_id: str) -> tuple[int, int] | None:
    """Round and cell of a placed view."""
    found = re.search(PLACE, view_id)
    return None if found is None else (int(found[1]), int(found[2]))


def placed_views(config: SceneConfig, bands: int, columns: int, ids: Sequence[str], seed: int) -> list[View]:
    """The random view of each id's number, its azimuth and elevation squeezed into the cell that the id names.

    Cells are bands x columns of equal probability under the scene's distribution; cell = band x columns + column. So
    a placed view is a draw from the distribution, given the cell.
    """
    dimensions, found = dimensions_of(config), []
    at = {dimension.name: i for i, dimension in enumerate(dimensions)}
    for view_id in ids:
        split, number = view_id.partition("-")[0], int(view_id.rpartition("-")[2])
        band, column = divmod(place_of(view_id)[1], columns)
        (units,) = _random(len(dimensions), 1, seed, split, number)
        units[at["azimuth_deg"]] = (column + units[at["azimuth_deg"]]) / columns
        units[at["elevation_deg"]] = (band + units[at["elevation_deg"]]) / bands
        found.append(replace(_view(dimensions, units, seed, split, number), id=view_id))
    return found


def derive_seed(*parts: str | int) -> int:
    """A 63-bit seed from a run's seed and names, so that nothing depends on order, batching or resume."""
    digest = hashlib.sha256("\x1f".join(map(str, parts)).encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1
