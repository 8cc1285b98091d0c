"""The run's own file asked again: about frames of stored trials, five times over, and beside the gradient's copy of it."""

import numpy as np
import polars as pl
import torch
from scipy.special import softmax

from rig.audit.distance import frame_size_px
from rig.audit.evidence import PIXEL, SESSION, TEXTURE, Evidence
from rig.audit.seen import evaluation_views
from rig.images import batch_from_images, content_hash, read_image
from rig.metrics.patch import PATCH_JOB
from rig.model import DeployedModel, gradient_of
from rig.model.detect import Presence
from rig.model.proof import ROUNDING, STAND_INS, proof_images
from rig.render import Renderer

N_VIEWS = 24  # of each object; each clean and attacked
N_IMAGES = 60  # of a pixel attack
N_FORWARDS = 5
SAME_PROB = 1e-3


def ask_again(evidence: Evidence, model: DeployedModel) -> dict:
    """Of the first model: logits' range, noise between forwards, stored predictions again, and its gradient's copy."""
    rows, images = _frames(evidence, model)
    batch = batch_from_images(images) if rows else proof_images(model.size_px)
    logits = model.logits(batch)
    found = {
        "logits": _range(logits),
        "forwards": _forwards(model, batch),
        "trials": _again(rows, images, logits, model),
    }
    return found | (
        {"agreement": _agreement(model, model.fit(batch), logits)} if evidence.job in (TEXTURE, PATCH_JOB) else {}
    )


def _frames(evidence: Evidence, model: DeployedModel) -> tuple[list[dict], np.ndarray]:
    """Stored rows of this model and their frames made again; none for sessions, whose camera cannot be asked again."""
    mine = evidence.trials.filter(pl.col("model") == model.card.name)
    if evidence.job == SESSION:
        return [], np.empty(0)
    if evidence.job == PIXEL:
        rows = mine.gather_every(max(1, -(-len(mine) // N_IMAGES))).to_dicts()
        folder = evidence.run.path / "artefacts"
        return rows, np.stack([read_image(folder / row["artefact"] / f"{row['object']}.png") for row in rows])
    made = [_rendered(evidence, model, name, mine.filter(pl.col("object") == name)) for name in evidence.scenes]
    return [row for rows, _ in made for row in rows], np.concatenate([images for _, images in made])


def _rendered(evidence: Evidence, model: DeployedModel, name: str, mine: pl.DataFrame) -> tuple[list[dict], np.ndarray]:
    """Clean and first attacked rows at N_VIEWS views of one scene, from all over what was drawn."""
    scene = evidence.scenes[name]
    renderer = Renderer(scene, frame_size_px(scene, model.card.model_dump()))
    asked, refined = evidence.config["sweep"], evidence.run.record.refinement.get(name)
    views = evaluation_views(scene.config, asked, evidence.run.record.seed, refined)
    prepared = [renderer.prepare(view) for view in views[:: -(-len(views) // N_VIEWS)]]
    rows, images = [], []
    for artefact in ["clean", *evidence.attacks[:1]]:
        texture = scene.mesh.texture if artefact == "clean" else evidence.texture(artefact)
        stored = {row["view"]: row for row in mine.filter(pl.col("artefact") == artefact).to_dicts()}
        for frame in renderer.frames(texture, prepared):
            if frame.view.id in stored:
                rows.append(stored[frame.view.id])
                images.append(frame.image)
    return rows, np.stack(images)


def _range(logits: np.ndarray) -> dict:
    return {
        "low": float(logits.min()),
        "high": float(logits.max()),
        "within_unit": bool(logits.min() >= 0 and logits.max() <= 1),
        "sum_error": float(np.abs(logits.astype(float).sum(axis=1) - 1).max()),
    }


def _forwards(model: DeployedModel, batch: torch.Tensor) -> dict:
    """The largest difference of L2-normalised logits between forwards of the same images."""
    runs = np.stack([model.logits(batch) for _ in range(N_FORWARDS)])
    runs = runs / np.linalg.norm(runs, axis=2, keepdims=True)
    return {"n": N_FORWARDS, "n_frames": len(batch), "noise": float(np.ptp(runs, axis=0).max())}


def _again(rows: list[dict], images: np.ndarray, logits: np.ndarray, model: DeployedModel) -> dict:
    """Stored predictions that the model does not give for the same frame; frames that came out otherwise are counted."""
    differ, other_frames = [], 0
    for row, image, scores in zip(rows, images, logits, strict=True) if rows else ():
        if content_hash(image) != row["frame_hash"]:
            other_frames += 1
            continue
        probs = softmax(scores.astype(float))
        best = int(probs.argmax())
        if model.labels[best] != row["predicted"] or abs(probs[best] - row["predicted_prob"]) > SAME_PROB:
            differ.append(
                f"{row['artefact']}, {row['object']}, {row['view']}: {row['predicted']} stored, {model.labels[best]} given"
            )
    return {"n": len(rows) - other_frames, "other_frames": other_frames, "differ": differ}


def _agreement(model: DeployedModel, batch: torch.Tensor, logits: np.ndarray) -> dict:
    """The arithmetic of the gradient's road itself, not scores that it passes on from the file."""
    gradient = gradient_of(model)
    if isinstance(model, Presence):  # the copy is of boxes and scores before any selection in the graph
        model, gradient = gradient.as_classifier
        logits = model.logits(batch)
    own = getattr(gradient, "inner", gradient).value_and_grad(batch, lambda scores: scores.sum(1))[2].cpu().numpy()
    span, limit = float(np.ptp(logits)), STAND_INS[gradient.stand_in]
    behind = logits.max(1) - np.take_along_axis(logits, own.argmax(1)[:, None], 1)[:, 0]
    tie = (limit if gradient.stand_in else ROUNDING) * span  # two logits as near as that may fall either way
    return {
        "road": gradient.road,
        "n_frames": len(batch),
        "n_agree": int((behind <= tie).sum()),
        "error_frac": float(np.abs(own - logits).max() / span),
        "limit_frac": limit,
    }
