"""Which part of a camera's frame a model is given. The whole frame is always among them: nobody crops a deployed camera."""

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np

from rig.calibrate.lens import Lens
from rig.contracts import Transform
from rig.errors import RigError

MARGIN = 1.25  # of a board-relative crop, over the object's bounding sphere

Window = tuple[slice, slice]  # rows, columns


@dataclass(frozen=True)
class Crop:
    """`full`: the frame; `board`: a square about the object, placed by the board's pose; `fixed`: the middle square.

    `share` is a fixed square's side over the frame's shorter side.
    """

    kind: Literal["full", "board", "fixed"]
    share: float = 1.0

    @property
    def name(self) -> str:
        return f"fixed={self.share:g}" if self.kind == "fixed" else self.kind

    @property
    def words(self) -> str:
        if self.kind == "full":
            return "the whole frame"
        if self.kind == "board":
            return f"a square {MARGIN:g} times as wide as the object, placed by the board's pose"
        return f"the middle square, {self.share:.0%} of the frame's shorter side"


def parse_crop(text: str) -> Crop:
    kind, _, share = text.partition("=")
    if text in ("full", "board"):
        return Crop(kind)
    try:
        if kind == "fixed" and 0.05 <= float(share) <= 1:
            return Crop("fixed", float(share))
    except ValueError:
        pass
    raise RigError("not a crop", where="--crop", got=text, expected="full, board or fixed=0.05 to fixed=1")


def window(crop: Crop, size_px: tuple[int, int], sphere: tuple[np.ndarray, float] | None) -> Window | None:
    """Rows and columns of a frame (height, width); None for a board-relative crop where pose or object is out of sight.

    `sphere` is the object's, as `sphere_px` gives it. A square that would leave the frame is moved inside; an object
    whose centre has left it is out of sight.
    """
    height, width = size_px
    if crop.kind == "full":
        return slice(0, height), slice(0, width)
    if crop.kind == "fixed":
        side = max(1, round(crop.share * min(height, width)))
        return _square(((width - 1) / 2, (height - 1) / 2), side, size_px)
    if sphere is None:
        return None
    centre_px, radius_px = sphere
    if not (0 <= centre_px[0] < width and 0 <= centre_px[1] < height):
        return None
    return _square(centre_px, min(height, width, max(1, round(2 * MARGIN * radius_px))), size_px)


def sphere_px(lens: Lens, camera_from_object: Transform, radius_m: float) -> tuple[np.ndarray, float] | None:
    """Centre (column, row) and radius in pixels of a sphere about the object's origin; None where it touches the camera."""
    centre_m = camera_from_object[:3, 3]
    distance_m = float(np.linalg.norm(centre_m))
    if centre_m[2] <= 0 or distance_m <= radius_m:
        return None
    centre_px = lens.project(np.zeros((1, 3)), camera_from_object)[0]
    return centre_px, lens.fx_px * math.tan(math.asin(radius_m / distance_m))


def _square(centre_px, side: int, size_px: tuple[int, int]) -> Window:
    starts = [
        int(np.clip(round(float(centre) - (side - 1) / 2), 0, most - side))
        for centre, most in zip((centre_px[1], centre_px[0]), size_px, strict=True)
    ]
    return slice(starts[0], starts[0] + side), slice(starts[1], starts[1] + side)
