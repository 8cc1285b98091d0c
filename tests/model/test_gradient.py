import numpy as np
import pytest
import torch
import torch.nn.functional as F
from onnx import helper

from rig.errors import ModelError
from rig.images import batch_from_images
from rig.model import DeployedModel, gradient_of
from rig.model.proof import MAX_LOGIT_ERROR

RIFLE = 413


def random_batch(n, height=224, width=224, seed=0):
    return torch.rand(n, 3, height, width, generator=torch.Generator().manual_seed(seed))


def towards_rifle(logits):
    return F.cross_entropy(logits, torch.full((len(logits),), RIFLE), reduction="none")


@pytest.fixture(scope="module")
def photo_batch(lite0, photographs):
    return torch.cat([lite0.fit(batch_from_images(image[None])) for image, _ in photographs[:3]])


def test_import_says_what_the_file_says(lite0, lite0_gradient, photo_batch):
    _, _, logits = lite0_gradient.value_and_grad(photo_batch, towards_rifle)
    expected = lite0.logits(photo_batch)
    assert np.abs(logits.numpy() - expected).max() <= 1e-4 * np.ptp(expected)
    assert lite0_gradient.max_logit_error <= MAX_LOGIT_ERROR


def native_in_float64(native, batch):
    """Losses and gradient of the network the file was exported from, in double precision."""
    images = batch.double().requires_grad_()
    losses = towards_rifle(native((images * 255 - 127) / 128))
    return losses.detach(), torch.autograd.grad(losses.sum(), images)[0]


def test_gradient_is_that_of_the_native_module(lite0_gradient, lite0_native64, photo_batch):
    """To rounding - except where rounding puts one of an image's 6 million activations across a ReLU6's kink.

    Measured against float64: no activation across, 2e-6 of the gradient's norm; one or two across, 1e-3 to 3e-3.
    """
    losses, grad, logits = lite0_gradient.value_and_grad(photo_batch, towards_rifle)
    expected, expected_grad = native_in_float64(lite0_native64, photo_batch)
    torch.testing.assert_close(losses.double(), expected, rtol=1e-4, atol=1e-4)
    error_frac = (grad - expected_grad).flatten(1).norm(dim=1) / expected_grad.flatten(1).norm(dim=1)
    assert error_frac.min() < 1e-4 and error_frac.max() < 1e-2
    assert (losses.shape, grad.shape, logits.shape) == ((3,), (3, 3, 224, 224), (3, 1000))


def test_gradient_has_the_slope_and_scale_of_central_differences(lite0_gradient, lite0_native64, photo_batch):
    """In float64, with a step that crosses no kink (1e-7 does), along a random direction and along the gradient."""
    batch, step = photo_batch[:1], 1e-9
    _, grad, _ = lite0_gradient.value_and_grad(batch, towards_rifle)
    signs = torch.randint(0, 2, batch.shape, generator=torch.Generator().manual_seed(5)) * 2.0 - 1
    directions = torch.cat([signs, grad / grad.abs().max()]).double()
    with torch.no_grad():
        losses = [towards_rifle(lite0_native64(((batch + s * directions) * 255 - 127) / 128)) for s in (step, -step)]
    slopes = (grad.double() * directions).sum((1, 2, 3))
    tolerance = 5e-3 * float(grad.norm())  # a random direction's own slope has about the gradient's norm
    np.testing.assert_allclose(slopes, (losses[0] - losses[1]) / (2 * step), rtol=5e-3, atol=tolerance)


@pytest.mark.parametrize("batch", ["n", 5])
def test_each_image_has_its_own_target_and_chunks_do_not_matter(tiny, batch):
    gradient = gradient_of(DeployedModel(tiny(batch=batch).path))
    images = random_batch(35, 16, 20)
    targets = torch.arange(35) % 5

    def objective(logits):
        return F.cross_entropy(logits, targets, reduction="none")

    losses, grad, logits = gradient.value_and_grad(images, objective)
    torch.testing.assert_close(losses, objective(logits))
    for i in (0, 15, 16, 34):
        target = targets[i : i + 1]
        loss, alone, _ = gradient.value_and_grad(
            images[i : i + 1], lambda logits, target=target: F.cross_entropy(logits, target, reduction="none")
        )
        torch.testing.assert_close(loss[0], losses[i])
        torch.testing.assert_close(alone[0], grad[i], rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    "shape",
    [
        {},
        {"batch": 4},
        {"layout": "NHWC"},
        {"layout": "NHWC", "dtype": "uint8"},
        {"dtype": "uint8", "batch": 2},
        {"dtype": "float16"},
        {"softmax": True},
        {"softmax": True, "batch": 1, "layout": "NHWC"},
    ],
    ids=str,
)
def test_every_kind_of_file_has_the_gradient_of_its_own_arithmetic(tiny, shape):
    net = tiny(**shape)
    model = DeployedModel(net.path)
    batch = (random_batch(7, 16, 20) * 255).round() / 255
    _, grad, logits = gradient_of(model).value_and_grad(batch, lambda logits: logits[:, 0] - logits[:, 1])
    images = batch.clone().requires_grad_()
    mean, std = (torch.tensor(v).view(3, 1, 1) for v in (model.card.input.mean, model.card.input.std))
    expected = net.scores((images * model.card.input.range[1] - mean) / std)
    (expected_grad,) = torch.autograd.grad((expected[:, 0] - expected[:, 1]).sum(), images)
    tolerance = 5e-3 if model.card.input.dtype == "float16" else 1e-4
    assert (grad - expected_grad).norm() < tolerance * expected_grad.norm()
    np.testing.assert_allclose(logits, model.logits(batch), atol=5e-3 if tolerance > 1e-3 else 1e-4)


@pytest.mark.parametrize(("road", "queries"), [(None, 2), ("compiled", 2), ("torch", 2), ("nes", 202), ("spsa", 202)])
def test_every_road_counts_its_queries_and_leaves_the_batch_alone(tiny, road, queries):
    model = DeployedModel(tiny().path)
    batch = random_batch(2, 16, 20).requires_grad_()
    gradient = gradient_of(model, road)
    assert model.queries == 0
    losses, grad, logits = gradient.value_and_grad(batch, lambda logits: logits[:, 0])
    assert model.queries == queries
    assert batch.grad is None and not any(t.requires_grad for t in (losses, grad, logits))


def test_no_images_have_no_gradient(tiny):
    parts = gradient_of(DeployedModel(tiny().path)).value_and_grad(random_batch(0, 16, 20), lambda z: z[:, 0])
    assert [tuple(part.shape) for part in parts] == [(0,), (0, 3, 16, 20), (0, 5)]


def between(*nodes):
    """Put operators between the features and the linear layer, which then reads "more"."""

    def edit(graph):
        for node in nodes:
            graph.node.insert(len(graph.node) - 1, node)
        graph.node[-1].input[0] = "more"

    return edit


NOISE = between(
    helper.make_node("RandomNormalLike", ["features"], ["noise"], scale=5.0),
    helper.make_node("Add", ["features", "noise"], ["more"]),
)
FLAT = between(helper.make_node("Floor", ["features"], ["more"]))
UNSUPPORTED = between(helper.make_node("FastGelu", ["features"], ["more"], domain="com.microsoft"))


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (NOISE, r"differs from the file.*top-1 changed on \d of 6 images; expected <= 0\.001"),
        (FLAT, "no usable gradient.*zero everywhere"),
        (UNSUPPORTED, "unsupported operator FastGelu"),
    ],
    ids=["random", "flat", "unsupported"],
)
def test_import_that_cannot_be_trusted_is_refused(tiny, edit, message):
    model = DeployedModel(tiny(edit=edit).path)
    with pytest.raises(ModelError, match=message) as caught:
        gradient_of(model, "torch")
    assert "\n" not in str(caught.value) and "tiny.onnx" in str(caught.value)
    assert str(caught.value).endswith("roads nes and spsa ask for scores only")


@pytest.mark.parametrize("edit", [NOISE, FLAT, UNSUPPORTED], ids=["random", "flat", "unsupported"])
def test_what_cannot_be_trusted_is_estimated_and_the_reason_kept(tiny, edit):
    road = gradient_of(DeployedModel(tiny(edit=edit).path)).road
    assert road.startswith("NES, 50 antithetic pairs an image (") and "tiny.onnx" in road
    if edit is UNSUPPORTED:
        assert "no compiled gradient; got unsupported operator" in road and "FastGelu" in road


def test_road_that_does_not_exist(tiny):
    with pytest.raises(ModelError, match="no such road.*got magic; expected compiled, torch, nes, spsa"):
        gradient_of(DeployedModel(tiny().path), "magic")


def test_file_changed_after_loading_is_refused(tiny):
    model = DeployedModel(tiny().path)
    tiny(classes=6)
    with pytest.raises(ModelError, match="changed since it was loaded"):
        gradient_of(model)


FLOAT_FILES = ("convnext", "efficientnet_like", "mobilenet_v3", "regnet", "shufflenet", "swin", "vit")


@pytest.mark.parametrize(("name", "exporter"), [(name, "current") for name in FLOAT_FILES] + [("vit", "legacy")])
def test_foreign_architectures_have_the_gradient_of_their_source(shared, name, exporter):
    """The stored gradient is the source model's, of the image it takes, already normalised."""
    model = DeployedModel(shared / "onnx_zoo" / f"{name}-{exporter}.onnx")
    stored = {key: torch.from_numpy(value) for key, value in np.load(shared / "onnx_zoo" / f"{name}.npz").items()}
    std = torch.tensor(model.card.input.std).view(3, 1, 1)
    images = stored["images"] * std + torch.tensor(model.card.input.mean).view(3, 1, 1)
    _, grad, logits = gradient_of(model).value_and_grad(images, lambda z: (z * stored["cotangent"]).sum(1))
    torch.testing.assert_close(logits, stored["outputs"], rtol=1e-4, atol=1e-4)
    assert (grad * std - stored["gradient"]).norm() < 1e-4 * stored["gradient"].norm()
