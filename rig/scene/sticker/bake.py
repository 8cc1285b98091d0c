"""A chart drawn into the texture: for every texel, which part of it is sticker, and where on the sticker that is."""

from dataclasses import dataclass

import numpy as np

from rig.contracts import Intrinsics, Mesh
from rig.raster import interpolate
from rig.scene.sticker.chart import Chart, signed_areas
from rig.scene.sticker.place import face_normals

MOST_SAMPLES_PX = 2048  # of a finely sampled texture's longer side
MOST_SAMPLES = 4  # along each side of a texel


@dataclass(frozen=True, eq=False)
class Samples:
    """A texture sampled `n` times along each side of a texel; rows and columns of samples."""

    n: int
    rows: np.ndarray  # (S,) int64, of samples on the chart
    columns: np.ndarray
    plane_m: np.ndarray  # (S, 2) right and up
    area_m2: np.ndarray  # (S,) of the surface, for each sample
    on_surface: np.ndarray  # (H, W) int, samples of each texel on any face
    elsewhere: np.ndarray  # (H, W) int, samples on faces that are not the chart's


def sample(mesh: Mesh, chart: Chart) -> Samples:
    height, width = mesh.texture.shape[:2]
    n = int(np.clip(MOST_SAMPLES_PX // max(height, width), 1, MOST_SAMPLES))
    size_px = (n * height, n * width)
    uv = mesh.uv[mesh.faces]
    areas_m2 = face_normals(mesh)[1] / np.maximum(np.abs(signed_areas(uv)) * size_px[0] * size_px[1], 1e-300)
    density = np.repeat(areas_m2[chart.faces, None, None], 3, axis=1)
    drawn = _drawn(uv[chart.faces], np.concatenate([chart.corners_m, density], axis=2), size_px)
    others = np.setdiff1d(np.arange(len(mesh.faces)), chart.faces)
    beside = _drawn(uv[others], np.ones((len(others), 3, 3)), size_px)[..., 2] > 0
    mine = drawn[..., 2] > 0
    rows, columns = np.nonzero(mine)
    found = drawn[rows, columns].astype(np.float64)
    whole, elsewhere = (_texel_sums(one, n) for one in (mine | beside, beside))
    return Samples(n, rows, columns, found[:, :2], found[:, 2], whole, elsewhere)


def beneath(mesh: Mesh, chart: Chart, outline: np.ndarray, size_m: np.ndarray) -> tuple[float, float]:
    """Under an outline (H, W) bool over the sticker's box: the share on the chart, the rest would stick out; its m2.

    Measured on the sticker, so that neither depends on how fine the texture is.
    """
    flat_m2 = np.maximum(np.abs(signed_areas(chart.corners_m)), 1e-300)
    density = face_normals(mesh)[1][chart.faces] / flat_m2
    values = np.stack([density, np.zeros_like(density), np.ones_like(density)], axis=1)
    drawn = _drawn(chart.corners_m / size_m + 0.5, np.repeat(values[:, None], 3, axis=1), outline.shape, wrap=False)
    found = (drawn[..., 2] > 0) & outline
    area_m2 = float(drawn[found, 0].sum(dtype=float)) * size_m.prod() / outline.size
    return float(found.sum() / outline.sum()), float(area_m2)


def _drawn(uv: np.ndarray, values: np.ndarray, size_px: tuple[int, int], wrap: bool = True) -> np.ndarray:
    """(H, W, 3) of values (F, 3, 3) at the corners of triangles (F, 3, 2); v up; zero beside them. Textures repeat."""
    canvas = np.zeros((*size_px, 3), np.float32)
    if not len(uv):
        return canvas
    uv = uv - np.floor(uv.min(axis=1, keepdims=True) + 1e-9) if wrap else uv
    turned = signed_areas(uv) < 0  # painted inside out; the rasteriser draws one side only
    uv, values = (np.where(turned[:, None, None], one[:, ::-1], one) for one in (uv, values))
    for shift in ([0, 0], [1, 0], [0, 1], [1, 1]) if wrap else ([0, 0],):
        moved = uv - shift
        some = (moved.max(axis=1) > 0).all(axis=1)
        if some.any():
            one = _rasterized(moved[some], values[some], size_px)
            canvas = np.where(canvas[..., 2:] > 0, canvas, one)
    return canvas


def _rasterized(uv: np.ndarray, values: np.ndarray, size_px: tuple[int, int]) -> np.ndarray:
    """Triangles in the plane z = 1 before a camera whose pixels are the samples."""
    height, width = size_px
    camera = Intrinsics(width, height, width, height, -0.5, -0.5)
    flat = uv.reshape(-1, 2)
    points = np.stack([flat[:, 0], 1 - flat[:, 1], np.ones(len(flat))], axis=1)
    corners = np.arange(len(flat), dtype=np.int32).reshape(-1, 3)
    return interpolate(points, corners, values.reshape(-1, 3), camera)


def _texel_sums(samples: np.ndarray, n: int) -> np.ndarray:
    height, width = (side // n for side in samples.shape)
    return samples.reshape(height, n, width, n).sum(axis=(1, 3))
