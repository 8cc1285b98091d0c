import hashlib

import numpy as np
import pytest
import torch

from rig.images import batch_from_images
from rig.model import Card, DeployedModel, guess_card, write_card
from rig.model.guess import IMAGENET_MEAN, IMAGENET_STD


def random_batch(n, height=16, width=20, seed=0):
    return torch.rand(n, 3, height, width, generator=torch.Generator().manual_seed(seed))


def normalised(batch):
    return (batch - torch.tensor(IMAGENET_MEAN).view(3, 1, 1)) / torch.tensor(IMAGENET_STD).view(3, 1, 1)


def changed(card: Card, section: str, **fields) -> Card:
    return card.model_copy(update={section: getattr(card, section).model_copy(update=fields)})


def test_real_network_is_right_on_real_photographs(lite0, photographs):
    predicted = [int(lite0.predict(image[None]).argmax()) for image, _ in photographs]
    assert sum(label == found for (_, label), found in zip(photographs, predicted, strict=True)) >= 15


def test_logits_are_those_of_the_native_module(lite0, lite0_native):
    batch = random_batch(3, 224, 224)
    expected = lite0_native((batch * 255 - 127) / 128).numpy()
    np.testing.assert_allclose(lite0.logits(batch), expected, atol=1e-4 * np.ptp(expected))


def test_facts_of_the_file(lite0, lite0_path):
    assert lite0.sha256 == hashlib.sha256(lite0_path.read_bytes()).hexdigest() == lite0.card.sha256
    assert lite0.size_px == (224, 224)
    assert lite0.labels[33] == "loggerhead"
    assert lite0.card.guessed == []
    assert lite0.provider in ("CPU", "CUDA")


@pytest.mark.parametrize("dtype", ["float32", "float16", "uint8"])
@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
@pytest.mark.parametrize("batch", ["n", 4])
def test_every_kind_of_input_computes_the_same(tiny, batch, layout, dtype):
    net = tiny(batch=batch, layout=layout, dtype=dtype)
    images = batch_from_images((random_batch(7).permute(0, 2, 3, 1) * 255).byte().numpy())  # 8-bit values
    expected = net.scores(images * 255 if dtype == "uint8" else normalised(images)).numpy()
    tolerance = 1e-2 if dtype == "float16" else 1e-4
    np.testing.assert_allclose(DeployedModel(net.path).logits(images), expected, atol=tolerance)


def test_uint8_input_is_rounded_not_cut(tiny):
    net = tiny(dtype="uint8")
    batch = random_batch(2)
    expected = net.scores((batch * 255).round())
    np.testing.assert_allclose(DeployedModel(net.path).logits(batch), expected, atol=1e-4)


def test_softmax_file_gives_log_probabilities(tiny):
    net = tiny(softmax=True)
    model = DeployedModel(net.path)
    assert model.card.output.kind == "probabilities"
    np.testing.assert_allclose(model.logits(random_batch(3)), net.scores(normalised(random_batch(3))), atol=1e-4)


def test_certainty_stays_finite(tiny):
    def sharpen(graph):
        linear = next(tensor for tensor in graph.initializer if tensor.name == "linear")
        linear.raw_data = (np.frombuffer(linear.raw_data, np.float32) * 1e4).tobytes()

    logits = DeployedModel(tiny(softmax=True, edit=sharpen).path).logits(random_batch(3))
    assert np.isfinite(logits).all() and logits.min() < -60


def test_logits_do_not_depend_on_the_batch(lite0):
    batch = random_batch(35, 224, 224)
    together = lite0.logits(batch)
    alone = np.concatenate([lite0.logits(batch[i : i + 1]) for i in (0, 31, 34)])
    np.testing.assert_allclose(together[[0, 31, 34]], alone, atol=1e-4 * np.ptp(together))


def test_images_and_batches_agree(tiny):
    model = DeployedModel(tiny().path)
    images = np.random.default_rng(0).integers(0, 256, (40, 30, 30, 3), dtype=np.uint8)
    np.testing.assert_allclose(model.predict(images), model.logits(batch_from_images(images)), atol=1e-5)


def test_queries_count_images_asked(tiny):
    model = DeployedModel(tiny(batch=4).path)
    model.logits(random_batch(3))
    model.predict(np.zeros((6, 16, 20, 3), np.uint8))
    assert model.queries == 9


def test_no_images_give_no_logits(tiny):
    model = DeployedModel(tiny().path)
    assert model.logits(random_batch(0)).shape == model.predict(np.zeros((0, 9, 9, 3), np.uint8)).shape == (0, 5)


def test_colour_order_range_and_normalisation_follow_the_card(tiny):
    net = tiny()
    fields = {"color": "BGR", "range": (0.0, 255.0), "mean": (103.0, 116.0, 123.0), "std": (57.0, 58.0, 59.0)}
    write_card(changed(guess_card(net.path), "input", **fields), net.path)
    blue_first = random_batch(2).numpy()[:, ::-1] * 255
    seen = (blue_first - np.float32([103, 116, 123])[:, None, None]) / np.float32([57, 58, 59])[:, None, None]
    expected = net.scores(torch.from_numpy(np.ascontiguousarray(seen)))
    np.testing.assert_allclose(DeployedModel(net.path).logits(random_batch(2)), expected, atol=1e-4)


def test_a_batch_of_the_models_size_passes_unchanged(lite0):
    batch = random_batch(1, 224, 224)
    assert lite0.fit(batch) is batch


@pytest.mark.parametrize(("height", "width"), [(300, 400), (400, 300), (64, 500), (100, 100)])
@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
def test_fit_crops_the_centre_and_resamples_as_pillow_does(tiny, height, width, interpolation):
    image_module = pytest.importorskip("PIL.Image", reason="the second resampler")
    path = tiny(size=(32, 32)).path
    write_card(changed(guess_card(path), "resize", crop_frac=0.8, interpolation=interpolation), path)
    image = np.random.default_rng(1).integers(60, 196, (height, width, 3), dtype=np.uint8)  # bicubic stays within
    side = round(0.8 * min(height, width))
    top, left = (height - side) // 2, (width - side) // 2
    cropped = image_module.fromarray(image[top : top + side, left : left + side])
    expected = np.asarray(cropped.resize((32, 32), getattr(image_module.Resampling, interpolation.upper())))
    fitted = DeployedModel(path).fit(batch_from_images(image[None]))[0].permute(1, 2, 0).numpy() * 255
    assert np.abs(fitted - expected).max() < 1.5  # Pillow rounds to 8 bits after each of its two passes


def test_fit_keeps_the_aspect_of_a_model_that_is_not_square(tiny):
    """A frame of columns each of its own grey, twice as wide as the model's shape: the middle half is seen."""
    path = tiny(size=(16, 20)).path
    write_card(changed(guess_card(path), "resize", crop_frac=1.0), path)
    columns = torch.linspace(0, 1, 400).expand(1, 3, 160, 400)
    seen = DeployedModel(path).fit(columns)[0, 0, 0]
    assert seen[0] == pytest.approx(0.25 + 0.5 / 40, abs=0.01) and seen[-1] == pytest.approx(0.75 - 0.5 / 40, abs=0.01)


def test_fit_is_differentiable(tiny):
    model = DeployedModel(tiny(size=(8, 8)).path)
    batch = (0.25 + 0.5 * random_batch(1, 24, 31)).double().float().requires_grad_()
    direction = torch.randn(batch.shape, generator=torch.Generator().manual_seed(3))
    weights = torch.randn(1, 3, 8, 8, generator=torch.Generator().manual_seed(4))
    (grad,) = torch.autograd.grad((model.fit(batch) * weights).sum(), batch)
    ahead, behind = (float((model.fit(batch.detach() + step * direction) * weights).sum()) for step in (0.01, -0.01))
    assert float((grad * direction).sum()) == pytest.approx((ahead - behind) / 0.02, rel=1e-3)


def test_provider_is_the_one_that_runs(lite0):
    assert lite0._session.get_providers()[0] == f"{lite0.provider}ExecutionProvider"


def test_cifar_network_reaches_its_published_accuracy_on_a_guessed_card(shared):
    samples = np.load(shared / "cifar10" / "test1000.npz")
    accuracy = (
        DeployedModel(shared / "cifar10" / "allconv.onnx").predict(samples["images"]).argmax(1) == samples["labels"]
    ).mean()
    assert accuracy == pytest.approx(0.786, abs=0.04)  # of 10,000 in MODELS.md; three standard errors of 1,000
