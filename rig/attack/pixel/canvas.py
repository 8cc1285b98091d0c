"""Candidate images in the form in which the model takes them: clean values once, then only pixels change.

An image's every value goes through the card's normalisation on its own, so 256 bytes a channel are all there is to know.
"""

from dataclasses import dataclass

import numpy as np
import torch

from rig.attack.pixel.space import set_pixels
from rig.errors import RigError
from rig.images import batch_from_images
from rig.model import DeployedModel
from rig.model.preprocess import feed


@dataclass(frozen=True, eq=False)
class Plain:
    """8-bit images, scored by `predict`: for frames that the model resizes first, and for stand-ins of a model."""

    model: DeployedModel

    def begin(self, image: np.ndarray) -> np.ndarray:
        return image

    def draw(self, begun: np.ndarray, candidates: np.ndarray) -> np.ndarray:
        return set_pixels(begun, candidates)

    def scores(self, images: np.ndarray) -> np.ndarray:
        return self.model.predict(images)


class Fed:
    """The network's own input values, equal to the last bit to what `predict` would feed."""

    def __init__(self, model: DeployedModel):
        self.model, self._spec = model, model.card.input
        shades = torch.arange(256).view(256, 1, 1, 1).expand(256, 3, 1, 1).to(torch.uint8).float() / 255
        fed = feed(model.card, shades).contiguous().numpy().astype(self._spec.dtype, copy=False)
        self._table = fed.reshape(256, 3)  # of a byte, channels in the input's order
        self._order = [0, 1, 2] if self._spec.color == "RGB" else [2, 1, 0]

    def begin(self, image: np.ndarray) -> np.ndarray:
        """(3, H, W) or (H, W, 3), as the input is laid out. Raises RigError for an image that would be resized."""
        if image.shape[:2] != tuple(self.model.size_px):
            raise RigError("an image of another size than the first of its search", got=image.shape[:2])
        return self.model.fed(batch_from_images(image[None]))[0]

    def draw(self, begun: np.ndarray, candidates: np.ndarray) -> np.ndarray:
        """(n, ...) of candidates (n, K, 5); of equal places the last holds."""
        drawn = np.repeat(begun[None], len(candidates), axis=0)
        pixels = drawn if self._spec.layout == "NHWC" else drawn.transpose(0, 2, 3, 1)  # a view: (n, H, W, 3)
        values = self._table[candidates[..., 2:][..., self._order], [0, 1, 2]]
        which = np.arange(len(candidates))
        for slot in range(candidates.shape[1]):
            pixels[which, candidates[:, slot, 0], candidates[:, slot, 1]] = values[:, slot]
        return drawn

    def scores(self, images: np.ndarray) -> np.ndarray:
        return self.model.logits_of_fed(images)


def canvas_of(model: DeployedModel, image: np.ndarray) -> Plain | Fed:
    at_size = isinstance(model, DeployedModel) and image.shape[:2] == tuple(model.size_px)
    return Fed(model) if at_size else Plain(model)
