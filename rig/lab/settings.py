"""What the virtual lab is made of: camera, light, printer, and how the desk is arranged."""

from pathlib import Path
from typing import Annotated

import numpy as np
from pydantic import Field

from rig.calibrate.lens import Lens
from rig.errors import RigError
from rig.settings import Section, read_toml, validated

Share = Annotated[float, Field(ge=0, le=1)]
Rgb = tuple[Share, Share, Share]
# A webcam's lens at 640 x 480: 41 degrees high, its corners drawn in by 8 pixels.
LENS = Lens(fx_px=641.3, fy_px=639.8, cx_px=324.6, cy_px=235.7, k1=-0.19, k2=0.07, p1=0.0009, p2=-0.0007, k3=-0.01)


class LabCamera(Section):
    """Light is summed over the shutter's time, blurred by the optics, encoded as sRGB, then noise, 8 bits and JPEG."""

    width_px: int = Field(640, ge=64, le=4096)
    height_px: int = Field(480, ge=64, le=4096)
    fps: float = Field(15.0, gt=0, le=120)
    lens: Lens = LENS
    blur_px: float = Field(0.4, ge=0, le=10)  # standard deviation; a pixel's own area blurs by 0.5
    noise_std: float = Field(0.008, ge=0, le=1)  # of the full scale, each channel on its own
    shutter_s: float = Field(0.01, ge=0, le=1)
    jpeg_quality: int = Field(92, ge=1, le=100)


class Light(Section):
    """Reflected light = reflectance x (ambient + directional x cosine), in linear light.

    The lamp stands in the room: azimuth counts from where the camera stands, elevation from the horizon.
    """

    ambient: float = Field(0.65, ge=0, le=10)
    directional: float = Field(0.5, ge=0, le=10)
    azimuth_deg: float = Field(50.0, ge=-360, le=360)
    elevation_deg: float = Field(55.0, ge=0, le=90)


class Printer(Section):
    """Reflectance = black + (paper - black) x (mixing @ linear ** gamma), each channel in linear light.

    Inks absorb beside their own band, paper is not white, ink is not black.
    """

    paper: Rgb = (0.84, 0.85, 0.80)
    black: Rgb = (0.022, 0.024, 0.028)
    gamma: float = Field(1.12, gt=0, le=4)
    mixing: tuple[Rgb, Rgb, Rgb] = ((0.90, 0.08, 0.02), (0.06, 0.88, 0.06), (0.03, 0.12, 0.85))  # rows sum to 1

    def reflectance(self, linear: np.ndarray) -> np.ndarray:
        """Of linear colours (..., 3) in [0, 1]."""
        paper, black, mixing = (np.asarray(value, np.float32) for value in (self.paper, self.black, self.mixing))
        return black + (paper - black) * (linear**self.gamma @ mixing.T)


class Arrangement(Section):
    """The object's bounding sphere, the plain mat between it and the board, and the desk's own grey.

    Without a mat (radius 0) networks call whatever stands on a board of markers a crossword puzzle.
    """

    object_radius_m: float = Field(0.05, gt=0.005, le=0.5)
    mat_radius_m: float = Field(0.08, ge=0, le=1)
    mat: float = Field(0.6, ge=0, le=1)  # reflectance
    desk: float = Field(0.14, ge=0, le=1)  # reflectance
    light: Light = Light()
    printer: Printer = Printer()


def read_lab_camera(path: Path) -> LabCamera:
    """A lab camera's file. Raises RigError naming the key."""
    return validated(LabCamera, read_toml(path, "lab camera", RigError), str(path))
