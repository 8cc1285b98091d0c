"""`rig models check`: a model's gradient road, tried on random images and on rendered frames of the built-in turtle."""

import numpy as np
import torch

from rig.images import batch_from_images
from rig.model import DeployedModel, resolve
from rig.model.check import FAILED, Finding, check_model
from rig.model.detect import DeployedDetector, DetectorGradient, disappearance, open_model
from rig.render import Renderer
from rig.scene import load_scene
from rig.views import draw_views

SCENE, N_FRAMES = "turtle", 4


def check(name_or_path: str) -> tuple[DeployedModel | DeployedDetector, list[Finding]]:
    """A detector's boxes and scores are checked as a classifier's logits are."""
    model = open_model(resolve(name_or_path))
    frames = rendered_frames(model.size_px)
    if isinstance(model, DeployedModel):
        return model, check_model(model, frames)
    gradient = DetectorGradient(model)
    return model, check_model(
        *(gradient.as_classifier[0], frames, gradient.as_classifier[1]),
        by_road=lambda road: DetectorGradient(model, road).as_classifier[1],
        of_attack=lambda batch: gradient.value_and_grad(batch, disappearance())[1],
    )


def is_trusted(findings: list[Finding]) -> bool:
    return not any(finding.verdict == FAILED for finding in findings)


def rendered_frames(size_px: tuple[int, int]) -> torch.Tensor:
    """(N, 3, H, W)."""
    scene = load_scene(SCENE, ())
    renderer = Renderer(scene, size_px)
    views = [renderer.prepare(view) for view in draw_views(scene.config, N_FRAMES, 0, "check")]
    return batch_from_images(np.stack([frame.image for frame in renderer.frames(scene.mesh.texture, views)]))
