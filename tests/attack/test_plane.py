import cv2
import numpy as np
import pytest
import torch
from magenta_network import write_magenta

from rig.attack.goal import Goal, hinged_margin
from rig.attack.plane import PlaneRanges, attack_images, draw_plane_views
from rig.model import DeployedModel, gradient_of

STILL = {"rotation_deg": (0, 0), "scale": (1, 1), "shift_frac": (0, 0), "lighten": (0, 0), "noise_std": (0, 0)}


def picture(side_px=64):
    noise = np.random.default_rng(0).random((side_px, side_px, 3)).astype(np.float32)
    return cv2.GaussianBlur(noise, (0, 0), 3)


def as_tensor(image):
    return torch.from_numpy(image.transpose(2, 0, 1).copy())


def seen(image, **ranges):
    views = draw_plane_views(PlaneRanges(**STILL | ranges), 1, 0, "test")
    return views.of(as_tensor(image))[0].numpy().transpose(1, 2, 0)


@pytest.mark.parametrize(
    ("ranges", "angle_deg", "scale", "shift_px"),
    [
        ({"rotation_deg": (20, 20)}, 20, 1, (0, 0)),
        ({"scale": (1.3, 1.3)}, 0, 1.3, (0, 0)),
        ({"shift_frac": (0.125, 0.125)}, 0, 1, (8, 8)),
    ],
)
def test_a_view_is_what_opencv_makes_of_the_same_transformation(ranges, angle_deg, scale, shift_px):
    """getRotationMatrix2D turns counter-clockwise about the picture's centre, which lies between pixels."""
    image = picture()
    matrix = cv2.getRotationMatrix2D((31.5, 31.5), angle_deg, scale)
    matrix[:, 2] += shift_px
    by_opencv = cv2.warpAffine(image, matrix, (64, 64), flags=cv2.INTER_LINEAR)
    assert np.abs(seen(image, **ranges) - by_opencv)[4:-4, 4:-4].max() < 0.02


def test_light_and_noise_have_the_declared_size():
    grey = np.full((64, 64, 3), 0.5, np.float32)
    assert seen(grey, lighten=(0.05, 0.05)) == pytest.approx(0.55)
    assert seen(grey, noise_std=(0.1, 0.1)).std() == pytest.approx(0.1, rel=0.05)


def test_stratified_draws_fill_every_slice_and_keep_the_distribution():
    ranges = PlaneRanges(**STILL | {"lighten": (0.0, 1.0)})
    drawn = draw_plane_views(ranges, 16, 0, "attack", 3, stratified=True).lighten.numpy()
    assert sorted((drawn * 16).astype(int)) == list(range(16))
    means = [float(draw_plane_views(ranges, 16, 0, step, stratified=True).lighten.mean()) for step in range(50)]
    plain = [float(draw_plane_views(ranges, 16, 0, step).lighten.mean()) for step in range(50)]
    assert np.mean(means) == pytest.approx(0.5, abs=0.01)
    assert np.std(means) < np.std(plain) / 4


@pytest.fixture
def model(tmp_path):
    return DeployedModel(write_magenta(tmp_path / "m.onnx"))


def test_the_attack_reaches_a_known_goal_within_its_budget(model):
    """A network that looks for a magenta pixel: on dark grey 0.2 of room is enough, 0.1 is not."""
    gradient = gradient_of(model)
    goal = Goal((0,), 1)
    grey = torch.full((3, 32, 32), 0.3)
    for epsilon, expected in ((0.25, True), (0.1, False)):
        ranges = PlaneRanges(noise_std=(0, 0))
        (found,) = attack_images(grey[None], gradient, hinged_margin(goal), ranges, epsilon, 12, 4, [0])
        assert float((found - grey).abs().max()) <= epsilon + 1e-6
        fresh = draw_plane_views(PlaneRanges(noise_std=(0, 0)), 50, 0, "eval").of(found)
        assert (goal.reached(model.logits(fresh)).mean() > 0.9) == expected


def test_images_attacked_side_by_side_are_those_attacked_alone(model):
    gradient, towards_magenta = gradient_of(model), hinged_margin(Goal((0,), 1))
    images = torch.rand(3, 3, 32, 32, generator=torch.Generator().manual_seed(0)) / 2
    together, *alone = (
        attack_images(images[rows], gradient, towards_magenta, PlaneRanges(), 0.1, 3, 2, [5, 6, 7][rows])
        for rows in (slice(None), slice(0, 1), slice(1, 2), slice(2, 3))
    )
    assert (together != images).any()
    torch.testing.assert_close(together, torch.cat(alone), rtol=0, atol=1e-6)
