import numpy as np
import pytest

from rig.attack.pixel.change import PixelChange, changed_pixels
from rig.errors import RigError
from rig.images import encode_png, read_image

IMAGE = np.random.default_rng(0).integers(0, 256, (6, 9, 3), dtype=np.uint8)


def test_exactly_the_named_pixels_are_set_and_the_image_itself_is_left_alone():
    before = IMAGE.copy()
    changed = PixelChange(np.array([[5, 0, 1, 2, 3], [0, 8, 255, 0, 7]])).applied(IMAGE)
    assert changed[5, 0].tolist() == [1, 2, 3]
    assert changed[0, 8].tolist() == [255, 0, 7]
    others = np.ones((6, 9), bool)
    others[5, 0] = others[0, 8] = False
    np.testing.assert_array_equal(changed[others], IMAGE[others])
    np.testing.assert_array_equal(IMAGE, before)


def test_l0_is_counted_from_the_pixels_of_the_saved_files(tmp_path):
    """By another road: one by one, from what the PNGs decode to."""
    change = PixelChange(np.array([[1, 2, 9, 9, 9], [3, 4, *IMAGE[3, 4]], [2, 2, 0, 0, 0], [2, 2, 50, 60, 70]]))
    paths = [tmp_path / "clean.png", tmp_path / "adversarial.png"]
    for path, image in zip(paths, (IMAGE, change.applied(IMAGE)), strict=True):
        path.write_bytes(encode_png(image))
    clean, adversarial = map(read_image, paths)
    one_by_one = sum(clean[y, x].tolist() != adversarial[y, x].tolist() for y in range(6) for x in range(9))
    assert changed_pixels(clean, adversarial) == one_by_one == 2  # one entry keeps its colour, two share a pixel
    assert adversarial[2, 2].tolist() == [50, 60, 70]


def test_a_change_survives_its_json():
    pixels = [[5, 0, 1, 2, 3], [0, 8, 255, 0, 7]]
    again = PixelChange.from_json(PixelChange(np.array(pixels)).to_json())
    assert again.pixels.tolist() == pixels
    assert len(PixelChange.from_json(PixelChange(np.empty((0, 5), int)).to_json())) == 0


@pytest.mark.parametrize(
    ("pixels", "message"),
    [
        ([[0, 0, 0, 0, 256]], "out of range"),
        ([[-1, 0, 0, 0, 0]], "out of range"),
        ([[0, 0, 0, 0]], "not a list of pixels"),
        ([[0.5, 0, 0, 0, 0]], "not a list of pixels"),
    ],
)
def test_what_no_8_bit_image_can_hold_is_refused(pixels, message):
    with pytest.raises(RigError, match=message):
        PixelChange(np.array(pixels))


def test_a_pixel_outside_of_the_image_is_refused():
    with pytest.raises(RigError, match="outside of the image"):
        PixelChange(np.array([[6, 0, 0, 0, 0]])).applied(IMAGE)


@pytest.mark.parametrize("text", ["", "{}", "[1]", '{"columns": ["x"], "pixels": []}', '{"columns": 3, "pixels": 4}'])
def test_json_of_another_kind_is_refused(text):
    with pytest.raises(RigError):
        PixelChange.from_json(text)


def test_images_of_different_size_or_depth_are_not_compared():
    for other in (IMAGE[:5], IMAGE.astype(float)):
        with pytest.raises(RigError, match="cannot be compared"):
            changed_pixels(IMAGE, other)
