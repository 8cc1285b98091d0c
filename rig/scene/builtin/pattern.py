"""Patterns for painting: smooth noise, mosaics, soft thresholds. Distances in metres of the object being painted."""

import numpy as np
from scipy.ndimage import map_coordinates
from scipy.spatial import cKDTree


def smoothstep(low: float, high: float, x: np.ndarray) -> np.ndarray:
    """0 below `low`, 1 above `high`, smooth between (falls where low > high)."""
    x = np.clip((x - low) / (high - low), 0, 1)
    return x * x * (3 - 2 * x)


def mix(a, b, amount: np.ndarray) -> np.ndarray:
    """From colour (or colours) `a` to `b`; amount (...) in [0, 1]."""
    amount = np.asarray(amount)[..., None]
    return np.asarray(a) * (1 - amount) + np.asarray(b) * amount


def noise(points: np.ndarray, wavelength_m: float, seed: int, octaves: int = 1) -> np.ndarray:
    """Smooth noise (...) in about [-1, 1] at points (..., K); each octave halves wavelength and height."""
    lattice = np.random.default_rng(seed).uniform(-1, 1, (16,) * points.shape[-1])
    total, height = 0.0, 1.0
    for octave in range(octaves):
        where = np.moveaxis(points * 2**octave / wavelength_m + 5.3 * octave, -1, 0)
        total = total + height * map_coordinates(lattice, where, order=1, mode="grid-wrap")
        height /= 2
    return total


def mosaic(points: np.ndarray, seeds: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Voronoi cells at points (..., K): the cell's index (...), and the distance (...) to its border."""
    distances, indices = cKDTree(seeds).query(points, k=2)
    nearest, second = seeds[indices[..., 0]], seeds[indices[..., 1]]
    apart = np.maximum(np.linalg.norm(second - nearest, axis=-1), 1e-9)
    return indices[..., 0], (distances[..., 1] ** 2 - distances[..., 0] ** 2) / (2 * apart)
