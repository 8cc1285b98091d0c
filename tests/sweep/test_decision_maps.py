"""Maps of planted linear networks, whose boundaries are lines that can be drawn by hand."""

import numpy as np
import pytest
import torch

from rig.attack.goal import Goal
from rig.sweep.decision_maps import PALETTE, REST, DecisionMap, key, picture, place_map, plane_map

GOAL = Goal((0,), None)
CLEAN = np.full((12, 10, 3), 100, np.uint8)


class Linear:
    """Class 1 leads class 0 by weights . pixels - bias."""

    def __init__(self, weights, bias):
        self.weights, self.bias = torch.as_tensor(weights), bias

    def logits(self, batch):
        score = (batch.double() * self.weights).sum(dim=(1, 2, 3)) - self.bias
        return torch.stack([torch.zeros_like(score), score], dim=1).numpy()


def test_a_place_map_says_what_a_pixel_does_at_each_place():
    rng = np.random.default_rng(0)
    weights = rng.normal(size=(3, 12, 10))
    color, bias = np.array([255, 0, 30]), float((weights * 100 / 255).sum()) + 0.2
    found = place_map(Linear(weights, bias), CLEAN, color, GOAL)
    by_hand = np.einsum("chw,c->hw", weights, (color - 100) / 255) - 0.2
    np.testing.assert_allclose(found.margin, -by_hand, atol=1e-5)
    assert (found.predicted == (by_hand > 0)).all() and 0 < found.predicted.mean() < 1
    coarse = place_map(Linear(weights, bias), CLEAN, color, GOAL, stride_px=3)
    assert coarse.rows.tolist() == [1, 4, 7, 10] and coarse.columns.tolist() == [1, 4, 7]
    assert (coarse.predicted == found.predicted[1::3, 1::3][:, :3]).all()


def test_in_the_plane_a_linear_networks_boundary_is_a_line():
    adversarial = CLEAN.copy()
    adversarial[3, 4] = [160, 40, 100]
    weights = np.zeros((3, 12, 10))
    weights[:, 3, 4] = [1.0, -1, 0]
    half_way = float(weights.sum() * 100 / 255 + 0.5 * 120 / 255)
    found = plane_map(Linear(weights, half_way), CLEAN, adversarial, GOAL, seed=0, n=21, reach=1.4)
    assert found.columns[10] == 0 and found.rows[10] == 0
    a, b = np.meshgrid(found.columns, found.rows)
    slopes = [np.polyfit(found.columns, line, 1)[0] for line in found.margin]
    assert found.margin[10] == pytest.approx((0.5 - found.columns) * 120 / 255, abs=1e-5)
    np.testing.assert_allclose(slopes, -120 / 255, rtol=1e-4)  # parallel: nothing is clipped here
    down = np.polyfit(found.rows, found.margin[:, 10], 1)
    np.testing.assert_allclose(found.margin, 60 / 255 - a * 120 / 255 + b * down[0], atol=1e-5)
    assert (found.predicted[10] == (found.columns > 0.5)).all()


def test_the_two_directions_are_orthogonal_equally_long_and_seeded():
    kept = []

    class Keeps(Linear):
        def logits(self, batch):
            kept.append(batch)
            return super().logits(batch)

    adversarial = CLEAN.copy()
    adversarial[0, 0] = [160, 40, 100]
    model = Keeps(np.zeros((3, 12, 10)), 0.0)
    for seed in (0, 0, 1):
        plane_map(model, CLEAN, adversarial, GOAL, seed, n=3, reach=1.0)
    planes = torch.cat(kept).double().reshape(3, 3, 3, -1)  # map, row, column, image
    towards, aside = planes[:, 1, 2] - planes[:, 1, 1], planes[:, 2, 1] - planes[:, 1, 1]
    np.testing.assert_allclose((towards * aside).sum(1), 0, atol=1e-6)
    np.testing.assert_allclose(towards.norm(dim=1), np.sqrt(2 * 60**2) / 255, rtol=1e-5)
    np.testing.assert_allclose(aside.norm(dim=1), towards.norm(dim=1), rtol=1e-5)
    assert torch.equal(aside[0], aside[1]) and not torch.equal(aside[0], aside[2])
    corner = planes[0, 1, 1] + towards[0]
    np.testing.assert_allclose(corner.reshape(3, 12, 10)[:, 0, 0] * 255, [160, 40, 100], atol=1e-3)


def test_a_picture_paints_every_class_in_its_colour():
    predicted = np.array([[5, 5, 7], [9, 5, 7]])
    found = DecisionMap(predicted, np.zeros((2, 3)), np.arange(2), np.arange(3))
    assert list(found.shares().items())[:2] == [(5, 0.5), (7, pytest.approx(1 / 3))]
    colors = key(found, first=(7, 11))
    assert [colors[n] for n in (7, 11, 5, 9)] == [tuple(PALETTE[i].tolist()) for i in range(4)]
    image = picture(found, colors, marks=((1, 2),))
    zoom = image.shape[1] // 3
    assert image.shape == (2 * zoom, 3 * zoom, 3) and image.dtype == np.uint8
    for row in range(2):
        for column in range(3):
            corner = image[row * zoom, column * zoom]
            assert tuple(corner.tolist()) == colors[predicted[row, column]]
    assert image[zoom + zoom // 2, 2 * zoom + zoom // 2].tolist() == [0, 0, 0]
    many = DecisionMap(np.arange(12)[None], np.zeros((1, 12)), np.arange(1), np.arange(12))
    assert key(many, (0,))[11] == tuple(REST.tolist())
