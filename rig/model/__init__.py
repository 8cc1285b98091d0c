"""Frame to prediction: ONNX files as deployed, their cards and labels, and gradients through them."""

from rig.model.card import Card, card_path, read_card, write_card
from rig.model.deployed import DeployedModel
from rig.model.gradient import Gradient, Objective, gradient_of
from rig.model.guess import guess_card
from rig.model.labels import Labels, imagenet_labels
from rig.model.torch_import import TorchImport
from rig.model.zoo import fetch, names, resolve

__all__ = [
    "Card",
    "DeployedModel",
    "Gradient",
    "Labels",
    "Objective",
    "TorchImport",
    "card_path",
    "fetch",
    "gradient_of",
    "guess_card",
    "imagenet_labels",
    "names",
    "read_card",
    "resolve",
    "write_card",
]
