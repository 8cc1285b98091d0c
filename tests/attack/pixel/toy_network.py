"""Networks whose every answer can be worked out by hand."""

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from rig.model.card import write_card
from rig.model.guess import guess_card

PLACE, NEIGHBOUR = (3, 5), (4, 6)


class Toy:
    """Class 1 wins over class 0 by how red PLACE is and how blue NEIGHBOUR is, class 2 by how green PLACE is."""

    def __init__(self, needs: float = 0.9):
        self.needs, self.queries, self.batches = needs, 0, []

    def predict(self, images: np.ndarray) -> np.ndarray:
        self.queries += len(images)
        self.batches.append(len(images))
        red, blue = images[:, *PLACE, 0] / 255, images[:, *NEIGHBOUR, 2] / 255
        green = images[:, *PLACE, 1] / 255 - images[:, *PLACE, 0] / 255
        zero = np.full(len(images), self.needs)
        return np.stack([zero, (red + blue) / 2 + 0.45, green], axis=1).astype(np.float32)


LABELS = ["cat", "dog", "truck", "frog"]


def write_linear(
    path: Path,
    seed: int,
    size_px: tuple[int, int] = (8, 9),
    near: np.ndarray | None = None,
    dtype: str = "float32",
    layout: str = "NCHW",
    color: str = "RGB",
) -> np.ndarray:
    """An ONNX file with its card: logits = weights . batch. Returns weights (4, 3, H, W); what they say can be brute-forced.

    `near` are weights that it shall resemble. Other types, layouts and colour orders are for what is fed to them only.
    """
    weights = np.random.default_rng(seed).normal(size=(len(LABELS), 3, *size_px)).astype(np.float32)
    weights = weights if near is None else (0.9 * near + 0.4 * weights).astype(np.float32)
    nodes = [
        helper.make_node("Cast", ["batch"], ["float"], to=TensorProto.FLOAT),
        helper.make_node("Flatten", ["float"], ["flat"]),
        helper.make_node("MatMul", ["flat", "weights"], ["logits"]),
    ]
    kind = {"float32": TensorProto.FLOAT, "float16": TensorProto.FLOAT16, "uint8": TensorProto.UINT8}[dtype]
    shape = ["n", 3, *size_px] if layout == "NCHW" else ["n", *size_px, 3]
    graph = helper.make_graph(
        nodes,
        "linear",
        [helper.make_tensor_value_info("batch", kind, shape)],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["n", len(LABELS)])],
        [numpy_helper.from_array(np.ascontiguousarray(weights.reshape(len(LABELS), -1).T), "weights")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 8
    onnx.save(model, str(path))
    _write_card(path, dtype, color)
    return weights


def _write_card(path: Path, dtype: str, color: str) -> None:
    card = guess_card(path)
    plain = {"range": (0.0, 1.0), "mean": (0.0, 0.0, 0.0), "std": (1.0, 1.0, 1.0)}
    odd = {"range": (0.0, 255.0), "mean": (1.5, 20.0, 3.0), "std": (0.3, 7.0, 50.0)}  # of each channel its own
    of_input = {"float32": plain if color == "RGB" else odd, "float16": odd, "uint8": {}}[dtype] | {"color": color}
    changes = {"labels": LABELS, "input": card.input.model_copy(update=of_input), "guessed": []}
    write_card(card.model_copy(update=changes), path)


def linear_logits(weights: np.ndarray, images: np.ndarray) -> np.ndarray:
    """(n, 4), by numpy in double precision; images (n, H, W, 3) uint8."""
    return np.einsum("nhwc,kchw->nk", images / 255.0, weights.astype(np.float64))


def write_images(path: Path, weights: np.ndarray, n: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """An .npz of n random images; every fifth has a label that the network of `weights` does not give it."""
    height, width = weights.shape[2:]
    images = np.random.default_rng(seed).integers(0, 256, (n, height, width, 3), dtype=np.uint8)
    labels = linear_logits(weights, images).argmax(axis=1)
    labels[::5] = (labels[::5] + 1) % len(LABELS)
    np.savez(path, images=images, labels=labels)
    return images, labels
