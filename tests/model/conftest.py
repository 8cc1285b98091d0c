"""A real ImageNet network, exported once a session, and tiny ONNX graphs of every shape a foreign file may have."""

import re
from dataclasses import dataclass
from pathlib import Path

import foolbox
import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper

from rig.images import read_image
from rig.model import DeployedModel, fetch, gradient_of
from rig.model.zoo import native_module

SHARED = Path(__file__).parents[3] / "shared" / "assets"


@pytest.fixture(scope="session")
def lite0_path():
    return fetch("efficientnet-lite0")


@pytest.fixture(scope="session")
def lite0(lite0_path):
    return DeployedModel(lite0_path, threads=1)


@pytest.fixture(scope="session")
def lite0_gradient(lite0):
    return gradient_of(lite0)


@pytest.fixture(scope="session")
def lite0_native():
    return native_module("efficientnet-lite0")


@pytest.fixture(scope="session")
def lite0_native64():
    return native_module("efficientnet-lite0").double()


@pytest.fixture(scope="session")
def photographs():
    """20 (image, ImageNet class) samples of the package foolbox."""
    folder = Path(foolbox.__file__).parent / "data"
    files = sorted(folder.glob("imagenet_*.jpg"))
    return [(read_image(file), int(re.search(r"_(\d+)\.jpg", file.name)[1])) for file in files]


@pytest.fixture(scope="session")
def shared():
    if not SHARED.is_dir():
        pytest.skip(f"{SHARED} is absent: no collection of foreign model files here")
    return SHARED


@dataclass
class Tiny:
    """Conv 3x3, Softplus, mean over the image, linear: as an ONNX file, and `scores` as torch computes it."""

    path: Path
    weights: dict[str, np.ndarray]
    softmax: bool

    def scores(self, pixels: torch.Tensor) -> torch.Tensor:
        """Of (B, 3, H, W) as the first convolution sees them."""
        kernel, linear = (torch.from_numpy(self.weights[name]).to(pixels) for name in ("kernel", "linear"))
        features = torch.nn.functional.softplus(torch.nn.functional.conv2d(pixels, kernel, stride=2)).mean((2, 3))
        return (features @ linear).log_softmax(1) if self.softmax else features @ linear


@pytest.fixture
def tiny(tmp_path):
    """Builder of tiny files; `edit` may change the graph before it is saved."""

    def build(
        name="tiny", batch="n", size=(16, 20), layout="NCHW", dtype="float32", classes=5, softmax=False, edit=None
    ):
        rng = np.random.default_rng(7)
        scale = 1 / 255 if dtype == "uint8" else 1.0
        weights = {
            "kernel": (rng.normal(size=(8, 3, 3, 3)) * scale).astype(np.float32),
            "linear": (4 * rng.normal(size=(8, classes))).astype(np.float32),
        }
        graph = _graph(weights, [batch, 3, *size] if layout == "NCHW" else [batch, *size, 3], dtype, classes, softmax)
        if edit:
            edit(graph)
        proto = helper.make_model(
            graph, opset_imports=[helper.make_opsetid("", 17), helper.make_opsetid("com.microsoft", 1)]
        )
        proto.ir_version = 8
        path = tmp_path / f"{name}.onnx"
        onnx.save(proto, str(path))
        return Tiny(path, weights, softmax)

    return build


ONNX_DTYPES = {"float32": TensorProto.FLOAT, "float16": TensorProto.FLOAT16, "uint8": TensorProto.UINT8}


def _graph(weights, dims, dtype, classes, softmax):
    nodes = [helper.make_node("Cast", ["x"], ["float"], to=TensorProto.FLOAT)] if dtype != "float32" else []
    last = "float" if nodes else "x"
    if dims[3] == 3:
        nodes.append(helper.make_node("Transpose", [last], ["nchw"], perm=[0, 3, 1, 2]))
        last = "nchw"
    nodes += [
        helper.make_node("Conv", [last, "kernel"], ["conv"], strides=[2, 2]),
        helper.make_node("Softplus", ["conv"], ["positive"]),
        helper.make_node("GlobalAveragePool", ["positive"], ["pooled"]),
        helper.make_node("Flatten", ["pooled"], ["features"]),
        helper.make_node("MatMul", ["features", "linear"], ["scores" if softmax else "y"]),
    ]
    nodes += [helper.make_node("Softmax", ["scores"], ["y"], axis=1)] if softmax else []
    return helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info("x", ONNX_DTYPES[dtype], dims)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [dims[0], classes])],
        [numpy_helper.from_array(value, name) for name, value in weights.items()],
    )


@pytest.fixture
def raw_run():
    """The bare file in ONNX Runtime, nothing of the rig between."""

    def run(path, values):
        session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
        return session.run(None, {session.get_inputs()[0].name: values})[0]

    return run
