"""A small stage on the real network: a baseball at 224 px, few views."""

import pytest

from rig.attack.goal import goal_of
from rig.attack.texture import Stage
from rig.model import DeployedModel, gradient_of, resolve
from rig.render import Renderer
from rig.scene import load_scene
from rig.views import draw_views


@pytest.fixture(scope="session")
def model():
    return DeployedModel(resolve("efficientnet-lite0"), threads=1)


@pytest.fixture(scope="session")
def stage(model):
    scene = load_scene("baseball", texture_px=128)
    renderer = Renderer(scene, model.size_px)
    validation = [renderer.prepare(view) for view in draw_views(scene.config, 4, 0, "validation")]
    return Stage(renderer, model, gradient_of(model), goal_of(scene, "golf ball", model.labels), validation)
