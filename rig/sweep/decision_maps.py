"""Where a network's answer changes around one frame: over all places of a coloured pixel, and in a plane through the frame."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import cv2
import numpy as np
import torch

from rig.attack.goal import Goal
from rig.attack.pixel.fitness import margin
from rig.attack.pixel.space import set_pixels
from rig.images import batch_from_images
from rig.model import DeployedModel
from rig.views import derive_seed

CHUNK = 32
# Okabe & Ito 2008: told apart by colour-blind eyes, too. The first is the clean answer, the second the adversarial one.
PALETTE = np.array(
    [[0, 114, 178], [213, 94, 0], [204, 121, 167], [0, 158, 115], [240, 228, 66], [86, 180, 233], [230, 159, 0]],
    np.uint8,
)
REST = np.array([150, 150, 150], np.uint8)
MARK = np.array([0, 0, 0], np.uint8)
PICTURE_PX = 448  # the longer side of a picture, about


@dataclass(frozen=True, eq=False)
class DecisionMap:
    """`predicted` (R, C) class numbers; `margin` (R, C) logits by which the true classes lead all others.

    `rows` (R,) and `columns` (C,) say where the answers were asked for: pixel numbers, or lengths along two directions.
    """

    predicted: np.ndarray
    margin: np.ndarray
    rows: np.ndarray
    columns: np.ndarray

    def shares(self) -> dict[int, float]:
        """Share of the map of each class, the largest first."""
        counts = Counter(self.predicted.ravel().tolist())
        return {number: count / self.predicted.size for number, count in counts.most_common()}


def place_map(
    model: DeployedModel, image: np.ndarray, color: np.ndarray, goal: Goal, stride_px: int = 1
) -> DecisionMap:
    """The answer with one pixel of `color` at every place (every `stride_px`-th) of an image (H, W, 3) uint8."""
    rows, columns = (np.arange(stride_px // 2, side, stride_px) for side in image.shape[:2])
    places = np.stack(np.meshgrid(rows, columns, indexing="ij"), axis=-1).reshape(-1, 2)
    candidates = np.concatenate([places, np.broadcast_to(np.asarray(color), (len(places), 3))], axis=1)[:, None]
    batches = (batch_from_images(set_pixels(image, chunk)) for chunk in _chunks(candidates))
    return _asked(model, goal, batches, rows, columns)


def plane_map(
    model: DeployedModel,
    clean: np.ndarray,
    adversarial: np.ndarray,
    goal: Goal,
    seed: int,
    n: int = 41,
    reach: float = 2.0,
) -> DecisionMap:
    """The answer at clean + column (adversarial - clean) + row random, each of the two within +-`reach`.

    `random` is normal, orthogonal to the first direction and of its length; what leaves [0, 1] is clipped.
    """
    start = batch_from_images(np.stack([clean, adversarial]))
    towards = start[1] - start[0]
    aside = _orthogonal(towards, derive_seed(seed, "plane"))
    lengths = np.linspace(-reach, reach, n)
    points = np.stack(np.meshgrid(lengths, lengths, indexing="ij"), axis=-1).reshape(-1, 2).astype(np.float32)
    batches = (
        torch.stack([start[0] + float(column) * towards + float(row) * aside for row, column in chunk]).clamp(0, 1)
        for chunk in _chunks(points)
    )
    return _asked(model, goal, batches, lengths, lengths)


def _orthogonal(direction: torch.Tensor, seed: int) -> torch.Tensor:
    random = torch.randn(direction.shape, generator=torch.Generator().manual_seed(seed))
    random -= (random * direction).sum() / direction.square().sum() * direction
    return random * (direction.norm() / random.norm())


def _chunks(values: np.ndarray) -> Iterator[np.ndarray]:
    return (values[start : start + CHUNK] for start in range(0, len(values), CHUNK))


def _asked(model: DeployedModel, goal: Goal, batches: Iterable[torch.Tensor], rows, columns) -> DecisionMap:
    logits = np.concatenate([model.logits(batch) for batch in batches])
    shape = len(rows), len(columns)
    leads = margin(Goal(goal.true, None), logits).reshape(shape)
    return DecisionMap(logits.argmax(axis=1).reshape(shape), leads, rows, columns)


def key(found: DecisionMap, first: tuple[int, ...]) -> dict[int, tuple[int, int, int]]:
    """Class to colour: `first` (clean answer, adversarial answer) in order, then the largest others, the rest grey."""
    order = list(dict.fromkeys([*first, *found.shares()]))
    colors = [PALETTE[i] if i < len(PALETTE) else REST for i in range(len(order))]
    return {number: tuple(color.tolist()) for number, color in zip(order, colors, strict=True)}


def picture(found: DecisionMap, colors: dict[int, tuple[int, int, int]], marks: tuple[tuple[int, int], ...] = ()):
    """(h, w, 3) uint8: a square for each answer in its class's colour, marked cells with a black dot in them."""
    zoom = max(1, PICTURE_PX // max(found.predicted.shape))
    painted = np.array([[colors[number] for number in row] for row in found.predicted.tolist()], np.uint8)
    image = np.repeat(np.repeat(painted, zoom, axis=0), zoom, axis=1)
    for row, column in marks:
        centre = zoom * column + zoom // 2, zoom * row + zoom // 2
        cv2.circle(image, centre, max(2, zoom // 4), MARK.tolist(), thickness=-1)
    return image
