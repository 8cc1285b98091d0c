"""A sticker on a textured object: a fixed linear map from patch pixels to texels.

texture = (1 - coverage) * clean + coverage * (mix @ patch)
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.sparse import csr_array

from rig.contracts import Mesh
from rig.scene.scene import Scene
from rig.scene.sticker.bake import beneath, sample
from rig.scene.sticker.chart import DETOUR, Chart, planar, wrapped
from rig.scene.sticker.finer import finer
from rig.scene.sticker.fits import require_fine_enough, require_free, require_room, require_smaller
from rig.scene.sticker.linear_map import inside, linear_map
from rig.scene.sticker.outline import outline_of
from rig.scene.sticker.place import Place, face_normals, place_on
from rig.scene.sticker.settings import MOST_PATCH_PX, StickerSettings

MM_PER_M = 1000.0
FLAT_DEG = 1.0  # between the faces under a sticker, where wrapping and projecting are one
ALL_OF_IT = 0.999  # of an outline, drawn in pixels
ACROSS = 8  # edges at least across the shorter side of a sticker that wraps


@dataclass(frozen=True, eq=False)
class Sticker:
    """`area_mm2` of the surface under it, `outline_mm2` of the sticker itself: they differ by what a flat one stretches."""

    size_mm: tuple[float, float]
    patch_px: tuple[int, int]  # height, width
    texels: np.ndarray  # (T,) int64, row * width + column, of every texel that it changes
    coverage: np.ndarray  # (T,) float32 in (0, 1]
    mix: csr_array  # (T, patch pixels) float32, rows summing to 1
    texture_px: tuple[int, int]  # height, width
    texel_mm: float
    area_mm2: float
    outline_mm2: float
    outline: np.ndarray  # (H, W) bool over its box
    place: Place

    def on(self, clean: np.ndarray, patch: np.ndarray) -> np.ndarray:
        """A texture (3, h, w) float32 with a patch (3, ph, pw) on it; both in [0, 1]."""
        worn = clean.reshape(3, -1).copy()
        colors = (self.mix @ patch.reshape(3, -1).T).T
        worn[:, self.texels] += self.coverage * (colors - worn[:, self.texels])
        return worn.reshape(clean.shape)

    def back(self, gradient: np.ndarray) -> np.ndarray:
        """The gradient's way back, (3, h, w) to (3, ph, pw): the transpose of `on`."""
        pulled = self._transposed @ (self.coverage * gradient.reshape(3, -1)[:, self.texels]).T
        return np.ascontiguousarray(pulled.T).reshape(3, *self.patch_px)

    @cached_property
    def _transposed(self) -> csr_array:
        return self.mix.T.tocsr()

    @cached_property
    def coverage_map(self) -> np.ndarray:
        """(h, w) float32."""
        found = np.zeros(self.texture_px[0] * self.texture_px[1], np.float32)
        found[self.texels] = self.coverage
        return found.reshape(self.texture_px)


def stick(scene: Scene, settings: StickerSettings) -> Sticker:
    """Raises RigError for what does not fit: the object, the place, the mask, the texture."""
    mesh, mm_per_m = scene.mesh, mm_per_m_of(scene.mesh, settings)
    size_m = np.array(settings.size_mm) / mm_per_m
    require_smaller(mesh, size_m, mm_per_m)
    outline = outline_of(settings)
    mesh, place, chart = _laid(mesh, settings, outline, size_m)
    samples = sample(mesh, chart)
    within = inside(samples, outline, size_m)
    texel_mm = mm_per_m * float(np.sqrt(np.median(samples.area_m2[within]))) * samples.n if within.any() else np.inf
    require_fine_enough(settings, texel_mm)
    filled, area_m2 = beneath(mesh, chart, outline, size_m)
    require_room(filled, settings)
    patch_px = _patch_px(settings, texel_mm)
    texels, coverage, mix = linear_map(samples, within, size_m, patch_px)
    require_free(scene, samples, within, texels)
    outline_mm2 = float(outline.mean()) * settings.size_mm[0] * settings.size_mm[1]
    return Sticker(
        settings.size_mm, patch_px, texels, coverage, mix, mesh.texture.shape[:2], texel_mm,
        area_m2 * mm_per_m**2, outline_mm2, outline, place,
    )  # fmt: skip


def stick_all(scenes: list[Scene], settings: StickerSettings) -> list[Sticker]:
    """One sticker for several objects: all take a patch of as many pixels as the first one's. Raises as `stick`."""
    found: list[Sticker] = []
    for scene in scenes:
        found.append(stick(scene, settings))
        settings = settings.model_copy(update={"patch_px": max(found[0].patch_px)})
    return found


def _laid(mesh: Mesh, settings: StickerSettings, outline, size_m) -> tuple[Mesh, Place, Chart]:
    """Where it lies, and on which faces: of a mesh cut finer where it wraps around a coarse one."""
    half_m, reach_m = size_m / 2, float(np.linalg.norm(size_m)) / 2
    asked = (*settings.at_deg, settings.roll_deg, reach_m)
    place = place_on(mesh, *asked)
    if settings.lies == "planar":
        return mesh, place, planar(mesh, place, half_m)
    flat = planar(mesh, place, half_m, FLAT_DEG)
    straight = face_normals(mesh)[0][flat.faces] @ place.normal >= np.cos(np.radians(FLAT_DEG))
    if straight.all() and beneath(mesh, flat, outline, size_m)[0] >= ALL_OF_IT:
        return mesh, place, flat
    mesh = finer(mesh, place.point_m, DETOUR * reach_m, float(size_m.min()) / ACROSS)
    place = place_on(mesh, *asked)
    return mesh, place, wrapped(mesh, place, half_m)


def mm_per_m_of(mesh: Mesh, settings: StickerSettings) -> float:
    longest_m = float(np.ptp(mesh.vertices_m, axis=0).max())
    return MM_PER_M if settings.object_mm is None else settings.object_mm / longest_m


def _patch_px(settings: StickerSettings, texel_mm: float) -> tuple[int, int]:
    """(height, width): pixels as square as can be."""
    longest_px = settings.patch_px or int(np.clip(round(max(settings.size_mm) / texel_mm), 1, MOST_PATCH_PX))
    width_mm, height_mm = settings.size_mm
    scale = longest_px / max(width_mm, height_mm)
    return max(1, round(scale * height_mm)), max(1, round(scale * width_mm))
