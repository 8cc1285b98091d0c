"""What a printer and a camera make of a colour: the measured response that a scene's [print] and [sensor] can take.

`rig calibrate color` writes the file. One series of photographs cannot tell the printer's share from the camera's: the
response is both at once, from the 8-bit sRGB of the file that was printed to the sRGB that the camera gave of it, at
the exposure it had. It stands in [print], as it acts on what was printed only; [sensor] has what varies from one
photograph to the next.
"""

import itertools
from datetime import datetime
from math import comb
from pathlib import Path
from typing import Annotated

import tomli_w
import torch
from pydantic import Field, field_validator

from rig.errors import SceneError
from rig.settings import Section, read_toml, validated

SCHEMA = 1
MAX_DEGREE = 4
N_TERMS = {comb(degree + 3, 3): degree for degree in range(1, MAX_DEGREE + 1)}
Finite = Annotated[float, Field(allow_inf_nan=False)]
Channels = tuple[Finite, Finite, Finite]
Spread = tuple[Finite, Finite]  # low, high


def terms(colors: torch.Tensor, degree: int) -> torch.Tensor:
    """(N, T): every product of powers of red, green and blue (N, 3) up to a degree in all, the constant 1 first."""
    powers = [torch.ones_like(colors)]
    for _ in range(degree):
        powers.append(powers[-1] * colors)
    exponents = sorted(
        (e for e in itertools.product(range(degree + 1), repeat=3) if sum(e) <= degree), key=lambda e: (sum(e), e)
    )
    return torch.stack([powers[r][:, 0] * powers[g][:, 1] * powers[b][:, 2] for r, g, b in exponents], dim=1)


class ColorResponse(Section):
    """A polynomial between sRGB-encoded colours; `weights` has a row for each of `terms`, a column for each channel."""

    weights: tuple[Channels, ...]

    @field_validator("weights")
    @classmethod
    def _has_all_terms(cls, weights):
        if len(weights) not in N_TERMS:
            raise ValueError(f"{len(weights)} rows; expected {' or '.join(map(str, N_TERMS))}")
        return weights

    @property
    def degree(self) -> int:
        return N_TERMS[len(self.weights)]

    def __call__(self, colors: torch.Tensor) -> torch.Tensor:
        """What becomes of colours (N, 3) in [0, 1]; differentiable, not clipped."""
        return terms(colors, self.degree) @ colors.new_tensor(self.weights)


class PrintSpread(Section):
    """What a response leaves open: [print] of a scene."""

    gain: Spread
    offset: Spread


class SensorSpread(Section):
    """What varies from one photograph to the next: [sensor] of a scene."""

    gain: Spread
    offset: Spread
    noise_std: Spread


class Quality(Section):
    """CIE76 Delta-E between predicted and observed patches; held out: patches that the fit did not see."""

    held_out_delta_e_median: float
    held_out_delta_e_p95: float
    held_out_delta_e_by_degree: tuple[float, ...]  # medians, from degree 1
    uncorrected_delta_e_median: float  # between what was sent to the printer and what the camera saw of it
    fit_sd_delta_e_median: float  # bootstrap over patches: how far refits are from the fit, over the colour cube
    fit_sd_delta_e_max: float
    patches: int


class PhotographRecord(Section):
    name: str
    sha256: str
    gain: float  # of sRGB-encoded white, over all photographs' mean
    unevenness: float  # brightest over darkest place of the paper, linear light
    noise_std: float


class ResponseFile(Section):
    schema_: int = Field(SCHEMA, alias="schema", ge=SCHEMA, le=SCHEMA)
    date: datetime
    rig: str  # version
    chart_sha256: str
    quality: Quality
    print: PrintSpread
    sensor: SensorSpread
    response: ColorResponse
    photographs: tuple[PhotographRecord, ...]

    def in_words(self) -> list[str]:
        """What a technician wants to know."""
        quality, shots = self.quality, len(self.photographs)
        degrees = ", ".join(f"{error:.1f}" for error in quality.held_out_delta_e_by_degree)
        low, high = self.sensor.gain
        once = "; one photograph says nothing of how exposure varies" if shots == 1 else ""
        return [
            f"Delta-E on patches not fitted: median {quality.held_out_delta_e_median:.1f}, "
            f"95 % within {quality.held_out_delta_e_p95:.1f} (uncorrected: {quality.uncorrected_delta_e_median:.1f}); "
            f"{quality.patches} patches, {shots} photographs",
            f"polynomial of degree {self.response.degree} (degree 1 to {MAX_DEGREE}: {degrees}), sure to Delta-E "
            f"{quality.fit_sd_delta_e_median:.1f} (at worst {quality.fit_sd_delta_e_max:.1f})",
            f"white from {low:.2f} to {high:.2f} of its mean, noise {self.sensor.noise_std[0]:.3f} to "
            f"{self.sensor.noise_std[1]:.3f}{once}",
        ]

    def to_toml(self) -> str:
        return tomli_w.dumps(self.model_dump(mode="python", by_alias=True))

    def for_scene(self) -> dict:
        """The keys of a scene that were measured."""
        printed = self.print.model_dump() | {"response": self.response.model_dump()}
        return {"print": printed, "sensor": self.sensor.model_dump()}


def read_response(path: Path) -> ResponseFile:
    """Raises SceneError naming the key."""
    document = read_toml(path, "colour response", SceneError)
    return validated(ResponseFile, document, str(path), SceneError)
