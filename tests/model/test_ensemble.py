import pytest
import torch
import torch.nn.functional as F
from magenta_network import write_magenta

from rig.errors import ModelError
from rig.model import DeployedModel, fetch, gradient_of
from rig.model.card import card_beside, write_card
from rig.model.ensemble import together
from rig.model.onnx_file import open_onnx


def towards_different_classes(logits):
    """A target an image, so that an image judged in another's place is seen."""
    return F.cross_entropy(logits, 100 + torch.arange(len(logits)), reduction="none")


@pytest.fixture(scope="module")
def networks(lite0):
    return [lite0, DeployedModel(fetch("efficientnet-lite1"), threads=1)]


def test_every_image_is_one_networks_and_has_that_networks_own_loss_and_gradient(networks):
    """Against each network alone; the second one's images are resized, so its gradient goes back through the resize."""
    batch = torch.rand(5, 3, 224, 224, generator=torch.Generator().manual_seed(0))
    roads = [gradient_of(model, "torch") for model in networks]
    losses, pull, logits = together(networks, roads).value_and_grad(batch, towards_different_classes)
    assert (losses.shape, pull.shape, logits.shape) == ((5,), (5, 3, 224, 224), (5, 1000))
    for number, (model, road) in enumerate(zip(networks, roads, strict=True)):
        seen = batch.clone().requires_grad_()
        fitted = model.fit(seen)
        expected, of_fitted, scores = road.value_and_grad(fitted.detach(), towards_different_classes)
        (of_seen,) = torch.autograd.grad(fitted, seen, of_fitted)
        for mine, theirs in ((losses, expected), (pull, of_seen), (logits, scores)):
            torch.testing.assert_close(
                mine[number::2], theirs[number::2], rtol=1e-3, atol=1e-4 * float(theirs.abs().max())
            )


def test_each_network_is_asked_about_its_share_only(tmp_path):
    models = [DeployedModel(write_magenta(tmp_path / f"{name}.onnx")) for name in "abc"]
    gradient = together(models, [gradient_of(model) for model in models])
    before = [model.queries for model in models]
    gradient.value_and_grad(torch.rand(7, 3, 32, 32), lambda logits: logits[:, 1])
    assert [model.queries - n for model, n in zip(models, before, strict=True)] == [3, 2, 2]
    gradient.value_and_grad(torch.rand(1, 3, 32, 32), lambda logits: logits[:, 1])
    assert [model.queries - n for model, n in zip(models, before, strict=True)] == [4, 2, 2]


def test_one_network_alone_is_its_own_gradient(lite0, lite0_gradient):
    assert together([lite0], [lite0_gradient]) is lite0_gradient


def test_networks_of_other_labels_or_of_one_name_are_refused_in_a_line(tmp_path):
    (tmp_path / "x").mkdir()
    one, same, other = (write_magenta(tmp_path / name) for name in ("one.onnx", "x/one.onnx", "other.onnx"))
    card = card_beside(open_onnx(other))
    write_card(card.model_copy(update={"labels": ["magenta", "ball"]}), other)
    for second, message in ((same, "two models of the same name"), (other, "need the same labels")):
        models = [DeployedModel(path) for path in (one, second)]
        with pytest.raises(ModelError, match=message):
            together(models, [gradient_of(model) for model in models])
