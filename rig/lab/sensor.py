"""From the light on the sensor to the 8-bit image."""

import numpy as np
import torch

from rig.images import linear_to_srgb

STEPS = 1 << 14  # of linear light; the darkest 8-bit step is 5 of them


def develop(light: np.ndarray, exposure: float, noise_std: float, rng: np.random.Generator) -> np.ndarray:
    """(H, W, 3) uint8 image of linear light: exposed, clipped, sRGB-encoded, with noise of so much of the full scale."""
    steps = np.clip(light * np.float32(exposure * (STEPS - 1)) + np.float32(0.5), 0, STEPS - 1).astype(np.uint16)
    encoded = _ENCODED[steps]
    if noise_std:
        encoded += np.float32(255 * noise_std) * rng.standard_normal(light.shape, dtype=np.float32)
    return np.clip(np.rint(encoded), 0, 255).astype(np.uint8)


_ENCODED = (255 * linear_to_srgb(torch.linspace(0, 1, STEPS, dtype=torch.float64))).numpy().astype(np.float32)
