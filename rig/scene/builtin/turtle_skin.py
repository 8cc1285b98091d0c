"""The sea turtle's colours: scutes with growth streaks, a pale belly, mosaics of dark scales with pale borders."""

import numpy as np

from rig.scene.builtin.pattern import mix, mosaic, noise, smoothstep
from rig.scene.builtin.turtle_shape import UNDER_RIM, disc

OLIVE, MOSS, BROWN, UMBER = (0.42, 0.34, 0.16), (0.68, 0.60, 0.26), (0.50, 0.32, 0.15), (0.15, 0.10, 0.06)
SEAM = (0.74, 0.66, 0.48)
CREAM, OCHRE, HORN = (0.95, 0.89, 0.74), (0.85, 0.70, 0.46), (0.45, 0.34, 0.20)
SCALE, SCALE_LIGHT = (0.12, 0.09, 0.07), (0.34, 0.24, 0.14)
SKIN = (0.80, 0.72, 0.54)
ABOVE, BELOW = (OCHRE, HORN), (CREAM, OCHRE)  # bare skin
EYE, GLINT = (0.03, 0.03, 0.03), (0.95, 0.95, 0.9)

RIM = 0.87  # marginal scutes lie outside this fraction of the radius
MARGINALS = 25  # a nuchal scute at the neck and twelve pairs
VERTEBRALS = np.array([[0.66, 0.0], [0.34, 0.0], [0.0, 0.0], [-0.34, 0.0], [-0.66, 0.0]])
COSTALS = np.array([[0.50, 0.50], [0.17, 0.56], [-0.18, 0.54], [-0.50, 0.44]])
CARAPACE_SCUTES = np.concatenate([VERTEBRALS, COSTALS, COSTALS * [1, -1]])
PLASTRON_ROWS = (0.58, 0.28, -0.03, -0.34, -0.64)


def paint_carapace(s, t, points):
    p, q = disc(s, t)
    radius, angle = np.hypot(p, q), np.arctan2(q, p)
    wobble = 0.012 * noise(points, 0.07, seed=14, octaves=2)
    inner, border = mosaic(np.stack([p, q], axis=-1), CARAPACE_SCUTES)
    slot = angle / (2 * np.pi) * MARGINALS % 1
    margin_border = (0.5 - np.abs(slot - 0.5)) * 2 * np.pi / MARGINALS * radius
    outside = radius > RIM
    gap = np.minimum(np.where(outside, margin_border, border), np.abs(radius - RIM)) + wobble
    offset = np.stack([p, q], axis=-1) - CARAPACE_SCUTES[inner] + [0.14, 0.0]  # streaks fan out from the hind edge
    colour = np.where(outside[..., None], _marginal(points, radius), _streaked(points, offset, inner))
    colour = mix(colour, UMBER, 0.6 * smoothstep(0.06, 0.015, gap))
    return mix(colour, SEAM, 0.75 * smoothstep(0.013, 0.003, gap))


def _streaked(points, offset, scute):
    """Olive and brown scutes with dark rays and mossy flecks; offset (..., 2) from the scute's growth centre."""
    distance, angle = np.hypot(*np.moveaxis(offset, -1, 0)), np.arctan2(offset[..., 1], offset[..., 0])
    ray = np.stack([np.cos(angle), np.sin(angle), scute * 7.3 + distance], axis=-1)
    rays = noise(ray, 0.16, seed=11, octaves=2)
    blotches = noise(points, 0.14, seed=12, octaves=4)
    colour = mix(OLIVE, BROWN, smoothstep(-0.4, 0.8, noise(points, 0.30, seed=15, octaves=3)))
    colour = mix(colour, UMBER, 0.8 * smoothstep(-0.3, 0.7, rays - blotches))
    return mix(colour, MOSS, 0.75 * smoothstep(0.25, 0.8, blotches + 0.5 * rays))


def _marginal(points, radius):
    blotch = noise(points, 0.10, seed=13, octaves=3)
    colour = mix(BROWN, UMBER, smoothstep(-0.4, 0.3, blotch))
    return mix(colour, SEAM, 0.85 * smoothstep(0.965, 0.985, radius))


def paint_plastron(s, t, points):
    p, q = disc(s, 1 - t)
    radius, angle = np.hypot(p, q), np.arctan2(q, p)
    wobble = 0.02 * noise(points, 0.12, seed=22, octaves=3)
    bowed = p - 0.10 * np.abs(q) - 0.05 * np.cos(9 * q)
    row_gap = np.min([np.abs(bowed - row) for row in PLASTRON_ROWS], axis=0)
    gap = np.minimum(np.minimum(row_gap, np.abs(q)), np.abs(np.abs(q) - 0.45)) + wobble
    stain = noise(points, 0.25, seed=21, octaves=4)
    colour = mix(CREAM, OCHRE, smoothstep(-0.9, 1.0, stain) * smoothstep(0.0, 0.12, gap))
    colour = mix(colour, HORN, 0.35 * smoothstep(0.25, 1.2, stain))
    colour = mix(colour, HORN, 0.45 * smoothstep(0.016, 0.006, gap))
    return np.where((radius > UNDER_RIM)[..., None], _under_rim(points, radius, angle), colour)


def _under_rim(points, radius, angle):
    """Undersides of the marginal scutes: pale, a dark blotch on each."""
    slot = np.abs(angle / (2 * np.pi) * MARGINALS % 1 - 0.5)
    blotch = smoothstep(0.35, 0.15, slot + 0.12 * noise(points, 0.06, seed=23)) * smoothstep(0.90, 0.95, radius)
    colour = mix(CREAM, UMBER, 0.8 * blotch)
    return mix(colour, HORN, 0.6 * smoothstep(0.46, 0.5, slot))


def paint_scales(seeds, plain, bare):
    """A painter: dark scales around `seeds` (N, 3) with pale borders.

    bare(s, t) in [0, 1]: how far they give way to skin that varies between the two colours `plain`.
    """

    def paint(s, t, points):
        cell, border = mosaic(points, seeds)
        tone = np.random.default_rng(31).uniform(0, 1, len(seeds))[cell]
        scale = mix(SCALE, SCALE_LIGHT, np.clip(tone + 0.3 * noise(points, 0.1, seed=32), 0, 1))
        ragged = border + 0.004 * noise(points, 0.05, seed=34)
        colour = mix(SKIN, scale, smoothstep(0.001, 0.007, ragged))
        skin = mix(*plain, smoothstep(-0.8, 0.8, noise(points, 0.15, seed=33, octaves=3)))
        return mix(colour, skin, 0.88 * bare(s, t))

    return paint


def nowhere(s, t):
    return np.zeros_like(s)


def flipper_underside(s, t):
    """Bare but for the edges and the tip."""
    return smoothstep(0.75, 0.35, np.abs(2 * t - 1) + smoothstep(0.4, 0.9, s))


def neck(s, t):
    return smoothstep(0.54, 0.30, s)


def throat(s, t):
    return np.maximum(neck(s, t), 0.75 * smoothstep(0.85, 0.45, np.abs(2 * t - 1)))


def paint_head(scales, eyes):
    """A painter: `scales` with a horny beak, the line of the mouth, and dark eyes at points `eyes` (2, 3)."""

    def paint(s, t, points):
        colour = mix(scales(s, t, points), OCHRE, 0.85 * smoothstep(0.90, 0.93, s))
        lips = smoothstep(0.93, 0.98, np.abs(2 * t - 1)) * smoothstep(0.66, 0.72, s)
        colour = mix(colour, SCALE, 0.9 * lips)
        colour = _disc(colour, OCHRE, 0.6, points, eyes, 0.040)
        colour = _disc(colour, EYE, 1.0, points, eyes, 0.030)
        return _disc(colour, GLINT, 1.0, points, eyes + [0.010, 0, 0.012], 0.010)

    return paint


def _disc(colour, ink, strength, points, centres, radius):
    """Ink around the nearest of `centres` (N, 3)."""
    distance = np.min([np.linalg.norm(points - centre, axis=-1) for centre in centres], axis=0)
    return mix(colour, ink, strength * smoothstep(radius + 0.004, radius - 0.004, distance))
