"""A network that only looks for magenta, as an ONNX file, and the same again by numpy: every outcome is known."""

import numpy as np
import onnx
from onnx import TensorProto, helper

from rig.model.card import write_card
from rig.model.guess import guess_card

SIDE_PX = 32
LABELS = ["ball", "magenta"]


def write_magenta(path, side_px: int = SIDE_PX):
    """Logits: 1 for a ball; for magenta 3 times the largest min(red, blue) - green of all pixels."""
    nodes = [
        helper.make_node("Split", ["batch"], ["red", "green", "blue"], axis=1, num_outputs=3),
        helper.make_node("Min", ["red", "blue"], ["purple"]),
        helper.make_node("Sub", ["purple", "green"], ["magenta"]),
        helper.make_node("GlobalMaxPool", ["magenta"], ["most"]),
        helper.make_node("Flatten", ["most"], ["flat"]),
        helper.make_node("Mul", ["flat", "three"], ["second"]),
        helper.make_node("Mul", ["flat", "zero"], ["nothing"]),
        helper.make_node("Add", ["nothing", "one"], ["first"]),
        helper.make_node("Concat", ["first", "second"], ["logits"], axis=1),
    ]
    numbers = {"zero": 0.0, "one": 1.0, "three": 3.0}
    constants = [helper.make_tensor(name, TensorProto.FLOAT, [1], [value]) for name, value in numbers.items()]
    batch = helper.make_tensor_value_info("batch", TensorProto.FLOAT, ["n", 3, side_px, side_px])
    logits = helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["n", 2])
    graph = helper.make_graph(nodes, "magenta", [batch], [logits], constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)])
    model.ir_version = 8
    onnx.save(model, str(path))
    card = guess_card(path)
    plain = {"range": (0.0, 1.0), "mean": (0.0, 0.0, 0.0), "std": (1.0, 1.0, 1.0)}
    changes = {"labels": LABELS, "input": card.input.model_copy(update=plain), "guessed": []}
    write_card(card.model_copy(update=changes), path)
    return path


def is_magenta(images):
    """(N,) bool, by numpy: what the network answers to (N, H, W, 3) uint8."""
    red, green, blue = np.moveaxis(images / 255.0, -1, 0)
    return 3 * (np.minimum(red, blue) - green).max(axis=(1, 2)) > 1
