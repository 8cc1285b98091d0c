"""What a sticker is and where it goes, as asked; frozen into the run."""

from pathlib import Path
from typing import Literal

from pydantic import Field, field_validator

from rig.settings import Section

MOST_PATCH_PX = 1024


class StickerSettings(Section):
    """`shape`: or a black and white image over the sticker's box; white is sticker. Millimetres are those of the object."""

    size_mm: tuple[float, float]  # width and height, in its own plane
    shape: Literal["rectangle", "ellipse"] | Path = "rectangle"
    at_deg: tuple[float, float] = (0.0, 45.0)  # azimuth and elevation of the place, seen from the object's centre
    roll_deg: float = Field(0.0, ge=-360, le=360)
    lies: Literal["planar", "curved"] = "curved"  # projected along the place's normal, or wrapped around the surface
    patch_px: int | None = Field(None, ge=1, le=MOST_PATCH_PX)  # of its longer side; None: as fine as the texture there
    object_mm: float | None = Field(None, gt=0, le=1e6)  # the object's longest side; None: as the scene says

    @field_validator("size_mm")
    @classmethod
    def _has_extent(cls, size_mm: tuple[float, float]) -> tuple[float, float]:
        if not all(0 < side < 1e6 for side in size_mm):
            raise ValueError("a sticker has a width and a height above 0 mm")
        return size_mm

    @field_validator("at_deg")
    @classmethod
    def _is_direction(cls, at_deg: tuple[float, float]) -> tuple[float, float]:
        if not (-360 <= at_deg[0] <= 360 and -90 <= at_deg[1] <= 90):
            raise ValueError("expected an azimuth within -360 .. 360 and an elevation within -90 .. 90")
        return at_deg
