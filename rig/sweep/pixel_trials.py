"""Trials of single images: the contract's columns, and what a pixel attack adds to them."""

import json

import numpy as np
import pyarrow as pa

from rig.attack.goal import Goal
from rig.attack.pixel.change import changed_pixels
from rig.contracts import POSE_DIMENSIONS, Frame, View
from rig.model import Labels
from rig.sweep.trials import ARROW_TYPES, TRIAL_COLUMNS, Subject, trial_rows

PIXEL_COLUMNS = {
    "search": pa.string(),  # "" for a clean row
    "found_on": pa.string(),  # the model that was attacked; the row's own `model` judges
    "pixels": pa.int64(),  # K, what was allowed
    "l0": pa.int64(),  # pixels that differ, counted from the two files
    "queries": pa.int64(),  # of the search for this K; 0 where fewer pixels had succeeded and were carried over
    "queries_total": pa.int64(),  # with those of the searches with fewer pixels
    "success_query": pa.int64(),  # which of all those, in order, was the first to reach the goal; null for none
    "seconds": pa.float64(),
    "history": pa.string(),  # JSON [[queries_total, loss], ...] at each fall of the best loss; on the model attacked only
}
SCHEMA = pa.schema([(name, ARROW_TYPES[kind]) for name, kind in TRIAL_COLUMNS.items()] + [*PIXEL_COLUMNS.items()])
STILL = View("frame", "eval", dict.fromkeys(POSE_DIMENSIONS), 0)  # a single image has no pose


def image_row(name: str, artefact: str, model: str, labels: Labels, goal: Goal, image: np.ndarray, logits) -> dict:
    """The contract's columns for one image (H, W, 3) uint8; logits (classes,)."""
    subject = Subject(name, artefact, model, labels, goal)
    (row,) = trial_rows(subject, [Frame(image, STILL, "image")], logits[None])
    return row


def clean_columns(model: str) -> dict:
    return dict.fromkeys(PIXEL_COLUMNS) | {"search": "", "found_on": model, "pixels": 0, "l0": 0, "queries": 0}


def found_columns(search: str, found_on: str, found: dict, clean: np.ndarray, image: np.ndarray) -> dict:
    """`found`: pixels, queries, queries_total, success_query, seconds and history as `rig.campaign.pixel` knows them."""
    history = json.dumps([[queries, round(loss, 6)] for queries, loss in found["history"]])
    return {
        "search": search,
        "found_on": found_on,
        "l0": changed_pixels(clean, image),
        **{name: found[name] for name in ("pixels", "queries", "queries_total", "success_query", "seconds")},
        "history": history,
    }
