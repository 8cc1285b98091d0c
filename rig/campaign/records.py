"""What run.json says of scene, model and threat, in words and hashes that an auditor can check."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from rig.attack.goal import Goal
from rig.attack.printable import printable_of
from rig.attack.settings import AttackSettings
from rig.contracts import Mesh
from rig.errors import RunError
from rig.images import content_hash
from rig.model import Gradient
from rig.model.detect import Judge
from rig.runs import RunFolder
from rig.scene import Scene
from rig.views import dimensions_of


def model_record(model: Judge, gradient: str | None = None) -> dict:
    return {
        "name": model.card.name,
        "sha256_before": model.sha256,
        "sha256_after": None,
        "provider": model.provider,
        "gradient": gradient,
        "card": model.card.model_dump(mode="json", exclude={"labels"}),
    }


def model_records(models: Sequence[Judge], roads: Sequence[Gradient]) -> list[dict]:
    """Of attacked models."""
    return [model_record(model, gradient=road.road) for model, road in zip(models, roads, strict=True)]


def require_same_models(run: RunFolder, models: Sequence[Judge]) -> None:
    for model in models:
        require_same_model(run, model)


def require_same_model(run: RunFolder, model: Judge) -> None:
    """A resumed run must see the file it began with."""
    for record in run.state.get("models", []):
        if record["name"] == model.card.name and record["sha256_before"] != model.sha256:
            raise RunError(
                "the model file changed since this run began",
                where=run.path,
                got=f"sha256 {model.sha256[:12]}",
                expected=record["sha256_before"][:12],
                hint="choose another --out",
            )


def hash_again(run: RunFolder, models: list[Judge]) -> None:
    """sha256 of the model files after all trials: an attack must not have changed what it attacked."""
    for model in models:
        for record in run.state["models"]:
            if record["name"] == model.card.name:
                record["sha256_after"] = hashlib.sha256(Path(model.path).read_bytes()).hexdigest()


def scene_hashes(scene: Scene) -> dict[str, str]:
    return {f"{scene.name} mesh": _mesh_hash(scene.mesh), f"{scene.name} texture": content_hash(scene.mesh.texture)}


def _mesh_hash(mesh: Mesh) -> str:
    digest = hashlib.sha256()
    for array in (mesh.vertices_m, mesh.faces, mesh.uv):
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()[:16]


def threat_model(
    scene: Scene, goal: Goal, models: Sequence[Judge], settings: AttackSettings, gradient: Gradient
) -> dict:
    wanted = "any class but the true ones" if goal.target is None else f'"{models[0].labels[goal.target]}"'
    budget, norm, color_space = _budget(settings)
    return {
        "goal": f"{callers(models)} the object {wanted}, from as many views as possible (evasion)",
        "knowledge": knowledge(gradient),
        "capability": f"repaint the object's texture ({scene.paintable.mean():.0%} of its texels); nothing else changes",
        "budget": budget,
        "norm": norm,
        "color_space": color_space,
        "distribution": distribution(scene),
        "success": "predicted == target" if goal.target is not None else "predicted not in true labels",
    }


def callers(models: Sequence[Judge]) -> str:
    """The beginning of a goal: "a calls", "a and b each call"."""
    names = " and ".join(model.card.name for model in models)
    return f"{names} calls" if len(models) == 1 else f"{names} each call"


def knowledge(gradient: Gradient) -> str:
    """What the attacker knew of the model, for the road that its gradients took."""
    if gradient.is_estimate:
        return "black-box: scores of the deployed file, and what is estimated from them"
    return "white-box: gradients of the deployed file; scored on the file itself"


def _budget(settings: AttackSettings) -> tuple[str, str, str]:
    parts, norms = [], []
    if settings.max_delta_e is not None:
        parts.append(f"mean Delta-E (CIE76) <= {settings.max_delta_e:g} over object pixels of rendered views")
        norms.append("mean of per-pixel CIELAB L2")
    if settings.epsilon is not None:
        parts.append(f"Linf <= {settings.epsilon:g}/255 on texels")
        norms.append("Linf")
    if printable := printable_of(settings):
        parts.append(f"every painted texel {printable.in_words}")
    color_space = "CIELAB (D65) of sRGB" if settings.max_delta_e is not None else "sRGB, 8 bits"
    return " and ".join(parts) or "none", " and ".join(norms) or "none", color_space


def measured_threat_model(
    goal: Goal, model: Judge, what: str, capability: str, budget: str, distribution: dict
) -> dict:
    """For a sweep: nothing is optimised here."""
    wanted = "anything but its true classes" if goal.target is None else f'"{model.labels[goal.target]}"'
    return {
        "goal": f"measure how often {what} is called {wanted}",
        "knowledge": "none used: nothing is optimised in this run",
        "capability": capability,
        "budget": budget,
        "norm": "none",
        "color_space": "sRGB, 8 bits",
        "distribution": distribution,
        "success": "predicted == target" if goal.target is not None else "predicted not in true labels",
    }


def pixel_threat_model(
    goal: Goal, model: Judge, then: str, knowledge: str, capability: str, budget: str, distribution: dict
) -> dict:
    """For pixels found on one frame; `then`: what they are to go on doing."""
    wanted = "any class but the true ones" if goal.target is None else f'"{model.labels[goal.target]}"'
    return {
        "goal": f"{model.card.name} calls the frame {wanted} (evasion), and goes on doing so {then}",
        "knowledge": knowledge,
        "capability": capability,
        "budget": budget,
        "norm": "L0, in pixels",
        "color_space": "sRGB, 8 bits",
        "distribution": distribution,
        "success": "predicted == target" if goal.target is not None else "predicted not in true labels",
    }


def distribution(scene: Scene) -> dict:
    ranges = {dimension.name: [dimension.low, dimension.high] for dimension in dimensions_of(scene.config)}
    measured = ", measured colour response" if scene.config.print.response else ""
    return {"name": f"{scene.config.preset or 'custom'}{measured}", "dimensions": ranges}
