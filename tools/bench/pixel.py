"""Queries a second of the pixel searches over what ONNX Runtime alone does with the same network and batch.

    .venv/bin/python tools/bench/pixel.py [--model allconv.onnx] [--search rig] [--queries 4000] [--rounds 3]

One thread, CPU-seconds, same process; search and bare session take turns. Without --model, a small network of several
thousand 32 x 32 images a second is made: there the search's own arithmetic counts most.
"""

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper

from rig.attack.goal import Goal
from rig.attack.pixel.search import CHUNK, search_all
from rig.attack.pixel.settings import SEARCHES, search_settings
from rig.attack.pixel.task import Task
from rig.images import batch_from_images
from rig.model import DeployedModel
from rig.model.preprocess import feed

N_IMAGES = 8


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path)
    parser.add_argument("--search", choices=[name for name in SEARCHES if name != "exhaustive"], action="append")
    parser.add_argument("--pixels", type=int, default=1)
    parser.add_argument("--queries", type=int, default=16_000, help="for each search and round")
    parser.add_argument("--rounds", type=int, default=3)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        model = DeployedModel(asked.model or small_network(Path(folder) / "small.onnx"), threads=1)
        images = np.random.default_rng(0).integers(0, 256, (N_IMAGES, *model.size_px, 3), dtype=np.uint8)
        labels = model.predict(images).argmax(axis=1)
        for name in asked.search or ["rig", "su2019", "random"]:
            given = {"max_queries": asked.queries // N_IMAGES, "stop": "confident", "confident_true_prob": 1e-12}
            settings = search_settings(name, given)
            tasks = [Task(str(i), image, Goal((int(labels[i]),), None), asked.pixels) for i, image in enumerate(images)]
            bare(model, images, asked.queries // 4)
            turns = [
                (of_search(tasks, model, settings, seed), bare(model, images, asked.queries))
                for seed in range(asked.rounds)
            ]
            searched, alone = (asked.rounds * asked.queries / sum(times) for times in zip(*turns, strict=True))
            print(
                f"{model.card.name}, {name}, {asked.pixels} px: {searched:,.0f} queries a CPU-second, "
                f"ONNX Runtime alone {alone:,.0f}: {searched / alone:.1%}"
            )


def of_search(tasks: list[Task], model: DeployedModel, settings, seed: int) -> float:
    """CPU-seconds for as many queries as asked for."""
    before, began = model.queries, time.process_time()
    for _ in search_all(tasks, model, settings, seed):
        pass
    spent = time.process_time() - began
    return spent * settings.max_queries * len(tasks) / (model.queries - before)


def bare(model: DeployedModel, images: np.ndarray, n: int) -> float:
    """CPU-seconds of the session on n images in batches of CHUNK, already as it takes them."""
    batch = batch_from_images(images[np.arange(CHUNK) % len(images)])
    values = feed(model.card, batch).contiguous().numpy()
    inputs, outputs = {model.card.input.name: values}, [model.card.output.name]
    began = time.process_time()
    for _ in range(max(1, n // CHUNK)):
        model._session.run(outputs, inputs)
    return (time.process_time() - began) * n / (max(1, n // CHUNK) * CHUNK)


def small_network(path: Path) -> Path:
    """Two convolutions, pooling, a linear layer; 32 x 32, ten classes, of which the first always wins: no search ends early."""
    rng = np.random.default_rng(0)
    weights = {
        "first": rng.normal(size=(16, 3, 3, 3), scale=0.3),
        "second": rng.normal(size=(32, 16, 3, 3), scale=0.1),
        "linear": rng.normal(size=(32, 10)),
        "lead": np.eye(10)[0] * 1000,
    }
    nodes = [
        helper.make_node("Conv", ["images", "first"], ["a"], strides=[1, 1], pads=[1] * 4),
        helper.make_node("Relu", ["a"], ["b"]),
        helper.make_node("Conv", ["b", "second"], ["c"], strides=[1, 1], pads=[1] * 4),
        helper.make_node("Relu", ["c"], ["d"]),
        helper.make_node("GlobalAveragePool", ["d"], ["e"]),
        helper.make_node("Flatten", ["e"], ["f"]),
        helper.make_node("MatMul", ["f", "linear"], ["f_linear"]),
        helper.make_node("Add", ["f_linear", "lead"], ["logits"]),
    ]
    graph = helper.make_graph(
        nodes,
        "small",
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, ["n", 3, 32, 32])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["n", 10])],
        [numpy_helper.from_array(value.astype(np.float32), name) for name, value in weights.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 8
    onnx.save(model, str(path))
    return path


if __name__ == "__main__":
    main()
