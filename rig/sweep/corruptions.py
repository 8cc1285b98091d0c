"""Natural baselines: what weather, lens, sensor and compression do to a frame, at severities 1 to 5.

ImageNet-C's own functions (Hendrycks & Dietterich 2019) through the package imagecorruptions-imaug; rain, which that
benchmark lacks, through kornia with severities of ours. They act on 8-bit frames, after everything the scene declares.
"""

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from kornia.augmentation import RandomRain

from rig.errors import RigError
from rig.images import batch_from_images, images_from_batch
from rig.views import derive_seed

RAIN = "rain"
PUBLISHED = (
    "gaussian_noise", "shot_noise", "impulse_noise", "defocus_blur", "glass_blur", "motion_blur", "zoom_blur", "snow",
    "frost", "fog", "brightness", "contrast", "elastic_transform", "pixelate", "jpeg_compression",
)  # fmt: skip
NAMES = (*PUBLISHED, RAIN)
USUAL = ("fog", "snow", RAIN, "defocus_blur", "motion_blur", "gaussian_noise", "jpeg_compression")
SEVERITIES = (1, 2, 3, 4, 5)
SEEDED = ("glass_blur", "impulse_noise")  # take a seed; the others draw from numpy's global generator
LEAST_PX = 32
RAIN_PX = 224  # side of the frame that the next two lines are for
RAIN_DROPS = (50, 100, 200, 400, 800)
RAIN_LENGTH_PX = (6, 8, 10, 12, 16)


@dataclass(frozen=True)
class Corruption:
    name: str
    severity: int

    def applied(self, image: np.ndarray, seed: int) -> np.ndarray:
        """An (H, W, 3) uint8 frame to the same; what is random depends on `seed`, name and severity alone."""
        if min(image.shape[:2]) < LEAST_PX:
            got, expected = f"{image.shape[1]} x {image.shape[0]}", f"at least {LEAST_PX} pixels each way"
            raise RigError("the frame is too small to be corrupted", got=got, expected=expected)
        own_seed = derive_seed(seed, self.name, self.severity) % 2**32
        return _rain(image, self.severity, own_seed) if self.name == RAIN else _published(self, image, own_seed)


def chosen(names: Sequence[str]) -> tuple[Corruption, ...]:
    """`fog` is fog at all severities, `fog-3` one. Raises RigError for what is unknown, or without the package."""
    found = dict.fromkeys(one for name in names for one in _named(name))
    if any(one.name != RAIN for one in found):
        _library()
    return tuple(found)


def _named(text: str) -> list[Corruption]:
    name, dash, severity = text.partition("-")
    if name not in NAMES or (dash and severity not in map(str, SEVERITIES)):
        expected = f"NAME or NAME-1 to NAME-5 of {', '.join(NAMES)}"
        raise RigError("unknown corruption", where="--corruption", got=text, expected=expected)
    return [Corruption(name, one) for one in ((int(severity),) if dash else SEVERITIES)]


def _library():
    try:
        import imagecorruptions
    except ImportError as error:
        hint = "pip install 'physical-rig[corruptions]'"
        raise RigError("ImageNet-C's corruptions need a package", where="--corruption", hint=hint) from error
    return imagecorruptions


def _published(corruption: Corruption, image: np.ndarray, seed: int) -> np.ndarray:
    more = {"seed": seed} if corruption.name in SEEDED else {}
    with _global_seed(seed):
        return _library().corrupt(image, corruption.severity, corruption.name, **more)


@contextlib.contextmanager
def _global_seed(seed: int):
    """numpy's global generator, seeded for a moment: the library knows no other."""
    before = np.random.get_state()  # noqa: NPY002
    np.random.seed(seed)  # noqa: NPY002
    try:
        yield
    finally:
        np.random.set_state(before)  # noqa: NPY002


def _rain(image: np.ndarray, severity: int, seed: int) -> np.ndarray:
    """Streaks one pixel wide; their number grows with the frame's area, their length with its height."""
    height_px, width_px = image.shape[:2]
    n_drops = max(1, round(RAIN_DROPS[severity - 1] * height_px * width_px / RAIN_PX**2))
    length_px = max(2, round(RAIN_LENGTH_PX[severity - 1] * height_px / RAIN_PX))
    slant_px = max(1, length_px // 3)
    rain = RandomRain((n_drops, n_drops), (length_px // 2, length_px), (-slant_px, slant_px), p=1.0)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return images_from_batch(rain(batch_from_images(image[None])))[0]
