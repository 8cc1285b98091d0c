"""The whole of `rig calibrate color`: a chart to print; photographs of it in, colour response and picture out."""

from datetime import UTC, datetime
from pathlib import Path

import cv2
import numpy as np
import torch

import rig
from rig.calibrate.color_chart import Chart, chart_sheet, default_chart
from rig.calibrate.color_fit import Fit, distance, fit
from rig.calibrate.color_picture import draw
from rig.calibrate.color_reading import Reading, read
from rig.calibrate.profile import CameraProfile
from rig.calibrate.sheet import write_sheet
from rig.calibrate.sources import Photograph, read_photographs
from rig.errors import CalibrationError
from rig.images import encode_png, linear_to_srgb
from rig.runs import write_atomically
from rig.scene.response import SCHEMA, PhotographRecord, PrintSpread, Quality, ResponseFile, SensorSpread

RESIDUAL_QUANTILE = 0.95  # of held-out errors of a channel: what [print] offset covers on either side
NOISE_QUANTILES = 0.1, 0.9  # of the patches' noise: what [sensor] noise_std covers


def write_chart(paper: str, out: Path) -> list[Path]:
    """Writes chart.pdf, chart.png and chart.toml into a folder."""
    chart = default_chart()
    return write_sheet(chart_sheet(chart, paper), chart.to_toml(), out / "chart")


def calibrate_color(paths: list[Path], chart: Chart, out: Path, camera: CameraProfile | None = None) -> ResponseFile:
    """Writes the response to `out` (.toml) and its picture beside it (.png). `camera` takes the lens's distortion out."""
    out = out if out.suffix == ".toml" else Path(f"{out}.toml")
    readings = [read(chart, undistorted(photograph, camera)) for photograph in read_photographs(paths)]
    if not readings:
        raise CalibrationError("no photographs given", expected="image files, a folder of them, or a video")
    sent, seen = chart.colors_8bit / 255, seen_colors(readings)
    found = fit(sent, seen)
    described = _file(chart, readings, sent, seen, found)
    picture = encode_png(draw(chart, seen, found))
    write_atomically(out.with_suffix(".png"), lambda partial: partial.write_bytes(picture))
    write_atomically(out, lambda partial: partial.write_text(described.to_toml(), encoding="utf-8"))
    return described


def undistorted(photograph: Photograph, camera: CameraProfile | None) -> Photograph:
    if camera is None:
        return photograph
    camera.require_size(*photograph.image.shape[1::-1], where=photograph.name)
    image = cv2.undistort(photograph.image, camera.lens.matrix, camera.lens.distortion)
    return Photograph(photograph.name, image, photograph.sha256)


def seen_colors(readings: list[Reading]) -> np.ndarray:
    """(N, 3) sRGB-encoded: the median photograph's patches, in the mean light of all, which is the same everywhere."""
    relative = np.median([reading.relative for reading in readings], axis=0)
    white = np.mean([reading.white for reading in readings], axis=0)
    return _encoded(np.clip(relative, 0, None) * white)


def _encoded(linear: np.ndarray) -> np.ndarray:
    return linear_to_srgb(torch.from_numpy(linear)).numpy()


def _file(chart: Chart, readings: list[Reading], sent: np.ndarray, seen: np.ndarray, found: Fit) -> ResponseFile:
    errors = found.held_out_delta_e
    white = _encoded(np.array([reading.white for reading in readings]))
    gain = white / white.mean(axis=0)  # (photographs, 3)
    return ResponseFile(
        schema=SCHEMA,
        date=datetime.now(UTC).replace(microsecond=0),
        rig=rig.__version__,
        chart_sha256=chart.sha256,
        quality=Quality(
            held_out_delta_e_median=float(np.median(errors)),
            held_out_delta_e_p95=float(np.quantile(errors, 0.95)),
            held_out_delta_e_by_degree=found.by_degree,
            uncorrected_delta_e_median=float(np.median(distance(sent, seen))),
            fit_sd_delta_e_median=float(np.median(found.sd_delta_e)),
            fit_sd_delta_e_max=float(found.sd_delta_e.max()),
            patches=len(sent),
        ),
        print=_print_spread(gain, found.held_out - seen),
        sensor=_sensor_spread(gain, np.concatenate([reading.noise_std for reading in readings])),
        response=found.response,
        photographs=tuple(
            PhotographRecord(
                name=reading.name,
                sha256=reading.sha256,
                gain=float(own.mean()),
                unevenness=reading.unevenness,
                noise_std=float(np.median(reading.noise_std)),
            )
            for reading, own in zip(readings, gain, strict=True)
        ),
    )


def _print_spread(gain: np.ndarray, residuals: np.ndarray) -> PrintSpread:
    """What is drawn for each channel on its own: drifts of white balance, and what the fit does not explain."""
    balance = gain / gain.mean(axis=1, keepdims=True)
    reach = float(np.quantile(np.abs(residuals), RESIDUAL_QUANTILE))
    return PrintSpread(gain=_range(balance), offset=(-reach, reach))


def _sensor_spread(gain: np.ndarray, noise_std: np.ndarray) -> SensorSpread:
    """What all channels share: exposures from the darkest photograph to the brightest, and noise."""
    noise = np.quantile(noise_std, NOISE_QUANTILES)
    return SensorSpread(gain=_range(gain.mean(axis=1)), offset=(0.0, 0.0), noise_std=tuple(noise.tolist()))


def _range(values: np.ndarray) -> tuple[float, float]:
    return float(values.min()), float(values.max())
