"""The sea turtle's body: a shell, and limbs lofted through stations. +x ahead, +y left, +z up; any scale.

Every part has an upper and a lower surface over the unit square. Shell: s runs ahead, t to the left. Limbs: s runs
from the root to the tip, t across from the right edge to the left one; the lower surface's t runs the other way, so
that both face outwards.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.interpolate import PchipInterpolator

SHELL_LENGTH, SHELL_WIDTH = 0.68, 0.63  # half of each
DOME, BELLY = 0.39, 0.20  # height above the rim, depth below it
UNDER_RIM = 0.88  # the belly proper lies inside this fraction of the radius


def disc(s: np.ndarray, t: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The unit square as the unit disc (elliptical map), each in [-1, 1]."""
    u, v = 2 * s - 1, 2 * t - 1
    return u * np.sqrt(1 - v**2 / 2), v * np.sqrt(1 - u**2 / 2)


def carapace(s: np.ndarray, t: np.ndarray) -> np.ndarray:
    p, q = disc(s, t)
    inside = np.clip(1 - p**2 - q**2, 0, 1)
    dome = DOME * inside**0.85 * (1 + 0.10 * p)
    keel = 0.035 * np.exp(-((q / 0.09) ** 2)) * inside
    return np.stack([*_outline(p, q), dome + keel], axis=-1)


def plastron(s: np.ndarray, t: np.ndarray) -> np.ndarray:
    """The belly, and around it the flat underside of the rim."""
    p, q = disc(s, 1 - t)
    inwards = np.clip(1 - (p**2 + q**2) / UNDER_RIM**2, 0, 1)
    keels = 0.02 * np.exp(-(((np.abs(q) - 0.40) / 0.12) ** 2)) * inwards
    lip = 0.03 * np.clip(1 - p**2 - q**2, 0, 1) ** 0.5
    return np.stack([*_outline(p, q), -BELLY * inwards**0.55 - lip - keels], axis=-1)


def _outline(p, q):
    """A teardrop seen from above: broad shoulders, a narrow tail end, a notch for the neck."""
    rim = p**2 + q**2
    behind = np.clip(-p, 0, 1)
    x = SHELL_LENGTH * (p - 0.10 * behind**4 * rim - 0.06 * np.clip(p, 0, 1) ** 6)
    y = SHELL_WIDTH * q * (1 + 0.10 * p - 0.20 * behind**2.5)
    return x, y


@dataclass(frozen=True)
class Limb:
    """A body lofted along a spine.

    stations (N, 7): spine x, y, z; half width; height above and below the spine; pitch in degrees (turns the cross-
    section about the spine; positive lifts the left edge). blunt: how abruptly the tip closes. side: 1 left, -1 right
    (mirrored).
    """

    stations: np.ndarray
    blunt: float
    side: int = 1

    @cached_property
    def _profile(self) -> PchipInterpolator:
        steps = np.linalg.norm(np.diff(self.stations[:, :3], axis=0), axis=1)
        return PchipInterpolator(np.concatenate([[0], np.cumsum(steps)]) / steps.sum(), self.stations)

    def upper(self, s: np.ndarray, t: np.ndarray) -> np.ndarray:
        return self._surface(s, t if self.side > 0 else 1 - t, above=True)

    def lower(self, s: np.ndarray, t: np.ndarray) -> np.ndarray:
        return self._surface(s, 1 - t if self.side > 0 else t, above=False)

    def _surface(self, s, t, above) -> np.ndarray:
        station = self._profile(s)
        leftwards, upwards = self._frame(s, station[..., 6])
        closing = np.sqrt(np.clip((1 - s**self.blunt) * (1 - (1 - s) ** 40), 0, 1))[..., None]
        round_the_section = (t - 0.5) * np.pi
        across = np.sin(round_the_section)[..., None] * station[..., 3, None]
        height = station[..., 4, None] if above else -station[..., 5, None]
        rise = np.cos(round_the_section)[..., None] * height
        points = station[..., :3] + closing * (across * leftwards + rise * upwards)
        return points * [1, self.side, 1]

    def _frame(self, s, pitch_deg):
        """Unit vectors (..., 3) to the left of the spine and away from its underside."""
        ahead = _unit(self._profile(s, nu=1)[..., :3])
        left = _unit(np.cross([0.0, 0, 1], ahead))
        up = np.cross(ahead, left)
        cosine, sine = np.cos(np.radians(pitch_deg))[..., None], np.sin(np.radians(pitch_deg))[..., None]
        return cosine * left + sine * up, cosine * up - sine * left


def _unit(vectors):
    return vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-12)


#     x      y      z   half width  up    down  pitch
HEAD = np.array(
    [
        [0.40, 0.00, 0.040, 0.180, 0.150, 0.130, 0],
        [0.62, 0.00, 0.060, 0.140, 0.125, 0.110, 0],
        [0.74, 0.00, 0.085, 0.165, 0.150, 0.120, 0],
        [0.85, 0.00, 0.095, 0.175, 0.160, 0.125, 0],
        [0.95, 0.00, 0.080, 0.140, 0.135, 0.115, 0],
        [1.03, 0.00, 0.040, 0.085, 0.110, 0.080, 0],
        [1.07, 0.00, 0.005, 0.055, 0.090, 0.055, 0],
    ]
)
FRONT_FLIPPER = np.array(  # on the downstroke, its leading edge lowered
    [
        [0.34, 0.32, -0.030, 0.120, 0.085, 0.075, 0],
        [0.43, 0.50, -0.070, 0.118, 0.078, 0.066, 8],
        [0.44, 0.66, -0.135, 0.132, 0.062, 0.048, 16],
        [0.35, 0.80, -0.210, 0.142, 0.044, 0.034, 20],
        [0.17, 0.92, -0.290, 0.128, 0.032, 0.024, 20],
        [-0.02, 0.99, -0.350, 0.098, 0.022, 0.018, 18],
        [-0.20, 1.01, -0.390, 0.066, 0.014, 0.012, 15],
    ]
)
REAR_FLIPPER = np.array(
    [
        [-0.40, 0.22, -0.040, 0.105, 0.055, 0.050, 0],
        [-0.56, 0.34, -0.080, 0.105, 0.046, 0.042, -10],
        [-0.69, 0.43, -0.130, 0.130, 0.034, 0.030, -20],
        [-0.80, 0.48, -0.180, 0.125, 0.024, 0.020, -26],
        [-0.90, 0.50, -0.220, 0.095, 0.014, 0.012, -28],
    ]
)
TAIL = np.array(
    [
        [-0.48, 0.00, -0.060, 0.075, 0.060, 0.060, 0],
        [-0.66, 0.00, -0.065, 0.052, 0.040, 0.040, 0],
        [-0.78, 0.00, -0.085, 0.022, 0.018, 0.018, 0],
    ]
)
