"""A camera profile: intrinsics with distortion and how sure they are, as a TOML file."""

from datetime import datetime
from pathlib import Path

import tomli_w
from pydantic import Field

from rig.calibrate.board import Board
from rig.calibrate.lens import Lens
from rig.contracts import Intrinsics
from rig.errors import CalibrationError
from rig.settings import Section, read_toml, validated

SCHEMA = 1


class Quality(Section):
    """`held_out_rms_px`: each view once left out of the fit; see rig.calibrate.fit."""

    rms_px: float
    held_out_rms_px: float
    views: int
    dropped_views: int
    corners: int
    missing: tuple[str, ...] = ()  # what the views leave uncovered, in words


class ViewRecord(Section):
    """One photograph, or frame of a video."""

    name: str
    sha256: str
    corners: int
    rms_px: float
    tilt_deg: float
    used: bool


class CameraProfile(Section):
    schema_: int = Field(SCHEMA, alias="schema", ge=SCHEMA, le=SCHEMA)
    date: datetime
    rig: str  # version
    opencv: str
    width_px: int = Field(gt=0)
    height_px: int = Field(gt=0)
    lens: Lens
    standard_deviation: Lens
    quality: Quality
    board: Board
    views: tuple[ViewRecord, ...]

    @property
    def intrinsics(self) -> Intrinsics:
        """Without the distortion."""
        lens = self.lens
        return Intrinsics(self.width_px, self.height_px, lens.fx_px, lens.fy_px, lens.cx_px, lens.cy_px)

    def require_size(self, width_px: int, height_px: int, where: object) -> None:
        """Raises CalibrationError for images of another size: another crop or binning has other intrinsics."""
        if (width_px, height_px) != (self.width_px, self.height_px):
            raise CalibrationError(
                "image is not of the size the camera was calibrated at",
                where=where,
                got=f"{width_px} x {height_px}",
                expected=f"{self.width_px} x {self.height_px}",
                hint="set the camera to that resolution, or calibrate it again at this one",
            )

    def in_words(self) -> list[str]:
        """What a technician wants to know: numbers with their standard deviations, errors, what is still missing."""
        numbers = self.lens.model_dump().items()
        deviations = self.standard_deviation.model_dump()
        found = [f"{name} {value:.4g} +- {deviations[name]:.2g}" for name, value in numbers if name[0] in "kp"]
        pixels = [f"{name} {value:.2f} +- {deviations[name]:.2f}" for name, value in numbers if name.endswith("_px")]
        quality = self.quality
        dropped = [f"{view.name} ({view.rms_px:.2f} px)" for view in self.views if not view.used]
        return [
            ", ".join(pixels),
            ", ".join(found),
            f"rms {quality.rms_px:.3f} px, held out {quality.held_out_rms_px:.3f} px, {quality.views} views",
            *([f"dropped: {', '.join(dropped)}"] if dropped else []),
            *(f"missing: {words}" for words in quality.missing),
        ]

    def to_toml(self) -> str:
        return tomli_w.dumps(self.model_dump(mode="python", by_alias=True, exclude_none=True))


def read_profile(path: Path, size_px: tuple[int, int] | None = None) -> CameraProfile:
    """A camera profile; with `size_px`, only if it was made at that width and height."""
    document = read_toml(path, "camera profile", CalibrationError)
    profile = validated(CameraProfile, document, str(path), CalibrationError)
    if size_px is not None:
        profile.require_size(*size_px, where=path)
    return profile
