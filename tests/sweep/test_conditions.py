"""Every condition by a second road: formulas, SciPy, Pillow, slices."""

import io

import numpy as np
import pytest
from PIL import Image
from scipy.ndimage import gaussian_filter

from rig.errors import RigError
from rig.sweep.conditions import CHANGES, CONDITIONS, Condition


@pytest.fixture(scope="module")
def images():
    """Two smooth-ish frames, so that JPEG and resampling have something to keep."""
    rng = np.random.default_rng(0)
    rough = rng.uniform(0, 255, (2, 48, 40, 3))
    return np.rint(gaussian_filter(rough, (0, 2, 2, 0)) * 3 - 255).clip(0, 255).astype(np.uint8)


def changed(images, name, value, seed=0):
    return Condition(name, value).applied(images, seed)


def test_a_stop_is_twice_the_light(images):
    s = images / 255
    linear = np.where(s <= 0.04045, s / 12.92, ((s + 0.055) / 1.055) ** 2.4)
    for stops in (-1.5, 1.0):
        lit = np.clip(linear * 2**stops, 0, 1)
        expected = 255 * np.where(lit <= 0.0031308, lit * 12.92, 1.055 * lit ** (1 / 2.4) - 0.055)
        assert np.abs(changed(images, "exposure_stops", stops) - expected).max() <= 0.51
    assert changed(np.full((1, 4, 4, 3), 55, np.uint8), "exposure_stops", 2)[0, 0, 0, 0] == 109  # 0.0382 x 4 = 0.1528


def test_noise_has_its_standard_deviation_and_twins_share_it():
    grey = np.full((2, 64, 64, 3), 128, np.uint8)
    noisy = changed(grey, "noise_std", 0.03).astype(float) - 128
    assert noisy[0].std() == pytest.approx(0.03 * 255, rel=0.03) and abs(noisy.mean()) < 0.3
    assert (noisy[0] == noisy[1]).all()
    assert (changed(grey, "noise_std", 0.03, seed=1) != changed(grey, "noise_std", 0.03, seed=0)).any()


def test_blur_is_scipys(images):
    for std_px in (0.5, 2.0):
        expected = gaussian_filter(images.astype(float), (0, std_px, std_px, 0), mode="mirror", truncate=3)
        assert np.abs(changed(images, "blur_px", std_px) - expected).max() <= 1.5


def test_jpeg_is_pillows(images):
    for quality in (95, 25):
        file = io.BytesIO()
        Image.fromarray(images[0]).save(file, "JPEG", quality=quality)
        expected = np.asarray(Image.open(file)).astype(int)
        assert np.abs(changed(images, "jpeg_quality", quality)[0] - expected).mean() < 1.0
    coarse, fine = (np.abs(changed(images, "jpeg_quality", q).astype(int) - images).mean() for q in (25, 95))
    assert coarse > 2 * fine > 0


def test_half_resolution_is_pillows(images):
    small = Image.fromarray(images[0]).resize((20, 24), Image.Resampling.BILINEAR)
    expected = np.asarray(small.resize((40, 48), Image.Resampling.BILINEAR)).astype(int)
    found = changed(images, "resolution_frac", 0.5)[0].astype(int)
    assert np.abs(found - expected).max() <= 2
    assert np.abs(found - images[0]).max() > 5


def test_shifts_are_slices(images):
    right, down = changed(images, "shift_right_px", 1), changed(images, "shift_down_px", -2)
    assert (right[:, :, 1:] == images[:, :, :-1]).all() and (right[:, :, 0] == images[:, :, 0]).all()
    assert (down[:, :-2] == images[:, 2:]).all() and (down[:, -1] == images[:, -1]).all()


def test_every_condition_keeps_shape_and_depth_and_does_something(images):
    assert {one.name for one in CONDITIONS} == set(CHANGES)
    for one in CONDITIONS:
        found = one.applied(images)
        assert found.shape == images.shape and found.dtype == np.uint8
        assert (found == images).all() == (one.name == "none")
        assert (one.applied(images[1:]) == found[1:]).all(), "an image's twin does not change it"
    with pytest.raises(RigError, match="unknown condition"):
        Condition("blur", 1)
