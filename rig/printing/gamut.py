"""Which of a texture's colours a printer cannot give: no printable colour lies near them.

Colours are compared relative to paper white, as an eye adapts to it.
"""

import itertools
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from scipy.spatial import cKDTree

from rig.color import lab
from rig.contracts import Mesh
from rig.geometry import texels_from_uv
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
MARK = (230, 0, 60)


@dataclass(frozen=True)
class Gamut:
    """Colours that a printer can give, in CIELAB relative to its paper (N, 3), and the same in sRGB."""

    name: str
    lab: np.ndarray
    srgb: np.ndarray

    def nearest(self, texture: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The nearest printable colours (H, W, 3) uint8 of a texture, and how far they are (H, W), in Delta-E."""
        colors, place = np.unique(texture.reshape(-1, 3), axis=0, return_inverse=True)
        distance, index = cKDTree(self.lab).query(lab(torch.from_numpy(colors / 255)).numpy())
        near = np.rint(255 * np.clip(self.srgb[index], 0, 1)).astype(np.uint8)
        place = place.ravel()
        return near[place].reshape(texture.shape), distance[place].reshape(texture.shape[:2])


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


def used_texels(mesh: Mesh, shape: tuple[int, int]) -> np.ndarray:
    """(H, W) bool: texels that a face touches."""
    uv = mesh.uv[mesh.faces]
    column, row = texels_from_uv(uv - np.floor(uv.mean(axis=1, keepdims=True)), shape[1], shape[0])  # textures repeat
    used = np.zeros(shape, np.uint8)
    for triangle in np.rint(np.stack([column, row], axis=-1) * 256).astype(np.int32):
        cv2.fillConvexPoly(used, triangle, 1, shift=8)
    return used.astype(bool)


@dataclass(frozen=True)
class Preview:
    """Three textures side by side, and the share of used texels that no printable colour comes near."""

    picture: np.ndarray  # (H, 3 W + gaps, 3) uint8
    outside_frac: float
    outside_delta_e: float  # mean, of those outside; 0 where there are none
    gamut: str


def preview(texture: np.ndarray, mesh: Mesh, gamut: Gamut) -> Preview:
    """As designed, as printable, and in `MARK` what is not."""
    printable, distance = gamut.nearest(texture)
    used = used_texels(mesh, texture.shape[:2])
    outside = used & (distance > TOLERANCE_DELTA_E)
    grey = cv2.cvtColor(cv2.cvtColor(texture, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB) // 2 + 110
    marked = np.where(outside[..., None], np.array(MARK, np.uint8), grey)
    gap = np.full((texture.shape[0], max(4, texture.shape[1] // 40), 3), 255, np.uint8)
    return Preview(
        np.hstack([texture, gap, printable, gap, marked]),
        float(outside.sum() / max(used.sum(), 1)),
        float(distance[outside].mean()) if outside.any() else 0.0,
        gamut.name,
    )
