"""Does a pixel change found on one frame still fool from beside it, in another light, after recompression?

Rows out; each has the change's outcome and its clean twin's: the same view, the same condition, the same noise.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy.special import softmax

from rig.attack.goal import Goal
from rig.contracts import View
from rig.model import DeployedModel, Labels
from rig.render import PreparedView, Renderer
from rig.sweep.carriers import Carrier
from rig.sweep.conditions import CONDITIONS, Condition
from rig.sweep.neighbours import ring
from rig.views import derive_seed

ANGLE = "angle_deg"  # the name that a row's `condition` has where the camera moved
ANGLES_DEG = (0.0, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0)
BEARINGS = 4
CHUNK = 16  # frames held at a time


@dataclass(frozen=True, eq=False)
class Item:
    """A frame that an attack was run on, what counts as right there, and the changes carried from it to others."""

    name: str
    view: View
    goal: Goal
    carriers: tuple[Carrier, ...]


def bearings_deg(item: Item, angle_deg: float, n: int, seed: int) -> np.ndarray:
    """n directions to move in, even, from a random beginning of each item and angle."""
    begin = np.random.default_rng(derive_seed(seed, item.name, "bearing", str(angle_deg))).uniform(0, 360)
    return (begin + 360 * np.arange(n) / n) % 360


def angle_rows(
    item: Item, renderer: Renderer, model: DeployedModel, seed: int, angles_deg=ANGLES_DEG, bearings: int = BEARINGS
) -> list[dict]:
    """Outcome from neighbouring viewpoints; a row for each carrier, angle and bearing."""
    places = [
        (angle, view)
        for angle in angles_deg
        for view in ring(item.view, angle, bearings_deg(item, angle, bearings, seed))
    ]
    rows = []
    for start in range(0, len(places), CHUNK):
        chunk = places[start : start + CHUNK]
        prepared = [renderer.prepare(view) for _, view in chunk]
        clean = _clean_frames(renderer, prepared)
        stacks = [carrier.frames(prepared, clean) for carrier in item.carriers]
        for carrier, verdicts in zip(item.carriers, _verdicts(item, model, clean, stacks), strict=True):
            for (angle, view), verdict in zip(chunk, verdicts, strict=True):
                rows.append(carried_row(item, carrier, ANGLE, angle, view) | verdict)
    return rows


def condition_rows(
    item: Item, renderer: Renderer, model: DeployedModel, conditions: tuple[Condition, ...] = CONDITIONS
) -> list[dict]:
    """Outcome on the very frame after each condition; a row for each carrier and condition."""
    prepared = [renderer.prepare(item.view)]
    clean = _clean_frames(renderer, prepared)
    return image_rows(
        item, clean[0], [carrier.frames(prepared, clean)[0] for carrier in item.carriers], model, conditions
    )


def image_rows(
    item: Item, clean: np.ndarray, changed: list[np.ndarray], model: DeployedModel, conditions=CONDITIONS
) -> list[dict]:
    """`condition_rows` of a frame (H, W, 3) and, for each carrier, the frame with its change: photographs will do."""
    frames = np.stack([clean, *changed])
    after = np.stack([condition.applied(frames, item.view.seed) for condition in conditions], axis=1)
    rows = []
    for carrier, verdicts in zip(item.carriers, _verdicts(item, model, after[0], list(after[1:])), strict=True):
        for condition, verdict in zip(conditions, verdicts, strict=True):
            rows.append(carried_row(item, carrier, condition.name, condition.value, item.view) | verdict)
    return rows


def _clean_frames(renderer: Renderer, prepared: list[PreparedView]) -> np.ndarray:
    return np.stack([frame.image for frame in renderer.frames(renderer.scene.mesh.texture, prepared)])


def carried_row(item: Item, carrier: Carrier, condition: str, value: float, view: View) -> dict:
    return {
        "item": item.name,
        "attack": carrier.attack,
        "reading": carrier.reading,
        "dot_px": carrier.dot_px,
        "n_pixels": carrier.n_pixels,
        "condition": condition,
        "value": float(value),
        "view": view.id,
    }


def _verdicts(item: Item, model: DeployedModel, clean: np.ndarray, changed: list[np.ndarray]) -> Iterator[list[dict]]:
    """For each stack of changed frames (V, H, W, 3) the verdict on each frame, beside the clean frame's."""
    logits = model.predict(np.concatenate([clean, *changed])).reshape(1 + len(changed), len(clean), -1)
    return (beside_twins(item.goal, model.labels, logits[0], of_changed) for of_changed in logits[1:])


def beside_twins(goal: Goal, labels: Labels, of_clean: np.ndarray, of_changed: np.ndarray) -> list[dict]:
    """The verdict on each changed frame, beside its clean twin's; logits (V, classes) of both."""
    return [
        now | {f"clean_{key}": value for key, value in twin.items() if key != "fooled"}
        for now, twin in zip(_verdict(goal, labels, of_changed), _verdict(goal, labels, of_clean), strict=True)
    ]


def _verdict(goal: Goal, labels: Labels, logits: np.ndarray) -> list[dict]:
    """`fooled` is the goal reached: the target where there is one, else any wrong class."""
    predicted, fooled = logits.argmax(axis=1), goal.reached(logits)
    true_prob = softmax(logits.astype(np.float64), axis=1)[:, list(goal.true)].sum(axis=1)
    return [
        {
            "predicted": labels[int(p)],
            "correct": int(p) in goal.true,
            "fooled": bool(f),
            "true_prob": float(t),
        }
        for p, f, t in zip(predicted, fooled, true_prob, strict=True)
    ]
