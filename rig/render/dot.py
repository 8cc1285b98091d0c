"""A pixel of a frame as a printed dot: the texels that it shows, and its true size on the object.

The pixel's square is rasterised again, many samples a pixel, so that its footprint on the texture is known whatever the
slant, the lens or the UV map.
"""

from dataclasses import dataclass

import numpy as np
import torch

from rig.contracts import Intrinsics, Mesh, Transform
from rig.geometry import apply, invert, project, texels_from_uv
from rig.images import linear_to_srgb, srgb_to_linear
from rig.raster import interpolate

SAMPLES_PER_TEXEL = 2  # along each side, so that none is missed
LEAST_SAMPLES, MOST_SAMPLES = 32, 512  # along each side of a dot
LEAST_TEXELS = 1e-9  # a sample's share of a texel where the UV map is degenerate


@dataclass(frozen=True, eq=False)
class Dot:
    """A square of a frame, laid onto the object.

    `texels` (T, 2) int: row, column, at least one: a dot smaller than a texel is that texel.
    `width_mm`, `height_mm`: sides of the square's footprint along the image's rows and columns; `area_mm2` its area, and
    `painted_mm2` that of the texels. `covered_frac`: share of the square that shows the object.
    """

    texels: np.ndarray
    width_mm: float
    height_mm: float
    area_mm2: float
    painted_mm2: float
    covered_frac: float

    def painted(self, texture: np.ndarray, color: np.ndarray) -> np.ndarray:
        """A copy of an 8-bit texture (h, w, 3) with the dot in it."""
        changed = texture.copy()
        changed[self.texels[:, 0], self.texels[:, 1]] = color
        return changed


class Footprints:
    """One view of a mesh, ready to say what a pixel's square covers."""

    def __init__(self, mesh: Mesh, camera: Intrinsics, world_from_camera: Transform):
        self._mesh, self._camera = mesh, camera
        self._points_camera = apply(invert(world_from_camera), mesh.vertices_m)
        corners_px = project(camera, self._points_camera)[mesh.faces]  # (M, 3, 2)
        self._low_px, self._high_px = corners_px.min(axis=1), corners_px.max(axis=1)

    def dot(self, row: float, column: float, size_px: float = 1.0) -> Dot | None:
        """The dot of a square of `size_px` pixels about a place (integers: pixel centres); None where that shows no object."""
        n_samples = LEAST_SAMPLES
        places, points_m, covered = self._close_up(row, column, size_px, n_samples)
        if not covered[n_samples // 2, n_samples // 2]:
            return None
        needed = n_samples * SAMPLES_PER_TEXEL * _lengths(_steps(places, covered)).max()
        if needed > n_samples:
            n_samples = min(MOST_SAMPLES, int(np.ceil(needed)))
            places, points_m, covered = self._close_up(row, column, size_px, n_samples)
        steps_m, texel_steps = _steps(points_m, covered), _steps(places, covered)
        sample_m2 = float(np.median(np.linalg.norm(np.cross(steps_m[:, 0], steps_m[:, 1]), axis=1)))
        samples_a_texel = 1 / max(float(np.median(np.abs(np.linalg.det(texel_steps)))), LEAST_TEXELS)
        texels = _shown_texels(places[covered], self._mesh.texture.shape[:2], samples_a_texel)
        width_mm, height_mm = 1000 * n_samples * _lengths(steps_m)
        areas_mm2 = 1e6 * sample_m2 * n_samples**2, 1e6 * sample_m2 * samples_a_texel * len(texels)
        return Dot(texels, float(width_mm), float(height_mm), *areas_mm2, float(covered.mean()))

    def _close_up(self, row: float, column: float, size_px: float, n_samples: int):
        """Texel places (S, S, 2) as row, column; points on the object (S, S, 3) in metres; covered (S, S) bool."""
        mesh, camera = self._mesh, zoomed(self._camera, row, column, size_px, n_samples)
        reach_px, centre_px = size_px / 2 + 1, np.array([column, row])
        near = (self._low_px <= centre_px + reach_px) & (self._high_px >= centre_px - reach_px)
        faces = mesh.faces[near.all(axis=1)]
        if not len(faces):
            return np.zeros((n_samples, n_samples, 2)), None, np.zeros((n_samples, n_samples), bool)
        uv1 = interpolate(self._points_camera, faces, np.c_[mesh.uv, np.ones(len(mesh.uv))], camera)
        height_px, width_px = mesh.texture.shape[:2]
        texel_column, texel_row = texels_from_uv(uv1[..., :2].astype(np.float64), width_px, height_px)
        points_m = interpolate(self._points_camera, faces, mesh.vertices_m, camera)
        return np.stack([texel_row, texel_column], axis=-1), points_m, uv1[..., 2] > 0.5


def dot_at(mesh: Mesh, camera: Intrinsics, world_from_camera: Transform, row: int, column: int, size_px: float = 1.0):
    """One dot of one view."""
    return Footprints(mesh, camera, world_from_camera).dot(row, column, size_px)


def zoomed(camera: Intrinsics, row: float, column: float, size_px: float, n_samples: int) -> Intrinsics:
    """The camera that sees only a square about a pixel's centre, n_samples x n_samples of it."""
    zoom, middle = n_samples / size_px, (n_samples - 1) / 2
    cx_px, cy_px = (camera.cx_px - column) * zoom + middle, (camera.cy_px - row) * zoom + middle
    return Intrinsics(n_samples, n_samples, camera.fx_px * zoom, camera.fy_px * zoom, cx_px, cy_px)


def albedo(color: np.ndarray, irradiance: float) -> np.ndarray:
    """8-bit colour to print so that it appears as `color` (3,) in that light; no paper is brighter than white."""
    linear = srgb_to_linear(torch.tensor(np.asarray(color) / 255)) / max(irradiance, 1e-6)
    return (linear_to_srgb(linear.clamp(0, 1)) * 255).round().to(torch.uint8).numpy()


def _steps(values: np.ndarray, covered: np.ndarray) -> np.ndarray:
    """(N, 2, C) change of `values` (S, S, C) from each sample to the next along its row and along its column."""
    along_row, along_column = values[:-1, 1:] - values[:-1, :-1], values[1:, :-1] - values[:-1, :-1]
    whole = covered[:-1, :-1] & covered[:-1, 1:] & covered[1:, :-1]
    return np.stack([along_row, along_column], axis=2)[whole] if whole.any() else np.zeros((1, 2, values.shape[-1]))


def _lengths(steps: np.ndarray) -> np.ndarray:
    """(2,) median length along rows and along columns: few samples lie beside a seam of the UV map, where it jumps."""
    return np.median(np.linalg.norm(steps, axis=2), axis=0)


def _shown_texels(places: np.ndarray, texture_size: tuple[int, int], samples_a_texel: float) -> np.ndarray:
    """Texels that lie in the dot by half or more; where there is none, the one that has most of it."""
    rows, columns = (np.rint(places).astype(np.int64) % texture_size).T
    numbers, counts = np.unique(rows * texture_size[1] + columns, return_counts=True)
    shown = counts >= samples_a_texel / 2
    numbers = numbers[shown] if shown.any() else numbers[[counts.argmax()]]
    return np.stack(np.divmod(numbers, texture_size[1]), axis=1)
