"""A baseball: leather, dirt, and 108 double stitches along the true seam curve."""

import numpy as np
from scipy.spatial import cKDTree

from rig.contracts import Mesh
from rig.scene.builtin.charts import Chart, build
from rig.scene.builtin.pattern import mix, noise, smoothstep

CELLS = 56  # quads along each side of the one chart; even, because the octahedron's creases are grid lines
WAIST = 0.345  # sine of half the angle between the seams where they come closest: 1 inch on a 2.9 inch ball
STITCHES = 108
STITCH_FROM, STITCH_TO = 0.012, 0.092  # distance from the seam, in radii
FAR = 0.25  # nothing of the seam shows this far from it
SLANT = 0.55  # how far a stitch leans along the seam while it runs across

LEATHER = (0.88, 0.855, 0.80)
DIRT = (0.60, 0.49, 0.34)
THREAD = (0.72, 0.07, 0.08)
SHADOW = (0.34, 0.25, 0.19)


def baseball() -> Mesh:
    """A ball of radius 1; the seam's four extremes lie on the x and y axes."""
    half = CELLS // 2
    right, top = np.meshgrid(np.arange(CELLS) >= half, np.arange(CELLS) >= half)
    return build([Chart(sphere, paint, (CELLS, CELLS), rising=right != top)])


def sphere(s: np.ndarray, t: np.ndarray) -> np.ndarray:
    """The unit sphere over the unit square, equal areas staying equal (Clarberg 2008). The centre is the top."""
    u, v = 2 * s - 1, 2 * t - 1
    across = 1 - np.abs(u) - np.abs(v)  # signed distance from the diagonals, which are the equator
    radius = 1 - np.abs(across)
    angle = np.where(radius > 0, (np.abs(v) - np.abs(u)) / np.maximum(radius, 1e-12) + 1, 0) * np.pi / 4
    z = np.sign(across) * (1 - radius**2)
    ring = radius * np.sqrt(2 - radius**2)
    return np.stack([ring * np.copysign(np.cos(angle), u), ring * np.copysign(np.sin(angle), v), z], axis=-1)


def seam_curve(count: int = 6000) -> np.ndarray:
    """Points (count, 3) on the unit sphere, about evenly along the closed seam."""
    turn = np.linspace(0, 2 * np.pi, count, endpoint=False)
    a, b = (1 + WAIST) / 2, (1 - WAIST) / 2
    return np.stack(
        [
            a * np.cos(turn) + b * np.cos(3 * turn),
            a * np.sin(turn) - b * np.sin(3 * turn),
            2 * np.sqrt(a * b) * np.sin(2 * turn),
        ],
        axis=-1,
    )


def seam_coordinates(points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Along (...) the seam in stitches, [0, STITCHES), and signed distance (...) from it, FAR at most."""
    curve = seam_curve()
    steps = np.roll(curve, -1, axis=0) - curve
    lengths = np.linalg.norm(steps, axis=1)
    along = np.concatenate([[0], np.cumsum(lengths)[:-1]]) / lengths.sum() * STITCHES
    distance, nearest = cKDTree(curve).query(points, distance_upper_bound=FAR)
    distance, nearest = np.minimum(distance, FAR), np.minimum(nearest, len(curve) - 1)
    sideways = np.cross(curve, steps)[nearest]
    return along[nearest], distance * np.sign((points * sideways).sum(axis=-1))


def paint(s: np.ndarray, t: np.ndarray, points: np.ndarray) -> np.ndarray:
    along, across = seam_coordinates(points)
    away = np.abs(across)
    colour = leather(points, away)
    groove = smoothstep(0.017, 0.002, away)
    colour = mix(colour, SHADOW, 0.75 * groove)
    holes, thread = stitches(along, away)
    colour = mix(colour, SHADOW, 0.6 * holes)
    return mix(colour, np.array(THREAD) * (1 + 0.12 * noise(points, 0.05, seed=4)[..., None]), thread)


def leather(points: np.ndarray, away: np.ndarray) -> np.ndarray:
    """Off-white with grain and dirt; the hide bulges beside the seam, so it is bright there and shaded beyond."""
    grain = 0.025 * noise(points, 0.05, seed=1, octaves=2)
    soil = smoothstep(-0.3, 1.3, noise(points, 0.6, seed=2, octaves=4))
    bulge = 0.05 * smoothstep(0.02, 0.06, away) * smoothstep(0.14, 0.08, away)
    fold = -0.09 * smoothstep(0.10, 0.135, away) * smoothstep(0.22, 0.135, away)
    return mix(LEATHER, DIRT, 0.42 * soil) * (1 + grain + bulge + fold)[..., None]


def stitches(along: np.ndarray, away: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Coverage (...) of the holes that the thread comes out of, and of the thread: a V over the seam per stitch."""
    outwards = (away - STITCH_FROM) / (STITCH_TO - STITCH_FROM)
    beside = np.abs((along - SLANT * outwards) % 1 - 0.5)
    within = smoothstep(-0.1, 0.1, outwards) * smoothstep(1.1, 0.9, outwards)
    hole = smoothstep(0.36, 0.16, beside) * smoothstep(0.75, 0.95, outwards) * smoothstep(1.25, 1.05, outwards)
    return hole, within * smoothstep(0.25, 0.09, beside)
