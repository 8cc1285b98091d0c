"""What may happen to a frame after it was taken: exposed otherwise, noisier, softer, recompressed, resampled, shifted.

Each acts on 8-bit frames and gives 8-bit frames of the same size. Noise, blur, JPEG and resolution are the scene's own
sensor model.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from rig.contracts import View
from rig.errors import RigError
from rig.images import batch_from_images, images_from_batch, linear_to_srgb, srgb_to_linear
from rig.render.sensor import expose
from rig.views import derive_seed

UNCHANGED = "none"


@dataclass(frozen=True)
class Condition:
    """A named change of a frame and how much of it; the unit ends the name."""

    name: str
    value: float

    def __post_init__(self):
        if self.name not in CHANGES:
            raise RigError("unknown condition", got=self.name, expected=" or ".join(CHANGES))

    def applied(self, images: np.ndarray, seed: int = 0) -> np.ndarray:
        """(N, H, W, 3) uint8 to the same; all images of a call get the same noise, so twins stay twins."""
        return CHANGES[self.name](images, self.value, derive_seed(seed, self.name, str(self.value)))


def _unchanged(images: np.ndarray, value: float, seed: int) -> np.ndarray:
    return images


def _exposed(images: np.ndarray, stops: float, seed: int) -> np.ndarray:
    """One stop more is twice the light; what no longer fits 8 bits is clipped."""
    return images_from_batch(linear_to_srgb(srgb_to_linear(batch_from_images(images)) * 2.0**stops))


def _sensed(name: str) -> Callable[[np.ndarray, float, int], np.ndarray]:
    def sensed(images: np.ndarray, value: float, seed: int) -> np.ndarray:
        views = [View("", "eval", {name: value}, seed)] * len(images)
        with torch.no_grad():
            return images_from_batch(expose(batch_from_images(images), views))

    return sensed


def _shifted(axis: int) -> Callable[[np.ndarray, float, int], np.ndarray]:
    """The camera a whole number of pixels aside; what comes into view repeats the border."""

    def shifted(images: np.ndarray, value: float, seed: int) -> np.ndarray:
        places = np.arange(images.shape[axis]) - round(value)
        return np.take(images, np.clip(places, 0, images.shape[axis] - 1), axis=axis)

    return shifted


CHANGES: dict[str, Callable[[np.ndarray, float, int], np.ndarray]] = {
    UNCHANGED: _unchanged,
    "exposure_stops": _exposed,
    "noise_std": _sensed("noise_std"),
    "blur_px": _sensed("blur_px"),
    "jpeg_quality": _sensed("jpeg_quality"),
    "resolution_frac": _sensed("resolution_frac"),
    "shift_right_px": _shifted(2),
    "shift_down_px": _shifted(1),
}

STRENGTHS = {
    "exposure_stops": (-2, -1, -0.5, 0.5, 1),
    "noise_std": (0.01, 0.03, 0.1),
    "blur_px": (0.5, 1, 2),
    "jpeg_quality": (95, 75, 50, 25),
    "resolution_frac": (0.75, 0.5),
    "shift_right_px": (-1, 1),
    "shift_down_px": (-1, 1),
}
CONDITIONS = (Condition(UNCHANGED, 0.0), *(Condition(name, float(v)) for name, of in STRENGTHS.items() for v in of))
