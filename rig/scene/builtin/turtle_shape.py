"""The sea turtle's body: a shell, and limbs lofted through stations. +x ahead, +y left, +z up; any scale.

Every part has an upper and a lower surface over the unit square. Shell: s runs ahead, t to the left. Limbs: s runs
from the root to the tip, t across from the right edge to the left one; the lower surface's t runs the other way, so
that both face outwards.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.interpolate import PchipInterpolator

SHELL_LENGTH, SHELL_WIDTH = 0.66, 0.56  # half of each
DOME, BELLY = 0.36, 0.17  # height above the rim, depth below it


def disc(s: np.ndarray, t: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The unit square as the unit disc (elliptical map), each in [-1, 1]."""
    u, v = 2 * s - 1, 2 * t - 1
    return u * np.sqrt(1 - v**2 / 2), v * np.sqrt(1 - u**2 / 2)


def carapace(s: np.ndarray, t: np.ndarray) -> np.ndarray:
    p, q = disc(s, t)
    inside = np.clip(1 - p**2 - q**2, 0, 1)
    dome = DOME * inside**0.62 * (1 + 0.10 * p)
    keel = 0.035 * np.exp(-((q / 0.09) ** 2)) * inside
    return np.stack([*_outline(p, q), dome + keel], axis=-1)


def plastron(s: np.ndarray, t: np.ndarray) -> np.ndarray:
    p, q = disc(s, 1 - t)
    inside = np.clip(1 - p**2 - q**2, 0, 1)
    return np.stack([*_outline(p, q), -BELLY * inside**0.5], axis=-1)


def _outline(p, q):
    """A teardrop seen from above: broad shoulders, a narrow tail end, a notch for the neck."""
    rim = p**2 + q**2
    behind = np.clip(-p, 0, 1)
    x = SHELL_LENGTH * (p - 0.10 * behind**4 * rim - 0.06 * np.clip(p, 0, 1) ** 6)
    y = SHELL_WIDTH * q * (1 + 0.10 * p - 0.28 * behind**2.5)
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


#                    x      y      z   half width  up    down  pitch
HEAD = np.array(
    [
        [0.40, 0.00, 0.030, 0.150, 0.130, 0.120, 0],
        [0.64, 0.00, 0.050, 0.125, 0.110, 0.105, 0],
        [0.78, 0.00, 0.075, 0.150, 0.130, 0.105, 0],
        [0.90, 0.00, 0.085, 0.155, 0.135, 0.105, 0],
        [1.00, 0.00, 0.075, 0.115, 0.105, 0.090, 0],
        [1.07, 0.00, 0.045, 0.065, 0.085, 0.060, 0],
        [1.09, 0.00, 0.020, 0.045, 0.070, 0.045, 0],
    ]
)
FRONT_FLIPPER = np.array(
    [
        [0.36, 0.34, -0.030, 0.120, 0.060, 0.060, 0],
        [0.46, 0.54, -0.060, 0.125, 0.055, 0.050, -8],
        [0.44, 0.73, -0.110, 0.145, 0.042, 0.036, -16],
        [0.30, 0.90, -0.170, 0.140, 0.032, 0.026, -20],
        [0.08, 1.03, -0.225, 0.115, 0.024, 0.020, -20],
        [-0.16, 1.08, -0.260, 0.080, 0.018, 0.014, -18],
        [-0.34, 1.07, -0.270, 0.055, 0.012, 0.010, -15],
    ]
)
REAR_FLIPPER = np.array(
    [
        [-0.42, 0.22, -0.040, 0.100, 0.050, 0.050, 0],
        [-0.60, 0.34, -0.070, 0.100, 0.042, 0.040, -6],
        [-0.76, 0.43, -0.110, 0.130, 0.032, 0.028, -12],
        [-0.90, 0.49, -0.150, 0.125, 0.022, 0.018, -16],
        [-1.02, 0.52, -0.180, 0.090, 0.014, 0.012, -16],
    ]
)
TAIL = np.array(
    [
        [-0.50, 0.00, -0.060, 0.075, 0.060, 0.060, 0],
        [-0.72, 0.00, -0.060, 0.055, 0.040, 0.040, 0],
        [-0.90, 0.00, -0.080, 0.022, 0.018, 0.018, 0],
    ]
)
