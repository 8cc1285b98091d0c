import cv2
import numpy as np
import pytest
from toy_network import write_images, write_linear

from rig.attack.pixel.dataset import read_samples
from rig.errors import CorruptImage, RigError
from rig.images import encode_jpeg, encode_png
from rig.model import DeployedModel

IMAGES = np.random.default_rng(1).integers(0, 256, (4, 8, 9, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    path = tmp_path_factory.mktemp("model") / "linear.onnx"
    write_linear(path, 0)
    return DeployedModel(path)


@pytest.fixture
def folder(tmp_path):
    """Four images in a folder for each of two classes."""
    for i, label in enumerate(["cat", "dog", "cat", "dog"]):
        (tmp_path / label).mkdir(exist_ok=True)
        (tmp_path / label / f"{i}.png").write_bytes(encode_png(IMAGES[i]))
    return tmp_path


def test_a_folder_for_each_class_gives_its_images_as_they_are(folder, model):
    samples, skipped = read_samples(folder, model)
    assert skipped == []
    assert [(sample.name, sample.true) for sample in samples] == [
        ("00000-0", (0,)), ("00001-2", (0,)), ("00002-1", (1,)), ("00003-3", (1,)),
    ]  # fmt: skip
    for sample, i in zip(samples, (0, 2, 1, 3), strict=True):
        np.testing.assert_array_equal(sample.image, IMAGES[i])


def test_a_table_of_labels_beats_the_folders_and_may_give_several(folder, model):
    (folder / "labels.csv").write_text(
        "file,label\ncat/0.png,truck\ncat/2.png, frog | truck\ndog/1.png,2\ndog/3.png,DOG\n"
    )
    samples, _ = read_samples(folder, model)
    assert [sample.true for sample in samples] == [(2,), (3, 2), (2,), (1,)]


def test_an_npz_gives_its_images_and_class_ids(tmp_path, model):
    images, labels = write_images(tmp_path / "set.npz", write_linear(tmp_path / "m.onnx", 0), 6)
    samples, _ = read_samples(tmp_path / "set.npz", model)
    assert [sample.true[0] for sample in samples] == labels.tolist()
    np.testing.assert_array_equal(np.stack([sample.image for sample in samples]), images)


def test_images_are_brought_to_the_models_size_only_when_asked(folder, model):
    large = np.random.default_rng(2).integers(0, 256, (16, 18, 3), dtype=np.uint8)
    (folder / "cat" / "9.png").write_bytes(encode_png(large))
    with pytest.raises(RigError, match="00002-9: an image of another size; got 18 x 16; expected 9 x 8, as linear"):
        read_samples(folder, model)
    samples, _ = read_samples(folder, model, resize=True)
    assert {sample.image.shape for sample in samples} == {(8, 9, 3)}
    np.testing.assert_array_equal(samples[0].image, IMAGES[0])


CORRUPT = {
    "cut short.png": encode_png(IMAGES[0])[:-20],
    "cut short.jpg": encode_jpeg(IMAGES[0])[:-20],
    "flipped bit.png": (lambda b: b[:60] + bytes([b[60] ^ 4]) + b[61:])(encode_png(IMAGES[0])),
    "text.png": b"hello",
    "empty.jpg": b"",
}


@pytest.mark.parametrize("name", CORRUPT)
def test_a_corrupt_file_is_refused_and_left_out_and_listed_only_when_asked(folder, model, name, capfd):
    (folder / "cat" / name).write_bytes(CORRUPT[name])
    with pytest.raises(CorruptImage, match=r"not a readable image; expected a whole PNG or JPEG file; --skip-bad"):
        read_samples(folder, model)
    samples, skipped = read_samples(folder, model, skip_bad=True)
    assert len(samples) == 4
    assert [one.file for one in skipped] == [f"cat/{name}"]
    assert capfd.readouterr().err == ""  # a decoder's own complaints would stand beside our one line


@pytest.mark.parametrize(
    ("image", "said"),
    [
        (IMAGES[0, ..., 0], "greyscale, 8 bits"),
        (np.dstack([IMAGES[0], IMAGES[0, ..., 0]]), "RGB with alpha, 8 bits"),
        (IMAGES[0].astype(np.uint16) * 257, "RGB, 16 bits"),
    ],
)
def test_grey_alpha_and_16_bits_are_refused_even_where_corrupt_files_are_skipped(folder, model, image, said):
    cv2.imwrite(str(folder / "cat" / "odd.png"), image)
    with pytest.raises(RigError, match=f"odd.png: not an 8-bit RGB image; got {said} a channel"):
        read_samples(folder, model, skip_bad=True)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda f: (f / "stray.png").write_bytes(encode_png(IMAGES[0])), "stray.png: an image without a label"),
        (lambda f: (f / "cat").rename(f / "kat"), "unknown label; got kat; did you mean cat"),
        (lambda f: (f / "labels.csv").write_text("cat/0.png,cat\n"), "not a table of labels"),
        (lambda f: (f / "labels.csv").write_text("file,label\nnone.png,cat\n"), "a file that is not there; got none"),
        (lambda f: (f / "labels.csv").write_bytes(b"\xff\xfe\x00"), "cannot read the labels"),
    ],
)
def test_wrong_labels_are_one_line(folder, model, change, message):
    change(folder)
    with pytest.raises(RigError, match=message):
        read_samples(folder, model)


def test_an_empty_folder_or_nothing_at_all_is_one_line(tmp_path, model):
    with pytest.raises(RigError, match="no images here"):
        read_samples(tmp_path, model)
    with pytest.raises(RigError, match="no such images"):
        read_samples(tmp_path / "nowhere", model)


def test_a_folder_of_corrupt_files_alone_is_nothing_to_attack(tmp_path, model):
    (tmp_path / "cat").mkdir()
    (tmp_path / "cat" / "bad.png").write_bytes(b"hello")
    with pytest.raises(RigError, match="no images to attack; got 1 corrupt files, nothing else|no images to attack"):
        read_samples(tmp_path, model, skip_bad=True)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"images": IMAGES}, "not an image set"),
        ({"images": IMAGES / 255, "labels": np.zeros(4, int)}, "not 8-bit RGB images; got images of float64"),
        ({"images": IMAGES[..., :1], "labels": np.zeros(4, int)}, "not 8-bit RGB images"),
        ({"images": IMAGES, "labels": np.zeros(3, int)}, "not one label an image"),
        ({"images": IMAGES, "labels": np.full(4, 4)}, "no such class id; got 4"),
        ({"images": IMAGES, "labels": np.full(4, -1)}, "no such class id; got -1|unknown label"),
    ],
)
def test_an_npz_of_another_kind_is_one_line(tmp_path, model, arrays, message):
    np.savez(tmp_path / "set.npz", **arrays)
    with pytest.raises(RigError, match=message):
        read_samples(tmp_path / "set.npz", model)


def test_a_file_that_only_claims_to_be_an_npz_is_one_line(tmp_path, model):
    for content in (b"", b"hello", b"PK\x03\x04 and then nothing"):
        (tmp_path / "set.npz").write_bytes(content)
        with pytest.raises(RigError, match="set.npz: "):
            read_samples(tmp_path / "set.npz", model)
