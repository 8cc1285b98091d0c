"""A finished sweep made by rule, in the format that `rig sweep` writes: its views are real draws, its answers are not.

No model is asked and nothing is rendered, so that a run of hundreds of thousands of trials takes seconds to write.
"""

import hashlib
import json
from pathlib import Path

import numpy as np

from rig.images import content_hash, encode_jpeg, encode_png
from rig.runs import RunFolder
from rig.scene import SceneConfig, load_config
from rig.sweep.sweep import PART_VIEWS, THUMBNAIL_BYTES, THUMBNAIL_PX, part_name
from rig.sweep.trials import trial_schema
from rig.views import derive_seed, dimensions_of, draw_views

OBJECTS = {"turtle": "loggerhead", "baseball": "baseball", "turtle-desk": "loggerhead"}
MODELS = ("lite0", "lite1", "lite2")
FOOLED = {"clean": 0.0, "adversarial": 0.9, "adversarial-2": 0.55, "control_random": 0.02}  # of views, by artefact
OTHER_WRONG = 0.1
TARGET, OTHER = "rifle", "bucket"
JPEG_BYTES = 3500  # of a thumbnail, about
NO_THUMBNAILS = 10**9  # trials so many that only the first view's fit


class Thumbnails:
    """As a sweep keeps them: its budget of bytes, spent evenly over the views. The same frame for every model."""

    def __init__(self, run: RunFolder, n_trials: int):
        self._run, self._stride = run, max(1, round(n_trials * JPEG_BYTES / THUMBNAIL_BYTES))

    def hash(self, name: str, artefact: str, view: str) -> str:
        key = f"{name} {artefact} {view}"
        digest = hashlib.sha256(key.encode()).hexdigest()[:16]
        path = f"frames/{digest}.jpg"
        if int(view.rpartition("-")[2]) % self._stride == 0 and not (self._run.path / path).exists():
            self._run.write(path, encode_jpeg(_picture(derive_seed(key)), 80))
        return digest


def write_sweep(path: Path, n_trials: int, thumbnails: bool) -> Path:
    """About `n_trials` trials: all OBJECTS x MODELS x artefacts at the same number of views."""
    n_views = max(1, round(n_trials / (len(OBJECTS) * len(MODELS) * len(FOOLED))))
    configs = {name: load_config(name) for name in OBJECTS}
    run = RunFolder.start(path, ["rig", "sweep", *OBJECTS, "--out", str(path)], _config(configs, n_views), seed=0)
    run.state |= _records(configs)
    textures = {artefact: _texture(i) for i, artefact in enumerate(FOOLED)}
    for artefact, texture in textures.items():
        _write_artefact(run, artefact, texture)
    frames = Thumbnails(run, n_trials if thumbnails else NO_THUMBNAILS)
    rng = np.random.default_rng(0)
    for name, config in configs.items():
        views = draw_views(config, n_views, 0, "eval")
        for model in MODELS:
            for artefact in FOOLED:
                _write_parts(run, (name, artefact, model), views, frames, rng)
    run.spend(queries=n_views * len(OBJECTS) * len(MODELS) * len(FOOLED), seconds=1.0, cpu_seconds=1.0)
    run.finish()
    return path


def _write_parts(run: RunFolder, key: tuple[str, str, str], views: list, frames: Thumbnails, rng) -> None:
    for start in range(0, len(views), PART_VIEWS):
        rows = [_row(key, view, frames, rng) for view in views[start : start + PART_VIEWS]]
        run.write_table(part_name(*key, start), rows, trial_schema(rows[0]))


def _row(key: tuple[str, str, str], view, frames: Thumbnails, rng: np.random.Generator) -> dict:
    (name, artefact, model), (draw, sure) = key, rng.random(2)
    outcome = _outcome(draw, FOOLED[artefact])
    predicted = {"correct": OBJECTS[name], "target": TARGET, "other_wrong": OTHER}[outcome]
    probs = {predicted: 0.5 + sure / 2}
    return {
        "object": name,
        "artefact": artefact,
        "model": model,
        "view": view.id,
        "split": view.split,
        "source": "render",
        "session": "",
        **view.values,
        "true_label": OBJECTS[name],
        "target_label": TARGET,
        "predicted": predicted,
        "predicted_prob": probs[predicted],
        "true_prob": probs.get(OBJECTS[name], 0.1),
        "target_prob": probs.get(TARGET, 0.1),
        "top5": json.dumps([[label, round(sure / 5, 4)] for label in (predicted, "mosque", "stole", "vase", "tick")]),
        "outcome": outcome,
        "frame_hash": frames.hash(name, artefact, view.id),
    }


def _outcome(draw: float, fooled: float) -> str:
    return "target" if draw < fooled else "other_wrong" if draw < fooled + (1 - fooled) * OTHER_WRONG else "correct"


def _picture(seed: int) -> np.ndarray:
    coarse = np.random.default_rng(seed).integers(0, 256, (16, 16, 3), np.uint8)
    return np.kron(coarse, np.ones((THUMBNAIL_PX // 16, THUMBNAIL_PX // 16, 1), np.uint8))


def _texture(number: int, size: int = 64) -> np.ndarray:
    return np.random.default_rng(number).integers(0, 256, (size, size, 3), np.uint8)


def _write_artefact(run: RunFolder, name: str, texture: np.ndarray) -> None:
    record = {"name": name, "kind": "texture", "label": name, "texture_sha256": content_hash(texture), "details": {}}
    run.write(f"artefacts/{name}/texture.png", encode_png(texture))
    run.write(f"artefacts/{name}/artefact.json", json.dumps(record).encode())


def _config(configs: dict[str, SceneConfig], n_views: int) -> dict:
    return {
        "job": "sweep",
        "scenes": {name: config.model_dump(mode="json") for name, config in configs.items()},
        "models": list(MODELS),
        "artefacts": [],
        "target": TARGET,
        "attack": None,
        "sweep": {"views": n_views, "policy": "random", "texture_px": 64},
    }


def _records(configs: dict[str, SceneConfig]) -> dict:
    dimensions = {one.name: [one.low, one.high] for one in dimensions_of(configs["turtle"])}
    return {
        "threat_model": {
            "goal": f'measure how often the object is called "{TARGET}"',
            "knowledge": "none used: nothing is optimised in this run",
            "capability": f"{len(FOOLED) - 1} given textures put on the object",
            "budget": "as stated by the runs that made the textures",
            "norm": "none",
            "color_space": "sRGB, 8 bits",
            "distribution": {"name": "eot-sim", "dimensions": dimensions},
            "success": "predicted == target",
        },
        "models": [
            {"name": name, "sha256_before": "ab" * 32, "sha256_after": "ab" * 32, "provider": "none", "card": {}}
            for name in MODELS
        ],
        "hashes": {"scene": "cd" * 32},
    }
