"""The simplest response that explains the patches, and how sure it is.

Candidates are polynomials of degree 1 to 4 between sRGB-encoded colours (3 x 4 to 3 x 35 numbers): the usual way to
characterise a camera (Hong, Luo and Rhodes, Color Research and Application 2001), here for printer and camera at once,
linear in its numbers and smooth for gradients. Patches that a fit has not seen choose the degree.
"""

from dataclasses import dataclass

import numpy as np
import torch

from rig.color import delta_e
from rig.scene.response import MAX_DEGREE, ColorResponse, terms

FOLDS = 10
REFITS = 100
CUBE_LEVELS = 5  # of each channel, where refits are compared


@dataclass(frozen=True)
class Fit:
    """`held_out` (N, 3): each patch as predicted by a fit that did not see it."""

    response: ColorResponse
    held_out: np.ndarray
    held_out_delta_e: np.ndarray  # (N,)
    by_degree: tuple[float, ...]  # median held-out Delta-E of degree 1, 2, ...
    sd_delta_e: np.ndarray  # (CUBE_LEVELS ** 3,) root mean square Delta-E of refits


def fit(sent: np.ndarray, seen: np.ndarray, seed: int = 0) -> Fit:
    """From sRGB-encoded colours in [0, 1]: sent to the printer (N, 3), seen by the camera (N, 3)."""
    rng = np.random.default_rng(seed)
    fold = rng.permutation(len(sent)) % FOLDS
    degrees = range(1, MAX_DEGREE + 1)
    held_out = [_held_out(sent, seen, fold, degree) for degree in degrees]
    errors = [distance(predicted, seen) for predicted in held_out]
    chosen = simplest(errors)
    return Fit(
        ColorResponse(weights=_weights(sent, seen, degrees[chosen]).tolist()),
        held_out[chosen],
        errors[chosen],
        tuple(float(np.median(error)) for error in errors),
        _sd_delta_e(sent, seen, degrees[chosen], rng),
    )


def simplest(errors: list[np.ndarray]) -> int:
    """The first candidate whose mean error is within a standard error of the best one's."""
    best = min(errors, key=np.mean)
    limit = best.mean() + best.std(ddof=1) / np.sqrt(len(best))
    return next(number for number, error in enumerate(errors) if error.mean() <= limit)


def distance(colors: np.ndarray, others: np.ndarray) -> np.ndarray:
    """(N,) CIE76 Delta-E of sRGB-encoded colours, clipped to what a frame can hold."""
    return delta_e(*(torch.from_numpy(np.clip(side, 0, 1)) for side in (colors, others))).numpy()


def _weights(sent: np.ndarray, seen: np.ndarray, degree: int) -> np.ndarray:
    """(T, 3), by least squares."""
    return np.linalg.lstsq(_terms(sent, degree), seen, rcond=None)[0]


def _terms(colors: np.ndarray, degree: int) -> np.ndarray:
    return terms(torch.from_numpy(colors), degree).numpy()


def _held_out(sent: np.ndarray, seen: np.ndarray, fold: np.ndarray, degree: int) -> np.ndarray:
    predicted = np.empty_like(seen)
    for number in range(FOLDS):
        unseen = fold == number
        predicted[unseen] = _terms(sent[unseen], degree) @ _weights(sent[~unseen], seen[~unseen], degree)
    return predicted


def _sd_delta_e(sent: np.ndarray, seen: np.ndarray, degree: int, rng: np.random.Generator) -> np.ndarray:
    """Bootstrap over patches: how far refits to patches drawn anew stray from the fit, at points of the colour cube."""
    levels = np.linspace(0, 1, CUBE_LEVELS)
    cube = _terms(np.stack(np.meshgrid(levels, levels, levels), axis=-1).reshape(-1, 3), degree)
    predicted = cube @ _weights(sent, seen, degree)
    squares = np.zeros(len(cube))
    for _ in range(REFITS):
        drawn = rng.integers(len(sent), size=len(sent))
        squares += distance(cube @ _weights(sent[drawn], seen[drawn], degree), predicted) ** 2
    return np.sqrt(squares / REFITS)
