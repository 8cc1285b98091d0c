"""One trial: one artefact, seen from one view, judged by one model."""

import json
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from scipy.special import softmax

from rig.attack.goal import Goal
from rig.contracts import TRIAL_COLUMNS, Frame
from rig.images import content_hash
from rig.model import Labels

ARROW_TYPES = {"string": pa.string(), "float64": pa.float64()}


@dataclass(frozen=True)
class Subject:
    """What a row says of itself besides its view and its prediction."""

    object: str
    artefact: str
    model: str
    labels: Labels
    goal: Goal


def trial_rows(subject: Subject, frames: Sequence[Frame], logits: np.ndarray) -> list[dict]:
    """Rows of the trials table; logits (V, K) belong to the frames in order."""
    probs = softmax(logits.astype(np.float64), axis=1)
    return [_row(subject, frame, row) for frame, row in zip(frames, probs, strict=True)]


def _row(subject: Subject, frame: Frame, probs: np.ndarray) -> dict:
    goal, labels = subject.goal, subject.labels
    ranked = np.argsort(-probs, kind="stable")[:5]
    predicted = int(ranked[0])
    return {
        "object": subject.object,
        "artefact": subject.artefact,
        "model": subject.model,
        "view": frame.view.id,
        "split": frame.view.split,
        "source": frame.source,
        "session": frame.session,
        **frame.view.values,
        "true_label": " | ".join(labels[index] for index in goal.true),
        "target_label": "" if goal.target is None else labels[goal.target],
        "predicted": labels[predicted],
        "predicted_prob": float(probs[predicted]),
        "true_prob": float(probs[list(goal.true)].sum()),
        "target_prob": None if goal.target is None else float(probs[goal.target]),
        "top5": json.dumps([[labels[i], round(float(probs[i]), 4)] for i in ranked], ensure_ascii=False),
        "outcome": outcome(predicted, goal),
        "frame_hash": content_hash(frame.image),
    }


def outcome(predicted: int, goal: Goal) -> str:
    """correct | target | other_wrong: they exclude each other and cover everything."""
    if predicted in goal.true:
        return "correct"
    return "target" if predicted == goal.target else "other_wrong"


def trial_schema(row: dict) -> pa.Schema:
    """The contract's columns, with every other sampled condition (float64) in between."""
    return pa.schema([(name, ARROW_TYPES[TRIAL_COLUMNS.get(name, "float64")]) for name in row])
