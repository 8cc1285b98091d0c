import numpy as np
import pytest
import torch

from rig.attack.distance import DeltaE
from rig.color import delta_e


def cielab(srgb: np.ndarray) -> np.ndarray:
    """CIE 1976 L*a*b* (D65) of sRGB in [0, 1], written out: the second road."""
    linear = np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)
    to_xyz = np.array(
        [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
    )
    relative = linear @ to_xyz.T / to_xyz.sum(axis=1)
    f = np.where(relative > (6 / 29) ** 3, np.cbrt(relative), relative / (3 * (6 / 29) ** 2) + 4 / 29)
    return np.stack([116 * f[:, 1] - 16, 500 * (f[:, 0] - f[:, 1]), 200 * (f[:, 1] - f[:, 2])], axis=1)


def test_delta_e_is_the_euclidean_distance_in_cielab():
    rng = np.random.default_rng(0)
    first, second = rng.random((200, 3)), rng.random((200, 3))
    expected = np.linalg.norm(cielab(first) - cielab(second), axis=1)
    np.testing.assert_allclose(delta_e(torch.tensor(first), torch.tensor(second)), expected, atol=0.05)


def test_black_and_white_are_100_apart_and_equal_colours_0():
    black, white = torch.zeros(1, 3), torch.ones(1, 3)
    assert delta_e(black, white).item() == pytest.approx(100, abs=0.01)
    assert delta_e(white, white).item() == pytest.approx(0, abs=1e-6)


def test_its_gradient_is_finite_at_equality_and_agrees_with_differences_elsewhere():
    colors = torch.rand(5, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    same = colors.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(delta_e(same, colors).sum(), same)
    assert torch.isfinite(gradient).all()
    other = (colors + 0.1).clamp(max=1).requires_grad_()
    assert torch.autograd.gradcheck(lambda x: delta_e(x, colors), other, eps=1e-6, atol=1e-4)


def test_the_measured_distance_is_that_of_the_rendered_pixels(stage):
    """Second road: the 8-bit frames themselves, over the same covered pixels (flat light, no print error)."""
    clean = stage.renderer.scene.mesh.texture
    changed = (clean * 0.6).astype(np.uint8)
    measured = DeltaE(stage.renderer, clean, stage.validation).of(changed).numpy()
    pairs = [stage.renderer.frames(texture, stage.validation) for texture in (changed, clean)]
    labs = [
        np.concatenate(
            [cielab(f.image.reshape(-1, 3)[p.pixels] / 255) for f, p in zip(frames, stage.validation, strict=True)]
        )
        for frames in pairs
    ]
    expected = np.linalg.norm(labs[0] - labs[1], axis=1)
    assert measured.mean() == pytest.approx(expected.mean(), rel=0.01)
