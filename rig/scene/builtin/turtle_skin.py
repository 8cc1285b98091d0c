"""The sea turtle's colours: scutes with growth streaks, a pale belly, mosaics of dark scales with pale borders."""

import numpy as np

from rig.scene.builtin.pattern import mix, mosaic, noise, smoothstep
from rig.scene.builtin.turtle_shape import disc

OLIVE, AMBER, UMBER = (0.40, 0.32, 0.14), (0.62, 0.45, 0.18), (0.16, 0.11, 0.06)
SEAM = (0.80, 0.70, 0.48)
CREAM, OCHRE, HORN = (0.93, 0.86, 0.68), (0.80, 0.64, 0.38), (0.55, 0.44, 0.26)
SCALE, SCALE_LIGHT = (0.17, 0.13, 0.10), (0.36, 0.26, 0.14)
EYE, GLINT = (0.03, 0.03, 0.03), (0.95, 0.95, 0.9)

RIM = 0.84  # marginal scutes lie outside this fraction of the radius
MARGINALS = 25  # a nuchal scute at the neck and twelve pairs
VERTEBRALS = np.array([[0.66, 0.0], [0.34, 0.0], [0.0, 0.0], [-0.34, 0.0], [-0.66, 0.0]])
COSTALS = np.array([[0.50, 0.50], [0.17, 0.56], [-0.18, 0.54], [-0.50, 0.44]])
CARAPACE_SCUTES = np.concatenate([VERTEBRALS, COSTALS, COSTALS * [1, -1]])
PLASTRON_ROWS = (0.80, 0.48, 0.16, -0.16, -0.48, -0.80)


def paint_carapace(s, t, points):
    p, q = disc(s, t)
    radius, angle = np.hypot(p, q), np.arctan2(q, p)
    inner, border = mosaic(np.stack([p, q], axis=-1), CARAPACE_SCUTES)
    offset = np.stack([p, q], axis=-1) - CARAPACE_SCUTES[inner] + [0.10, 0.0]  # streaks fan out from the hind edge
    colour = _streaked(points, offset, inner)
    slot = angle / (2 * np.pi) * MARGINALS
    margin_border = np.abs(slot - np.floor(slot) - 0.5) * -2 * np.pi / MARGINALS * radius + np.pi / MARGINALS * radius
    outside = radius > RIM
    colour = np.where(outside[..., None], _marginal(points, angle, radius), colour)
    gap = np.minimum(np.where(outside, margin_border, border), np.abs(radius - RIM))
    return mix(colour, SEAM, 0.9 * smoothstep(0.022, 0.006, gap))


def _streaked(points, offset, scute):
    """Olive to amber scutes with dark rays; offset (..., 2) from the scute's growth centre."""
    distance, angle = np.hypot(*np.moveaxis(offset, -1, 0)), np.arctan2(offset[..., 1], offset[..., 0])
    ray = np.stack([1.5 * np.cos(angle), 1.5 * np.sin(angle), scute * 7.3 + 0.8 * distance], axis=-1)
    rays = noise(ray, 0.32, seed=11, octaves=2)
    blotches = noise(points, 0.22, seed=12, octaves=3)
    colour = mix(OLIVE, AMBER, smoothstep(-0.5, 0.9, blotches + 0.5 * rays))
    return mix(colour, UMBER, 0.85 * smoothstep(0.0, 0.55, rays - 0.3 * blotches + 0.2))


def _marginal(points, angle, radius):
    blotch = noise(points, 0.10, seed=13, octaves=2)
    colour = mix(OLIVE, UMBER, smoothstep(-0.3, 0.5, blotch + 0.2))
    return mix(colour, AMBER, 0.7 * smoothstep(0.95, 1.0, radius))


def paint_plastron(s, t, points):
    p, q = disc(s, 1 - t)
    row_gap = np.min([np.abs(p - 0.06 * np.abs(q) - (row - 0.16)) for row in PLASTRON_ROWS], axis=0)
    gap = np.minimum(np.minimum(row_gap, np.abs(q)), np.abs(np.abs(q) - 0.52))
    stain = noise(points, 0.3, seed=21, octaves=3)
    colour = mix(CREAM, OCHRE, 0.55 * smoothstep(-0.2, 0.9, stain))
    colour = mix(colour, OCHRE, 0.5 * smoothstep(0.05, 0.12, row_gap) * smoothstep(0.0, 0.4, 0.6 - np.abs(q)))
    return mix(colour, HORN, 0.7 * smoothstep(0.018, 0.004, gap))


def paint_scales(seeds, pale_root=0.0, underside=False):
    """A painter: dark scales around `seeds` (N, 3) with pale borders; an underside's scales show at the edges only."""

    def paint(s, t, points):
        cell, border = mosaic(points, seeds)
        tone = np.random.default_rng(31).uniform(0, 1, len(seeds))[cell]
        scale = mix(SCALE, SCALE_LIGHT, np.clip(tone + 0.3 * noise(points, 0.1, seed=32), 0, 1))
        colour = mix(CREAM, scale, smoothstep(0.006, 0.016, border))
        pale = smoothstep(pale_root + 0.12, pale_root - 0.12, s) if pale_root else np.zeros_like(s)
        if underside:
            edge = np.abs(2 * t - 1)
            pale = np.maximum(pale, smoothstep(0.9, 0.45, edge - 0.35 * smoothstep(0.6, 1.0, s)))
        plain = mix(CREAM, OCHRE, 0.5 * smoothstep(-0.3, 0.8, noise(points, 0.15, seed=33, octaves=2)))
        return mix(colour, plain, 0.88 * pale)

    return paint


def paint_head(scales, eyes):
    """A painter: `scales` with a horny beak and dark eyes at points `eyes` (2, 3)."""

    def paint(s, t, points):
        colour = scales(s, t, points)
        colour = mix(colour, HORN, 0.8 * smoothstep(0.90, 0.94, s))
        distance = np.min([np.linalg.norm(points - eye, axis=-1) for eye in eyes], axis=0)
        colour = mix(colour, CREAM, 0.8 * smoothstep(0.050, 0.042, distance))
        colour = mix(colour, EYE, smoothstep(0.036, 0.028, distance))
        glint = np.min([np.linalg.norm(points - eye - [0.010, 0, 0.012], axis=-1) for eye in eyes], axis=0)
        return mix(colour, GLINT, smoothstep(0.013, 0.007, glint))

    return paint
