"""What run.json says of an attack's knowledge follows from where its gradients came from."""

import pytest
from magenta_network import write_magenta

from rig.attack.goal import goal_of
from rig.attack.settings import AttackSettings
from rig.campaign.records import threat_model
from rig.model import DeployedModel, gradient_of
from rig.scene import load_scene


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return DeployedModel(write_magenta(tmp_path_factory.mktemp("model") / "magenta.onnx"), threads=1)


@pytest.mark.parametrize(("road", "says"), [("torch", "white-box"), ("nes", "black-box"), ("spsa", "black-box")])
def test_gradients_from_scores_are_no_white_box(model, road, says):
    scene = load_scene("turtle", ('object.labels=["ball"]',), 32)
    goal = goal_of(scene, "magenta", model.labels)
    said = threat_model(scene, goal, [model], AttackSettings(target="magenta"), gradient_of(model, road))["knowledge"]
    assert said.startswith(says)
    assert ("scores" in said.partition(";")[0]) == (says == "black-box")
