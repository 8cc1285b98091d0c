"""Where on an object a printer cannot give a texture's colours, and what it would give instead."""

from dataclasses import dataclass

import cv2
import numpy as np

from rig.contracts import Mesh
from rig.geometry import texels_from_uv
from rig.scene.gamut import TOLERANCE_DELTA_E, Gamut

MARK = (230, 0, 60)


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
