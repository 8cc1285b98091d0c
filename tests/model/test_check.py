"""`rig models check`: good files pass, and each fault is found by the check that is there for it."""

import json

import numpy as np
import pytest
import torch
from onnx import helper
from typer.testing import CliRunner

from rig.campaign.check import is_trusted, rendered_frames
from rig.cli import app
from rig.model import DeployedModel, gradient_of
from rig.model.check import FAILED, INCONCLUSIVE, PASSED, check_model
from rig.model.slopes import compare_slopes

SCALE = "gradient's scale against central differences"
DIRECTIONS = "gradient along random directions"
OTHER = "gradient against the other road"
USABLE = "zero or non-finite gradients"
CLIMBS = "climbs along its straight-through gradient"


@pytest.fixture(scope="module")
def frames():
    """Of the built-in turtle, at the zoo files' size."""
    return rendered_frames((64, 64))


def small_frames(n=4):
    return (torch.rand(n, 3, 16, 20, generator=torch.Generator().manual_seed(2)) * 255).round() / 255


def verdicts(findings):
    return {finding.name: finding.verdict for finding in findings}


@pytest.mark.parametrize("name", ["convnext-fp16", "regnet-int8", "regnet-nhwc_uint8", "shufflenet-legacy"])
def test_zoo_files_are_trusted(shared, frames, name):
    findings = check_model(DeployedModel(shared / "onnx_zoo" / f"{name}.onnx", threads=1), frames)
    found = verdicts(findings)
    assert is_trusted(findings), findings
    assert found["parity on rendered frames"] == found["parity on random images"] == found["5 forwards agree"] == PASSED
    assert found[CLIMBS if "int8" in name.split("_")[0] else SCALE] == PASSED


def test_chaotic_network_is_said_to_be_and_judged_by_another_road(shared, frames):
    """40 layers of random weights: no step of float32 differences settles, and torch's autograd has the last word."""
    model = DeployedModel(shared / "onnx_zoo" / "efficientnet_like-legacy.onnx", threads=1)
    found = verdicts(check_model(model, frames))
    assert (found[SCALE], found[DIRECTIONS], found[OTHER]) == (INCONCLUSIVE, INCONCLUSIVE, PASSED)


class Spoilt:
    """A working road whose gradient, or logits, go through something that should not be there."""

    road, stand_in, is_estimate, max_logit_error = "spoilt", "", False, 0.0

    def __init__(self, model, spoil=lambda grad: grad, spoil_logits=lambda logits: logits):
        self.inner = self
        self._good, self._spoil, self._spoil_logits = gradient_of(model, "compiled"), spoil, spoil_logits

    def value_and_grad(self, batch, objective):
        losses, grad, logits = self._good.value_and_grad(batch, objective)
        return losses, self._spoil(grad), self._spoil_logits(logits)


def without_a_channel(grad):
    return grad * torch.tensor([1.0, 0.0, 1.0]).view(3, 1, 1)


@pytest.mark.parametrize(
    ("spoil", "failing"),
    [
        (lambda grad: grad, set()),
        (lambda grad: grad / 4, {SCALE, DIRECTIONS, OTHER}),
        (lambda grad: 1.2 * grad, {SCALE, DIRECTIONS, OTHER}),
        (lambda grad: -grad, {SCALE, DIRECTIONS, OTHER}),
        (without_a_channel, {DIRECTIONS, OTHER}),
        (lambda grad: grad.flip(3), {SCALE, DIRECTIONS, OTHER}),
        (torch.zeros_like, {DIRECTIONS, OTHER, USABLE}),
        (lambda grad: grad * torch.nan, {USABLE, OTHER, DIRECTIONS}),
    ],
    ids=["right", "quarter", "a fifth more", "sign", "channel", "mirrored", "zero", "nan"],
)
def test_wrong_gradients_are_found(tiny, spoil, failing):
    model = DeployedModel(tiny().path, threads=1)
    found = verdicts(check_model(model, small_frames(), Spoilt(model, spoil)))
    assert failing <= {name for name, verdict in found.items() if verdict == FAILED}
    assert bool(failing) == (FAILED in found.values())


@pytest.mark.parametrize("spoil", [lambda logits: 1.01 * logits, lambda logits: logits.flip(1)], ids=["range", "order"])
def test_wrong_logits_are_found(tiny, spoil):
    model = DeployedModel(tiny().path, threads=1)
    found = verdicts(check_model(model, small_frames(), Spoilt(model, spoil_logits=spoil)))
    assert found["parity on random images"] == found["parity on rendered frames"] == FAILED


def test_wrong_straight_through_gradient_is_found(shared, frames):
    model = DeployedModel(shared / "onnx_zoo" / "regnet-int8.onnx", threads=1)
    for spoil in (torch.neg, lambda grad: grad.flip(3)):
        assert verdicts(check_model(model, frames, Spoilt(model, spoil)))[CLIMBS] == FAILED


def noisy(graph):
    graph.node.insert(len(graph.node) - 1, helper.make_node("RandomNormalLike", ["features"], ["noise"], scale=0.01))
    graph.node.insert(len(graph.node) - 1, helper.make_node("Add", ["features", "noise"], ["more"]))
    graph.node[-1].input[0] = "more"


def test_random_file_is_not_trusted(tiny):
    assert verdicts(check_model(DeployedModel(tiny(edit=noisy).path), small_frames()))["5 forwards agree"] == FAILED


def test_softmax_is_flagged_and_the_road_named(tiny):
    said = {f.name: f.found for f in check_model(DeployedModel(tiny(softmax=True).path, threads=1), small_frames())}
    assert said["softmax in the graph"].startswith("yes") and said["road"] == "compiled gradient graph"
    assert "images/s" in said["forward"] and "x forward" in said["forward and gradient"]
    assert said["peak memory of the process"].endswith("MiB")


def test_slopes_of_a_smooth_network_settle_on_those_of_torch(tiny):
    """The second way of computing them: autograd of the arithmetic the file was made from."""
    net = tiny()
    model = DeployedModel(net.path, threads=1)
    images = 0.2 + 0.6 * small_frames()
    slopes = compare_slopes(model, gradient_of(model), (images * 255).round() / 255)
    assert slopes.conclusive.all() and slopes.by_difference.shape == (3, 4)
    np.testing.assert_allclose(slopes.ratios, 1, atol=5e-3)


def test_command_prints_and_exits(shared, tiny):
    good = CliRunner().invoke(
        app, ["models", "check", str(shared / "onnx_zoo" / "softmax_inside-legacy.onnx"), "--json"]
    )
    assert good.exit_code == 0, good.output
    findings = json.loads(good.stdout)["findings"]
    assert {"name", "verdict", "found", "limit"} == set(findings[0])
    bad = CliRunner().invoke(app, ["models", "check", str(tiny(edit=noisy).path)])
    assert bad.exit_code == 1 and "FAILED" in bad.output and "5 forwards agree" in bad.output
