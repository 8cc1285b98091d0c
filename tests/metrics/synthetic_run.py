"""A run folder made by rule, in the format that sweep and attack write: no model, no network, known rates."""

import json
from pathlib import Path

import numpy as np
import polars as pl

from rig.contracts import TRIAL_COLUMNS
from rig.images import content_hash, encode_jpeg, encode_png

LABEL = "loggerhead"
RATES = {  # artefact: chance of (fooled, other wrong); fooled depends on the view for "adversarial"
    "clean": (0.0, 0.08),
    "adversarial": (0.9, 0.07),
    "adversarial-2": (0.55, 0.2),
    "control_random": (0.0, 0.2),
    "control_single_view": (0.05, 0.15),
}
DELTA_E = {"clean": 0.0, "adversarial": 19.4, "adversarial-2": 9.8, "control_random": 19.4, "control_single_view": 18.9}
WORDS = {
    "clean": "the original texture",
    "adversarial": "the painted texture",
    "adversarial-2": "the painted texture, smaller budget",
    "control_random": "a random texture of the same distance",
    "control_single_view": "an attack on one view only, same budget",
}


def write_run(
    path: Path,
    n_views: int = 200,
    objects: tuple[str, ...] = ("turtle",),
    models: tuple[str, ...] = ("efficientnet-lite0",),
    target: str = "rifle",
    artefacts: tuple[str, ...] = tuple(RATES),
    label: str = LABEL,
    history: bool = True,
    thumbnails: bool = True,
    seed: int = 0,
) -> Path:
    """Writes the folder and returns its path. One part an object x artefact x model."""
    rng = np.random.default_rng(seed)
    for folder in ("trials", "frames", "attack", "artefacts"):
        (path / folder).mkdir(parents=True, exist_ok=True)
    textures = _write_artefacts(path, artefacts, rng)
    part = 0
    for name in objects:
        views = _views(n_views, rng)
        for model in models:
            for artefact in artefacts:
                rows = [
                    _trial(path, view, name, artefact, model, label, target, textures[artefact], thumbnails, rng)
                    for view in views
                ]
                write_part(path, rows, part)
                part += 1
    if history:
        _history(rng).write_parquet(path / "attack" / "history.parquet")
    (path / "run.json").write_text(json.dumps(_record(objects, models, target, label), ensure_ascii=False))
    return path


def write_part(path: Path, rows: list[dict], number: int) -> None:
    schema = {name: pl.String if kind == "string" else pl.Float64 for name, kind in TRIAL_COLUMNS.items()}
    extra = {name: pl.Float64 for row in rows[:1] for name in row if name not in schema}
    pl.DataFrame(rows, schema=schema | extra).write_parquet(path / "trials" / f"part-{number:05d}.parquet")


def _views(n: int, rng: np.random.Generator) -> list[dict]:
    return [
        {
            "view": f"eval-{i:06d}",
            "azimuth_deg": rng.uniform(-180, 180),
            "elevation_deg": float(np.degrees(np.arcsin(rng.uniform(-1, 1)))),
            "roll_deg": rng.uniform(-180, 180),
            "distance_m": rng.uniform(2.5, 3.0),
            "offset_x_frac": rng.uniform(-0.05, 0.05),
            "offset_y_frac": rng.uniform(-0.05, 0.05),
            "fov_deg": 45.0,
            **{f"background_{channel}": rng.uniform(0.1, 1.0) for channel in ("red", "green", "blue")},
            "noise_std": 0.0,
        }
        for i in range(n)
    ]


def _trial(path, view, name, artefact, model, label, target, texture, thumbnails, rng) -> dict:
    outcome = _outcome(view, artefact, target, rng)
    predicted = {"correct": label, "target": target, "other_wrong": "bucket"}[outcome]
    frame_hash = f"no-frame-{name}-{artefact}-{view['view']}"
    if thumbnails:
        image = _disc(view, texture)
        frame_hash = content_hash(image)
        (path / "frames" / f"{frame_hash}.jpg").write_bytes(encode_jpeg(image, 80))
    sure = rng.uniform(0.4, 0.95)
    return {
        "object": name,
        "artefact": artefact,
        "model": model,
        "split": "eval",
        "source": "render",
        "session": "",
        **view,
        "true_label": label,
        "target_label": target,
        "predicted": predicted,
        "predicted_prob": sure,
        "true_prob": sure if outcome == "correct" else (1 - sure) / 2,
        "target_prob": sure if outcome == "target" else (1 - sure) / 3,
        "top5": json.dumps([[predicted, sure]]),
        "outcome": outcome,
        "frame_hash": frame_hash,
    }


def _outcome(view: dict, artefact: str, target: str, rng: np.random.Generator) -> str:
    fooled, other = RATES.get(artefact, (0.3, 0.2))
    if artefact == "adversarial" and view["elevation_deg"] < -40 and abs(view["azimuth_deg"]) > 100:
        fooled = 0.35  # one corner of the sphere where the attack holds less
    draw = rng.random()
    if draw < fooled:
        return "target" if target else "other_wrong"
    return "other_wrong" if draw < fooled + other else "correct"


def _disc(view: dict, texture: np.ndarray, size: int = 112) -> np.ndarray:
    """A shaded ball that shows the texture's colour where the view looks: no renderer needed."""
    v, u = np.mgrid[:size, :size] / (size - 1) * 2 - 1
    radius = np.hypot(u, v) * view["distance_m"] / 2.2
    background = np.array([view[f"background_{channel}"] for channel in ("red", "green", "blue")])
    height, width = texture.shape[:2]
    column = ((view["azimuth_deg"] + 180 + u * 80) / 360 * width).astype(int) % width
    row = np.clip((90 - view["elevation_deg"] + v * 80) / 180 * height, 0, height - 1).astype(int)
    shade = np.sqrt(np.clip(1 - radius**2, 0, 1))[..., None] * 0.6 + 0.4
    image = np.where(radius[..., None] < 1, texture[row, column] / 255 * shade, background)
    return (image * 255).astype(np.uint8)


def _write_artefacts(path: Path, names: tuple[str, ...], rng: np.random.Generator) -> dict[str, np.ndarray]:
    clean, textures = _scutes(), {}
    for name in names:
        amount = DELTA_E.get(name, 10.0)
        smooth = np.kron(rng.normal(0, amount, (32, 32, 3)), np.ones((8, 8, 1)))
        texture = np.clip(clean + smooth, 0, 255).astype(np.uint8)
        folder = path / "artefacts" / name
        folder.mkdir(exist_ok=True)
        (folder / "texture.png").write_bytes(encode_png(texture))
        difference = np.abs(texture.astype(int) - clean).max()
        record = {
            "name": name,
            "kind": "texture",
            "label": WORDS.get(name, name),
            "texture_sha256": content_hash(texture),
            "delta_e_mean": amount,
            "delta_e_p95": amount * 2.1,
            "linf_255": int(difference),
            "details": {},
        }
        (folder / "artefact.json").write_text(json.dumps(record))
        textures[name] = texture
    return textures


def _scutes(size: int = 256) -> np.ndarray:
    v, u = np.mgrid[:size, :size]
    rings = (np.hypot(u % 64 - 32, v % 64 - 32) / 32)[..., None]
    return (np.array([96, 116, 52]) * (1 - 0.4 * rings) + np.array([60, 50, 30]) * 0.4 * rings).astype(np.uint8)


def _history(rng: np.random.Generator) -> pl.DataFrame:
    """One phase an attack, each counting its own steps from 1."""
    return pl.concat([_phase(rng, "adversarial", 400), _phase(rng, "control_single_view", 200)])


def _phase(rng: np.random.Generator, name: str, steps: int) -> pl.DataFrame:
    step = np.arange(steps)
    cross_entropy = 9 * np.exp(-step / 90) + 0.3 + rng.normal(0, 0.15, steps)
    success = np.round(np.clip(1 / (1 + np.exp(-(step - 160) / 35)) + rng.normal(0, 0.06, steps), 0, 1) * 16) / 16
    validation = [float(success[i]) if i % 50 == 49 else None for i in step]
    return pl.DataFrame(
        {
            "step": step + 1,
            "loss": cross_entropy + 0.02 * 19,
            "cross_entropy": cross_entropy,
            "delta_e": 19 * (1 - np.exp(-step / 60)),
            "success_batch": success,
            "lambda": np.full(steps, 0.02),
            "gradients": (step + 1) * 16,
            "seconds": (step + 1) * 0.7,
            "phase": [name] * steps,
            "validation_success": validation,
        }
    )


def _record(objects, models, target, label) -> dict:
    dimensions = {
        "azimuth_deg": [-180, 180],
        "elevation_deg": [-90, 90],
        "roll_deg": [-180, 180],
        "distance_m": [2.5, 3.0],
        "background_red": [0.1, 1.0],
        "background_green": [0.1, 1.0],
        "background_blue": [0.1, 1.0],
    }
    return {
        "schema": 1,
        "rig": "0.1.0",
        "command": ["rig", "demo", "--out", "runs/demo"],
        "status": "done",
        "started": "2026-11-22T10:00:00+00:00",
        "finished": "2026-11-22T10:08:41+00:00",
        "seed": 0,
        "config": {
            "scenes": {name: {"object": {"builtin": name, "labels": [label]}} for name in objects},
            "attack": {"objective": "cross_entropy", "steps": 400, "target": target},
            "sweep": {"views": 200},
        },
        "threat_model": {
            "goal": f"targeted: {target}" if target else "untargeted",
            "knowledge": "white box: weights and pre-processing",
            "capability": "repaint the whole texture, shape unchanged",
            "budget": "mean Delta-E 20 over object pixels",
            "norm": "CIE76 mean",
            "color_space": "CIE Lab, D65",
            "distribution": {"name": "eot-sim", "dimensions": dimensions},
            "success": "predicted == target",
        },
        "models": [
            {
                "name": name,
                "sha256_before": "ab" * 32,
                "sha256_after": "ab" * 32,
                "provider": "CPUExecutionProvider",
                "gradient": "torch import of the ONNX file",
                "card": {"input_px": 224, "layout": "NHWC"},
            }
            for name in models
        ],
        "hashes": {"scene": "cd" * 32, "mesh": "ef" * 32},
        "versions": {"python": "3.12.3", "torch": "2.13.0", "onnxruntime": "1.31.0"},
        "git": "0123456789abcdef",
        "machine": {"cpu": "some CPU", "cores": 2, "gpu": None},
        "resources": {"seconds": 521.3, "cpu_seconds": 960.2, "gradients": 6400, "queries": 1800},
    }
