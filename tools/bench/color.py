"""How well the colours of a printer and a camera whose every number is known are predicted from photographs of a chart.

    .venv/bin/python tools/bench/color.py [--photographs 4]

One row a simulation: held-out Delta-E (CIE76) by degree of the polynomial, the degree taken, median and 95th percentile
on patches it has not seen, and on 1,000 colours of no chart against the simulation's own noiseless values.
"""

import argparse
from dataclasses import replace

import numpy as np
import torch
from kornia.color import lab_to_rgb

from rig.calibrate.color import seen_colors
from rig.calibrate.color_chart import default_chart
from rig.calibrate.color_fit import distance, fit
from rig.calibrate.color_reading import read
from rig.calibrate.color_simulated import SimulatedCamera, SimulatedPrinter, photograph, sheet_corners_px
from rig.calibrate.sources import Photograph
from rig.color import lab
from rig.images import srgb_to_linear


class ColorManaged(SimulatedPrinter):
    """A driver that squeezes lightness into the paper's range and takes the more chroma away the more there is."""

    def __call__(self, sent: np.ndarray) -> np.ndarray:
        lightness, a, b = lab(torch.from_numpy(sent.reshape(-1, 3))).unbind(dim=1)
        kept = 0.85 / (1 + (a * a + b * b) / 140**2)
        squeezed = torch.stack([16 + 0.79 * lightness, kept * a, kept * b])[None, :, :, None]
        srgb = lab_to_rgb(squeezed)[0, :, :, 0].T
        return srgb_to_linear(srgb).numpy().reshape(sent.shape)


CHART = default_chart()
PRINTER, CAMERA = SimulatedPrinter(), SimulatedCamera(640, 480)
CASES = {
    "default, 640 x 480": (PRINTER, CAMERA),
    "1280 x 960": (PRINTER, SimulatedCamera(1280, 960)),
    "three times the noise": (PRINTER, replace(CAMERA, noise_std=0.03)),
    "JPEG quality 60": (PRINTER, replace(CAMERA, jpeg_quality=60)),
    "strong fall-off of light": (PRINTER, replace(CAMERA, fall_off=0.5, slope=0.4)),
    "another tone curve": (PRINTER, replace(CAMERA, tone=0.6)),
    "no dot gain": (replace(PRINTER, dot_gain=0.0, scatter=1.0), CAMERA),
    "much dot gain": (replace(PRINTER, dot_gain=0.2, scatter=2.2), CAMERA),
    "little ink": (replace(PRINTER, ink_limit=1.8), CAMERA),
    "colour-managed": (ColorManaged(), CAMERA),
    "blotchy print": (replace(PRINTER, mottle=0.06), CAMERA),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photographs", type=int, default=4)
    asked = parser.parse_args()
    print(f"{'simulation':26}  degree 1     2     3     4  taken  median   p95  new median   p95")
    for name, (printer, camera) in CASES.items():
        print(f"{name:26}  {row(printer, camera, asked.photographs)}", flush=True)


def row(printer: SimulatedPrinter, camera: SimulatedCamera, photographs: int) -> str:
    rng = np.random.default_rng(0)
    readings = [shot(printer, replace(camera, exposure=rng.uniform(0.7, 0.85)), rng) for _ in range(photographs)]
    found = fit(CHART.colors_8bit / 255, seen_colors(readings))
    errors, new = found.held_out_delta_e, on_new_colors(found.response, printer, camera, rng)
    degrees = "".join(f"{error:6.2f}" for error in found.by_degree)
    return (
        f"{degrees}  {found.response.degree:7}  {np.median(errors):6.2f}  {np.quantile(errors, 0.95):4.2f}"
        f"  {np.median(new):10.2f}  {np.quantile(new, 0.95):4.2f}"
    )


def shot(printer: SimulatedPrinter, camera: SimulatedCamera, rng):
    image = photograph(CHART, printer, camera, sheet_corners_px(camera, rng), rng)
    return read(CHART, Photograph("simulated", image, ""))


def on_new_colors(response, printer: SimulatedPrinter, camera: SimulatedCamera, rng) -> np.ndarray:
    """In the light in which the simulation's white paper is the response's."""
    colors = rng.random((1000, 3))
    lights = np.linspace(0.3, 1.2, 400)
    white = response(torch.ones(1, 3, dtype=torch.float64)).numpy()[0]
    light = lights[np.abs(camera.encoded(lights[:, None] * printer(np.ones(3))) - white).sum(axis=1).argmin()]
    return distance(response(torch.from_numpy(colors)).numpy(), camera.encoded(light * printer(colors)))


if __name__ == "__main__":
    main()
