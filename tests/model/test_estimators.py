"""NES and SPSA against the true gradient of known functions, scale included."""

import math

import numpy as np
import pytest
import torch
from onnx import helper, numpy_helper

from rig.model import DeployedModel, gradient_of
from rig.model.estimators import NES, SPSA

SIZE = (4, 5)
PAIRS = 8000
ROADS = pytest.mark.parametrize("estimator", [NES, SPSA])


def linear(graph):
    """Logits linear in the image: what an unbiased estimate must find exactly, whatever its step."""
    weights = np.random.default_rng(3).normal(size=(60, 5)).astype(np.float32)
    del graph.node[:], graph.initializer[:]
    graph.initializer.append(numpy_helper.from_array(weights, "weights"))
    graph.node.append(helper.make_node("Flatten", ["x"], ["flat"]))
    graph.node.append(helper.make_node("MatMul", ["flat", "weights"], ["y"]))


def objective(logits):
    return logits[:, 0] - 2 * logits[:, 3]


def images(low, high, n=2):
    return low + (high - low) * torch.rand(n, 3, *SIZE, generator=torch.Generator().manual_seed(1))


def expected_of(net, batch):
    model = DeployedModel(net.path, threads=1)
    mean, std = (torch.tensor(v).view(3, 1, 1) for v in (model.card.input.mean, model.card.input.std))
    leaf = batch.clone().requires_grad_()
    return torch.autograd.grad(objective(net.scores((leaf - mean) / std)).sum(), leaf)[0]


def assert_unbiased(grad, expected, pairs=PAIRS):
    """Five standard errors: sqrt(2 / n) of the length along the gradient, at most |g| sqrt(2 / n) of any entry."""
    for got, true in zip(grad, expected, strict=True):
        scale = float((got * true).sum() / true.square().sum())
        assert abs(scale - 1) < 5 * math.sqrt(2 / pairs)
        assert (got - true).abs().max() < 5 * math.sqrt(2 / pairs) * true.norm()


@ROADS
@pytest.mark.parametrize(("low", "high"), [(0.2, 0.8), (0.0, 0.02), (0.995, 1.0)], ids=["inside", "black", "white"])
def test_mean_is_the_gradient_of_a_linear_function_also_where_images_are_clipped(tiny, estimator, low, high):
    model = DeployedModel(tiny(size=SIZE, edit=linear).path, threads=1)
    batch = images(low, high)
    _, expected, _ = gradient_of(model, "compiled").value_and_grad(batch, objective)
    weights = np.random.default_rng(3).normal(size=(60, 5)).astype(np.float32)
    by_hand = (weights[:, 0] - 2 * weights[:, 3]).reshape(3, -1) / np.float32(model.card.input.std)[:, None]
    np.testing.assert_allclose(expected[0].reshape(3, -1), by_hand, rtol=1e-4)
    assert_unbiased(estimator(model, pairs=PAIRS).value_and_grad(batch, objective)[1], expected)


@ROADS
def test_mean_is_the_gradient_of_a_curved_network(tiny, estimator):
    net = tiny(size=SIZE)
    batch = images(0.1, 0.9)
    grad = estimator(DeployedModel(net.path, threads=1), pairs=PAIRS).value_and_grad(batch, objective)[1]
    assert_unbiased(grad, expected_of(net, batch))


@ROADS
def test_a_model_that_takes_bytes_keeps_the_scale(tiny, estimator):
    """Of images of 8-bit values. NES asks about values between bytes: rounding adds noise, but no slope."""
    net = tiny(size=SIZE, dtype="uint8", layout="NHWC")
    batch = (images(0.1, 0.9) * 255).round() / 255
    leaf = batch.clone().requires_grad_()
    (expected,) = torch.autograd.grad(objective(net.scores(leaf * 255)).sum(), leaf)
    grad = estimator(DeployedModel(net.path, threads=1), pairs=PAIRS).value_and_grad(batch, objective)[1]
    assert_unbiased(grad, expected)


@ROADS
def test_queries_losses_and_logits(tiny, estimator):
    model = DeployedModel(tiny(size=SIZE).path, threads=1)
    targets = torch.tensor([0, 3, 1])
    batch = images(0.1, 0.9, n=3)

    def targeted(logits):
        return torch.nn.functional.cross_entropy(logits, targets, reduction="none")

    losses, grad, logits = estimator(model, pairs=7).value_and_grad(batch, targeted)
    assert model.queries == 3 * (1 + 2 * 7)
    torch.testing.assert_close(logits, torch.from_numpy(model.logits(batch)))
    torch.testing.assert_close(losses, targeted(logits))
    again = estimator(model, pairs=7).value_and_grad(batch, targeted)[1]
    assert torch.equal(grad, again)


@ROADS
def test_no_images_have_no_gradient(tiny, estimator):
    parts = estimator(DeployedModel(tiny(size=SIZE).path), pairs=3).value_and_grad(images(0, 1, n=0), objective)
    assert [tuple(part.shape) for part in parts] == [(0,), (0, 3, *SIZE), (0, 5)]
