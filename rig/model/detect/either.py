"""A file of which nobody said what it is."""

from pathlib import Path

from rig.errors import ModelError
from rig.model.deployed import DeployedModel
from rig.model.detect.deployed import DeployedDetector
from rig.model.detect.presence import Presence
from rig.model.onnx_file import open_onnx

Judge = DeployedModel | Presence


def open_model(path: Path) -> DeployedModel | DeployedDetector:
    """A classifier if it is one, else a detector. Raises ModelError that says why it is neither."""
    try:
        return DeployedModel(path)
    except ModelError as error:
        open_onnx(path, classifies=False)  # what is no sound image model at all says so by itself
        no_classifier = error
    try:
        return DeployedDetector(path)
    except ModelError as error:
        raise ModelError(f"{no_classifier}; and no detector: {error}") from error


def open_judge(path: Path) -> Judge:
    """What sweeps and attacks ask: a classifier as it is, a detector by what it finds in a frame. Raises ModelError."""
    model = open_model(path)
    return Presence(model) if isinstance(model, DeployedDetector) else model
