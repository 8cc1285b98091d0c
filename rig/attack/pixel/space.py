"""Where candidates live: K pixels of an image, as real numbers that a search may vary and as the 8-bit pixels they mean."""

from dataclasses import dataclass

import numpy as np

CORNERS = np.stack(np.meshgrid(*[[0, 255]] * 3, indexing="ij"), axis=-1).reshape(8, 3)  # of the colour cube


@dataclass(frozen=True)
class Space:
    """Genomes (n, K, 5) float: row in [0, height), column in [0, width), red, green, blue in [0, 255]."""

    height_px: int
    width_px: int
    n_pixels: int

    @property
    def most(self) -> np.ndarray:
        """The largest 8-bit candidate, (5,)."""
        return np.array([self.height_px - 1, self.width_px - 1, 255, 255, 255])

    def clip(self, genomes: np.ndarray) -> np.ndarray:
        beyond = np.nextafter([self.height_px, self.width_px], 0)
        return np.clip(genomes, 0, [*beyond, 255, 255, 255])

    def decode(self, genomes: np.ndarray) -> np.ndarray:
        """Candidates (n, K, 5) int: the pixel a place falls into, the nearest 8-bit colour."""
        places, colors = np.floor(genomes[..., :2]), np.rint(genomes[..., 2:])
        return np.clip(np.concatenate([places, colors], axis=-1), 0, self.most).astype(np.int64)


def set_pixels(image: np.ndarray, candidates: np.ndarray) -> np.ndarray:
    """(n, H, W, 3) uint8: the image once for each candidate (n, K, 5), its pixels set; of equal places the last holds."""
    images = np.repeat(image[None], len(candidates), axis=0)
    which = np.arange(len(candidates))
    for slot in range(candidates.shape[1]):  # in order, so that "the last holds" does not rest on numpy
        pixel = candidates[:, slot]
        images[which, pixel[:, 0], pixel[:, 1]] = pixel[:, 2:]
    return images
