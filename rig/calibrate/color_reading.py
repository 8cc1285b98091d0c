"""What a photograph shows of a colour chart: each patch's colour, with the light over the chart taken out."""

from dataclasses import dataclass

import cv2
import numpy as np
import torch

from rig.calibrate.color_chart import Chart
from rig.calibrate.sources import Photograph
from rig.errors import CalibrationError
from rig.images import srgb_to_linear

INNER_FRAC = 0.6  # of a patch's side: its edges are blurred, and JPEG smears colours over them
MIN_PATCH_PX = 25  # pixels within that part
TRIM_FRAC = 0.2  # of a patch's pixels at each end, left out of the mean: dust, speckles
MAX_CORNER_RMS_FRAC = 0.1  # of a patch's side: farther off, the patches are not where they are looked for
MAX_WHITE, MIN_WHITE = 0.985, 0.35  # of the sensor's range: the paper must be neither clipped nor dark
MAX_UNEVENNESS = 2.0  # the paper's brightest place over its darkest, in linear light
MAX_WHITE_RMS = 0.05  # of white about the smooth light: shadows and glare are no smooth light


@dataclass(frozen=True)
class Reading:
    """One photograph. `relative` (N, 3) is linear light over what bare paper sends at the same place."""

    name: str
    sha256: str
    relative: np.ndarray
    white: np.ndarray  # (3,) linear light of bare paper, mean over the chart
    unevenness: float
    noise_std: np.ndarray  # (N,) of sRGB-encoded values within a patch


def read(chart: Chart, photograph: Photograph) -> Reading:
    """Raises CalibrationError where the chart is not found, clipped, dark, or unevenly lit."""
    image = photograph.image
    chart_from_image, rms_mm = _registration(chart, photograph)
    patches = _patches(chart, image, chart_from_image, photograph.name)
    _require_flat(chart, rms_mm, photograph.name)
    means = np.stack([_trimmed_mean(pixels) for pixels in patches]) / 255
    white = (chart.colors_8bit == 255).all(axis=1)
    _require_exposure(means[white], photograph.name)
    linear = srgb_to_linear(torch.from_numpy(means)).numpy()
    light = _light(chart.centres_mm, linear, white)
    unevenness = float((light.mean(axis=1).max() / max(light.mean(axis=1).min(), 1e-6)).item())
    _require_even(linear[white] / light[white], unevenness, photograph.name)
    noise = np.array([_spread(pixels) for pixels in patches]) / 255
    return Reading(photograph.name, photograph.sha256, linear / light, light.mean(axis=0), unevenness, noise)


def _registration(chart: Chart, photograph: Photograph) -> tuple[np.ndarray, float]:
    """(3, 3) homography, chart millimetres of image pixels; and how far the markers' corners are off it."""
    parameters = cv2.aruco.DetectorParameters()
    parameters.cornerRefinementMethod = cv2.aruco.CORNER_REFINE_SUBPIX
    detector = cv2.aruco.ArucoDetector(chart.aruco_dictionary, parameters)
    corners, ids, _ = detector.detectMarkers(cv2.cvtColor(photograph.image, cv2.COLOR_RGB2GRAY))
    seen = {} if ids is None else dict(zip(np.ravel(ids).tolist(), corners, strict=True))
    found = [name for name in chart.markers if name in seen]
    if len(found) < 4:
        raise CalibrationError(
            "the chart's markers are not all seen",
            where=photograph.name,
            got=f"{len(found)} of 4",
            hint="is the whole chart in the picture, sharp and not mirrored?",
        )
    corners_px = np.concatenate([seen[name].reshape(4, 2) for name in chart.markers]).astype(np.float64)
    corners_mm = chart.marker_corners_mm.reshape(-1, 2)
    chart_from_image = cv2.findHomography(corners_px, corners_mm)[0]
    offsets_mm = cv2.perspectiveTransform(corners_px[None], chart_from_image)[0] - corners_mm
    return chart_from_image, float(np.sqrt((offsets_mm**2).sum(axis=1).mean()))


def _patches(chart: Chart, image: np.ndarray, chart_from_image: np.ndarray, where: str) -> list[np.ndarray]:
    """(pixels, 3) uint8 for each patch: those whose centres lie in its inner part."""
    height, width = image.shape[:2]
    pixels = np.stack(np.meshgrid(np.arange(width), np.arange(height)), axis=-1).reshape(-1, 1, 2).astype(np.float64)
    place = cv2.perspectiveTransform(pixels, chart_from_image)[:, 0] / chart.cell_mm
    cell = np.floor(place)
    inner = np.abs(place - cell - 0.5).max(axis=1) < INNER_FRAC / 2 * chart.patch_mm / chart.cell_mm
    columns, rows = chart.cells
    number = np.full((columns, rows), -1)
    for index, (column, row) in enumerate(np.floor(chart.centres_mm / chart.cell_mm).astype(int)):
        number[column, row] = index
    on_chart = inner & (cell >= 0).all(axis=1) & (cell < chart.cells).all(axis=1)
    owner = np.full(len(place), -1)
    owner[on_chart] = number[tuple(cell[on_chart].astype(int).T)]
    order = np.argsort(owner, kind="stable")
    counts = np.bincount(owner + 1, minlength=len(chart.colors) + 1)
    if counts[1:].min() < MIN_PATCH_PX:
        raise CalibrationError(
            "the chart is too small in this picture",
            where=where,
            got=f"{counts[1:].min()} pixels of a patch",
            expected=f"at least {MIN_PATCH_PX}",
            hint="come nearer, or take a higher resolution",
        )
    return np.split(image.reshape(-1, 3)[order], np.cumsum(counts)[:-1])[1:]


def _trimmed_mean(pixels: np.ndarray) -> np.ndarray:
    """(3,) mean of each channel without its extremes."""
    cut = int(TRIM_FRAC * len(pixels))
    return np.sort(pixels, axis=0)[cut : len(pixels) - cut].mean(axis=0)


def _spread(pixels: np.ndarray) -> float:
    """Standard deviation of a normal distribution with the same quartiles, mean of the channels."""
    low, high = np.quantile(pixels, [0.25, 0.75], axis=0)
    rounding = 1 / 12  # variance that 8 bits add
    return float(np.sqrt(np.maximum(((high - low) / 1.349) ** 2 - rounding, 0)).mean())


def _light(centres_mm: np.ndarray, linear: np.ndarray, white: np.ndarray) -> np.ndarray:
    """(N, 3) linear light that bare paper would send from each patch: a quadratic surface through the white ones."""
    x, y = (2 * centres_mm / centres_mm.max(axis=0) - 1).T
    surface = np.stack([np.ones_like(x), x, y, x * x, x * y, y * y], axis=1)
    return surface @ np.linalg.lstsq(surface[white], linear[white], rcond=None)[0]


def _require_flat(chart: Chart, rms_mm: float, where: str) -> None:
    limit_mm = MAX_CORNER_RMS_FRAC * chart.patch_mm
    if rms_mm > limit_mm:
        raise CalibrationError(
            "the chart is not flat in this picture",
            where=where,
            got=f"markers {rms_mm:.1f} mm rms off a plane",
            expected=f"at most {limit_mm:g} mm",
            hint="a bent print, or a lens that needs --camera PROFILE",
        )


def _require_exposure(white: np.ndarray, where: str) -> None:
    """`white` (W, 3): sRGB-encoded, in [0, 1]."""
    if white.max() > MAX_WHITE:
        got = f"{255 * white.max():.0f} of 255"
        hint = "expose less, or light it more evenly"
        raise CalibrationError("white paper is clipped", where=where, got=got, hint=hint)
    if white.min() < MIN_WHITE:
        got = f"white paper at {255 * white.min():.0f} of 255"
        raise CalibrationError("too dark", where=where, got=got, expected=f"at least {255 * MIN_WHITE:.0f}")


def _require_even(remaining: np.ndarray, unevenness: float, where: str) -> None:
    if not unevenness <= MAX_UNEVENNESS:
        raise CalibrationError(
            "the chart is unevenly lit",
            where=where,
            got=f"{unevenness:.1f} times brighter at one place than at another",
            expected=f"at most {MAX_UNEVENNESS:g}",
        )
    rms = float(np.sqrt(((remaining - 1) ** 2).mean()))
    if rms > MAX_WHITE_RMS:
        raise CalibrationError(
            "a shadow or glare lies on the chart",
            where=where,
            got=f"white paper {rms:.0%} off a smooth light",
            expected=f"at most {MAX_WHITE_RMS:.0%}",
        )
