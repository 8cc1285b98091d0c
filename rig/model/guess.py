"""A card for a file that came without one. Every guess is written down in a sentence."""

from collections.abc import Iterator

import numpy as np
import onnx
from onnx import numpy_helper

from rig.errors import ModelError
from rig.model.card import Card, Channels, InputCard, OutputCard, ResizeCard
from rig.model.labels import imagenet_labels
from rig.model.onnx_file import OnnxFile, open_onnx

IMAGENET_MEAN: Channels = (0.485, 0.456, 0.406)
IMAGENET_STD: Channels = (0.229, 0.224, 0.225)
DEFAULT_SIZE_PX = 224
SHAPE_ONLY = {"Identity", "Cast", "Reshape", "Flatten", "Squeeze", "QuantizeLinear", "DequantizeLinear"}


def guess_card(onnx_path) -> Card:
    """Raises ModelError where there is nothing to guess from (no image input, no class scores, not three channels)."""
    return guess(open_onnx(onnx_path))


def guess(file: OnnxFile) -> Card:
    """As `guess_card`, of a file already opened."""
    said: list[str] = []
    output = _output(file, said)
    n_classes = file.n_classes[output.name]
    return Card(
        name=file.path.stem,
        sha256=file.sha256,
        input=_input(file, said),
        resize=_resize(n_classes, said),
        output=output,
        labels=_labels(n_classes, said),
        guessed=said,
    )


def _input(file: OnnxFile, said: list[str]) -> InputCard:
    layout, height_px, width_px = layout_of(file, said)
    value_range, mean, std = _normalisation(file, said)
    said.append("The colour order is assumed to be RGB.")
    return InputCard(
        name=file.input_name,
        layout=layout,
        dtype=file.input_dtype,
        color="RGB",
        height_px=height_px,
        width_px=width_px,
        batch=file.input_dims[0],
        range=value_range,
        mean=mean,
        std=std,
    )


def layout_of(file: OnnxFile, said: list[str], default_px: int = DEFAULT_SIZE_PX) -> tuple[str, int, int]:
    _, first, second, last = file.input_dims
    if first not in (3, None) and last not in (3, None):
        raise ModelError("the input has no three colour channels", where=file.path, got=list(file.input_dims))
    nchw = first == 3 or last != 3
    said.append(f"The layout is {'NCHW' if nchw else 'NHWC'}, from the input's shape {list(file.input_dims)}.")
    size = (second, last) if nchw else (first, second)
    if None in size:
        said.append(f"The input's size is dynamic; {default_px} px is assumed where it is not stated.")
    height_px, width_px = (default_px if side is None else side for side in size)
    return ("NCHW" if nchw else "NHWC"), height_px, width_px


def _normalisation(file: OnnxFile, said: list[str]) -> tuple[tuple[float, float], Channels, Channels]:
    identity = (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)
    if file.input_dtype == "uint8":
        said.append("The input takes bytes; no normalisation before it is assumed.")
        return (0.0, 255.0), *identity
    constants = list(leading_constants(file.proto.graph, file.input_name))
    if not constants:
        said.append("The input is assumed to take [0, 1] normalised by the ImageNet mean and standard deviation.")
        return (0.0, 1.0), IMAGENET_MEAN, IMAGENET_STD
    high = 255.0 if takes_bytes(*constants[0]) else 1.0
    said.append(f"The graph begins with arithmetic on its input, taken for its normalisation of [0, {high:g}].")
    return (0.0, high), *identity


def leading_constants(graph: onnx.GraphProto, name: str) -> Iterator[tuple[str, np.ndarray]]:
    """(operator, constant) of each scaling or shift the input undergoes before the first layer."""
    constants = {tensor.name: tensor for tensor in graph.initializer}
    constants |= {
        n.output[0]: n.attribute[0].t for n in graph.node if n.op_type == "Constant" and n.attribute[0].HasField("t")
    }
    while node := next((node for node in graph.node if name in node.input), None):
        others = [constants[other] for other in node.input if other in constants]
        if node.op_type in ("Sub", "Div", "Mul", "Add") and others and not others[0].external_data:
            yield node.op_type, numpy_helper.to_array(others[0])
        elif node.op_type not in ("Cast", "Transpose", "Identity"):
            return
        name = node.output[0]


def takes_bytes(operator: str, constant: np.ndarray) -> bool:
    """Dividing by 255 or subtracting a mean of 100 is done to bytes; by 0.2 or 0.5, to [0, 1]."""
    size = float(np.abs(constant).max()) if constant.size else 0.0
    return size < 1 / 64 if operator == "Mul" else size > 4


def _resize(n_classes: int, said: list[str]) -> ResizeCard:
    crop_frac = 0.875 if n_classes in (1000, 1001) else 1.0
    said.append(f"Frames of another size are assumed to be cropped to {crop_frac:g} and resampled bilinearly.")
    return ResizeCard(crop_frac=crop_frac, interpolation="bilinear")


def _output(file: OnnxFile, said: list[str]) -> OutputCard:
    name, *others = file.n_classes
    if others:
        said.append(f"Of the outputs {', '.join(file.n_classes)}, the first is taken for the class scores.")
    kind = "probabilities" if _last_operator(file.proto.graph, name) == "Softmax" else "logits"
    said.append(f"Output {name} is taken for {kind}, from the graph's last operator.")
    return OutputCard(name=name, kind=kind)


def _last_operator(graph: onnx.GraphProto, name: str) -> str:
    """The operator that computes a value, past those that only rename, reshape or requantise it."""
    producers = {output: node for node in graph.node for output in node.output}
    node = producers.get(name)
    while node is not None and node.op_type in SHAPE_ONLY:
        node = producers.get(node.input[0])
    return "" if node is None else node.op_type


def _labels(n_classes: int, said: list[str]) -> list[str]:
    if n_classes not in (1000, 1001):
        said.append(f"The {n_classes} classes have no known names; they are called class_0, class_1, ...")
        return [f"class_{index}" for index in range(n_classes)]
    background = ["background"] if n_classes == 1001 else []
    said.append(
        f"{n_classes} outputs: the labels are assumed to be ImageNet's{' after a background class' * len(background)}."
    )
    return background + imagenet_labels()
