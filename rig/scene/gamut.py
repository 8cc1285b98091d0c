"""The colours that a printer can give, and which of a texture's it cannot: no printable colour lies near them.

Colours are compared relative to paper white, as an eye adapts to it.
"""

import itertools
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from scipy.spatial import cKDTree

from rig.color import lab
from rig.images import linear_to_srgb, srgb_to_linear
from rig.scene.response import ColorResponse

TOLERANCE_DELTA_E = 3.0
LEVELS = 41  # of each channel, at which a printer's colours are sampled
# Solid inks on coated paper in sRGB linear light, in the order of the colour cube's corners from black to white:
# CIELAB (16 0 0), (24 17 -46), (50 -68 25), (55 -37 -50), (47 68 48), (48 74 -3), (89 -5 93), (95 0 -2) of offset
# printing, ISO 12647-2:2004/Amd 1, paper types 1 and 2 on white; negative light is outside sRGB.
COATED_OFFSET = np.array(
    [
        [0.021, 0.021, 0.021],
        [0.001, 0.035, 0.213],
        [-0.081, 0.275, 0.067],
        [-0.220, 0.316, 0.699],
        [0.703, 0.013, 0.016],
        [0.698, 0.008, 0.193],
        [1.023, 0.734, -0.015],
        [0.861, 0.877, 0.908],
    ]
)


@dataclass(frozen=True)
class Gamut:
    """Colours that a printer can give, in CIELAB relative to its paper (N, 3), and the same in sRGB."""

    name: str
    lab: np.ndarray
    srgb: np.ndarray

    def nearest(self, texture: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The nearest printable colours (H, W, 3) uint8 of a texture, and how far it is from any (H, W), in Delta-E."""
        colors, place = _colors_of(texture)
        at = _lab_of(colors)
        distance = self._tree.query(at)[0]
        return self._nearest_held(at)[place].reshape(texture.shape), distance[place].reshape(texture.shape[:2])

    def outside(self, texture: np.ndarray) -> np.ndarray:
        """(H, W) bool: no printable colour lies within TOLERANCE_DELTA_E."""
        colors, place = _colors_of(texture)
        return self._is_outside(_lab_of(colors))[place].reshape(texture.shape[:2])

    def within(self, texture: np.ndarray) -> np.ndarray:
        """A texture (H, W, 3) uint8 with the nearest printable colours in the place of those outside."""
        colors, place = _colors_of(texture)
        at = _lab_of(colors)
        outside = self._is_outside(at)
        colors[outside] = self._nearest_held(at[outside])
        return colors[place].reshape(texture.shape)

    def _is_outside(self, at: np.ndarray) -> np.ndarray:
        return np.isinf(self._tree.query(at, distance_upper_bound=TOLERANCE_DELTA_E)[0])

    def _nearest_held(self, at: np.ndarray) -> np.ndarray:
        tree, colors = self._held
        return colors[tree.query(at)[1]]

    @cached_property
    def _tree(self) -> cKDTree:
        return cKDTree(self.lab)

    @cached_property
    def _held(self) -> tuple[cKDTree, np.ndarray]:
        """Of the printable colours that an 8-bit sRGB file holds: clipped, the others may be unprintable."""
        held = (np.abs(self.srgb - 0.5) <= 0.5 + 0.5 / 255).all(axis=1)
        return cKDTree(self.lab[held]), np.rint(255 * np.clip(self.srgb[held], 0, 1)).astype(np.uint8)


def _colors_of(texture: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The distinct colours (N, 3) uint8 of a texture, and for each of its texels which of them it has."""
    packed = texture.reshape(-1, 3).astype(np.int32) @ np.array([65536, 256, 1], np.int32)
    values, place = np.unique(packed, return_inverse=True)
    return np.stack([values >> 16, values >> 8, values], axis=1).astype(np.uint8), place.ravel()


def _lab_of(colors: np.ndarray) -> np.ndarray:
    return lab(torch.from_numpy(colors / 255)).numpy()


def gamut_of(response: ColorResponse | None) -> Gamut:
    """Of a measured response, or of offset printing on coated paper."""
    levels = np.linspace(0, 1, LEVELS)
    sent = np.stack(np.meshgrid(levels, levels, levels, indexing="ij"), axis=-1).reshape(-1, 3)
    if response is None:
        return _gamut("coated paper, offset (ISO 12647-2)", _mixed(sent))
    seen = response(torch.from_numpy(sent)).clamp(0, 1)
    return _gamut("the measured colour response", srgb_to_linear(seen).numpy())


def _mixed(sent: np.ndarray) -> np.ndarray:
    """(N, 3) linear light of dots of solid ink side by side (Neugebauer); black ink where all three are."""
    mixed = np.zeros_like(sent)
    for bits, corner in zip(itertools.product((0, 1), repeat=3), COATED_OFFSET, strict=True):
        mixed += np.prod(np.where(bits, sent, 1 - sent), axis=1)[:, None] * corner
    return mixed


def _gamut(name: str, linear: np.ndarray) -> Gamut:
    srgb = linear_to_srgb(torch.from_numpy(linear / linear[-1]))  # the last one sent is bare paper
    return Gamut(name, lab(srgb).numpy(), srgb.numpy())
