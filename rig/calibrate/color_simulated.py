"""Photographs of a colour chart from a printer and a camera whose every number is known: the second road of the response.

Nothing here is a polynomial: ink spreads and overlaps (Yule-Nielsen modified Neugebauer), colour channels leak into each
other, light falls off, and a tone curve is not sRGB's.
"""

import itertools
from dataclasses import dataclass
from functools import cache

import cv2
import numpy as np
import torch

from rig.calibrate.color_chart import Chart, chart_sheet
from rig.calibrate.sheet import PX_PER_MM, raster
from rig.images import decode_jpeg, encode_jpeg, linear_to_srgb

PAGE_PX_PER_MM = 4
FINE = 2  # a pixel's light is the mean of FINE x FINE samples
ROOM = 0.2  # linear light of what lies around the sheet
# sRGB linear light of solid inks on coated paper, in the order of the colour cube's corners from black to white:
# CIELAB of ISO 12647-2:2004/Amd 1, paper types 1 and 2 on white, brought into sRGB's gamut.
CORNERS = np.array(
    [
        [0.021, 0.021, 0.021],
        [0.005, 0.035, 0.213],
        [0.005, 0.275, 0.067],
        [0.005, 0.316, 0.699],
        [0.703, 0.013, 0.016],
        [0.698, 0.008, 0.193],
        [1.0, 0.734, 0.005],
        [0.861, 0.877, 0.908],
    ]
)


@dataclass(frozen=True)
class SimulatedPrinter:
    """`dot_gain`: how much of the paper half-covering dots cover too much; `scatter`: Yule and Nielsen's n.

    Where three inks together would cover more than `ink_limit` times the paper, all are thinned out: a kink.
    """

    dot_gain: float = 0.12
    scatter: float = 1.7
    ink_limit: float = 2.3
    mottle: float = 0.02  # standard deviation of the print's light from place to place
    sheet: int = 0  # which one: its mottle is the same in every photograph

    def __call__(self, sent: np.ndarray) -> np.ndarray:
        """Linear light (..., 3) off the print of sRGB-encoded colours (..., 3) in [0, 1], in white light."""
        ink = 1 - sent
        ink = ink * np.minimum(1, self.ink_limit / np.maximum(ink.sum(axis=-1, keepdims=True), 1e-9))
        bare = (1 - ink) - 4 * self.dot_gain * ink * (1 - ink)  # share of paper that an ink leaves bare
        mixed = np.zeros(sent.shape)
        for bits, corner in zip(itertools.product((0, 1), repeat=3), CORNERS, strict=True):
            share = np.prod([bare[..., k] if bit else 1 - bare[..., k] for k, bit in enumerate(bits)], axis=0)
            mixed += share[..., None] * corner ** (1 / self.scatter)
        return mixed**self.scatter


@dataclass(frozen=True)
class SimulatedCamera:
    """`tone` bends sRGB's curve; `fall_off`: light lost in the picture's corners; `tint`: of the light, by channel."""

    width_px: int = 1280
    height_px: int = 960
    exposure: float = 0.8
    tint: tuple[float, float, float] = (1.03, 1.0, 0.9)
    leak: float = 0.08  # of each channel into each other
    tone: float = 0.25
    noise_std: float = 0.01
    fall_off: float = 0.25
    slope: float = 0.15  # of the light, from the left edge to the right
    blur_px: float = 0.7
    jpeg_quality: int = 90

    def encoded(self, linear: np.ndarray) -> np.ndarray:
        """Values (..., 3) in [0, 1] that the camera gives of linear light (..., 3), without noise."""
        mixing = (1 - 3 * self.leak) * np.eye(3) + self.leak
        exposed = (linear * self.tint) @ mixing.T * self.exposure
        srgb = linear_to_srgb(torch.from_numpy(exposed)).numpy()
        return np.clip(srgb + self.tone * srgb * (1 - srgb) * (srgb - 0.5), 0, 1)

    def light(self) -> np.ndarray:
        """(H, W, 1), 1 in the middle."""
        v, u = np.mgrid[: self.height_px, : self.width_px]
        x, y = 2 * u / (self.width_px - 1) - 1, 2 * v / (self.height_px - 1) - 1
        return ((1 - self.fall_off * (x * x + y * y) / 2) * (1 + self.slope * x / 2))[..., None]


@cache
def print_of(chart: Chart, printer: SimulatedPrinter, paper: str) -> np.ndarray:
    """(H, W, 3) float32 linear light off the sheet in white light, PAGE_PX_PER_MM pixels a millimetre."""
    page = raster(chart_sheet(chart, paper))
    shrunk = PAGE_PX_PER_MM / PX_PER_MM
    sent = cv2.resize(page, None, fx=shrunk, fy=shrunk, interpolation=cv2.INTER_AREA) / 255
    return (printer(sent) * _mottle(printer, sent.shape[:2])).astype(np.float32)


def photograph(
    chart: Chart, printer: SimulatedPrinter, camera: SimulatedCamera, corners_px: np.ndarray, rng, paper: str = "a4"
) -> np.ndarray:
    """(H, W, 3) uint8 of a sheet whose corners, clockwise from its upper left, lie at `corners_px` (4, 2)."""
    printed = print_of(chart, printer, paper)
    height, width = printed.shape[:2]
    page_px = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32) - 0.5
    fine_px = (np.asarray(corners_px, np.float32) + 0.5) * FINE - 0.5  # integers are centres of pixels, fine ones, too
    fine = cv2.warpPerspective(
        printed,
        cv2.getPerspectiveTransform(page_px, fine_px),
        (camera.width_px * FINE, camera.height_px * FINE),
        borderMode=cv2.BORDER_CONSTANT,
        borderValue=(ROOM, ROOM, ROOM),
    )
    linear = cv2.resize(fine, (camera.width_px, camera.height_px), interpolation=cv2.INTER_AREA)
    linear = cv2.GaussianBlur(linear, (0, 0), camera.blur_px) * camera.light()
    noisy = camera.encoded(linear) + rng.normal(0, camera.noise_std, linear.shape)
    image = np.rint(255 * np.clip(noisy, 0, 1)).astype(np.uint8)
    return decode_jpeg(encode_jpeg(image, camera.jpeg_quality))


def _mottle(printer: SimulatedPrinter, shape: tuple[int, int]) -> np.ndarray:
    """(H, W, 1) about 1, in blotches of some millimetres, coarser than a patch's pixels and finer than the sheet."""
    rng = np.random.default_rng(printer.sheet)
    coarse = rng.normal(1, printer.mottle, (shape[0] // (5 * PAGE_PX_PER_MM), shape[1] // (5 * PAGE_PX_PER_MM)))
    return cv2.resize(coarse, shape[::-1], interpolation=cv2.INTER_CUBIC)[..., None]


def sheet_corners_px(camera: SimulatedCamera, rng, height_frac: float = 0.92, skew_frac: float = 0.03) -> np.ndarray:
    """(4, 2) a sheet that stands upright in the middle, its corners moved at random as a hand-held camera does."""
    height = height_frac * camera.height_px
    half = np.array([height * 210 / 297, height]) / 2
    corners = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * half
    moved = corners + rng.uniform(-skew_frac, skew_frac, (4, 2)) * height
    return moved + [(camera.width_px - 1) / 2, (camera.height_px - 1) / 2]
