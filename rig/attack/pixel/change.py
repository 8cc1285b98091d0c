"""What a pixel attack finds: a few pixels of one image and the 8-bit colours they are set to."""

import json
from dataclasses import dataclass

import numpy as np

from rig.attack.pixel.space import set_pixels
from rig.errors import RigError

COLUMNS = ("row", "column", "red", "green", "blue")


@dataclass(frozen=True, eq=False)
class PixelChange:
    """`pixels` (K, 5) int: row, column, red, green, blue, 8-bit, in the coordinates of the image a model is given.

    Where two entries name the same pixel the later one holds, so the change may touch fewer than K pixels.
    """

    pixels: np.ndarray

    def __post_init__(self):
        pixels = np.asarray(self.pixels)
        if pixels.ndim != 2 or pixels.shape[1] != len(COLUMNS) or not np.issubdtype(pixels.dtype, np.integer):
            got = f"{pixels.dtype} of shape {pixels.shape}"
            raise RigError("not a list of pixels", got=got, expected=f"integers of shape (K, 5): {', '.join(COLUMNS)}")
        if pixels.size and (pixels.min() < 0 or pixels[:, 2:].max() > 255):
            raise RigError("a pixel out of range", got=pixels.tolist(), expected="rows, columns >= 0; colours 0 to 255")
        object.__setattr__(self, "pixels", pixels.astype(np.int64))

    def __len__(self):
        return len(self.pixels)

    def applied(self, image: np.ndarray) -> np.ndarray:
        """A copy of (H, W, 3) uint8 with these pixels set. Raises RigError for a pixel outside of it."""
        rows, columns, height, width = self.pixels[:, 0], self.pixels[:, 1], *image.shape[:2]
        if (rows >= height).any() or (columns >= width).any():
            raise RigError("a pixel outside of the image", got=self.pixels.tolist(), expected=f"{height} x {width}")
        return set_pixels(image, self.pixels[None])[0]

    def to_json(self) -> str:
        return json.dumps({"columns": COLUMNS, "pixels": self.pixels.tolist()})

    @classmethod
    def from_json(cls, text: str) -> "PixelChange":
        """Raises RigError for anything that `to_json` does not write."""
        try:
            content = json.loads(text)
            columns, pixels = tuple(content["columns"]), np.array(content["pixels"])
        except (ValueError, KeyError, TypeError) as error:
            raise RigError(f"not a pixel change ({error!r})", expected='{"columns": [...], "pixels": [...]}') from error
        if columns != COLUMNS:
            raise RigError("columns of another order", got=columns, expected=COLUMNS)
        return cls(pixels.astype(int).reshape(0, 5) if pixels.size == 0 else pixels)


def changed_pixels(clean: np.ndarray, adversarial: np.ndarray) -> int:
    """L0 in pixels: how many differ in any channel between two 8-bit images of one size."""
    if clean.shape != adversarial.shape or clean.dtype != np.uint8 or adversarial.dtype != np.uint8:
        got = f"{clean.dtype} {clean.shape} and {adversarial.dtype} {adversarial.shape}"
        raise RigError("images that cannot be compared", got=got, expected="uint8 of one shape")
    return int((clean != adversarial).any(axis=2).sum())
