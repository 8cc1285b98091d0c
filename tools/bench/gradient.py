"""What a gradient costs next to ONNX Runtime's forward pass, in CPU-milliseconds an image, all in one run.

    python tools/bench/gradient.py [--model efficientnet-lite0] [--batches 8 32] [--rounds 7] [--threads 1]

Each round runs every road once, so that a busy machine slows all of them alike; the table shows medians.
"""

import argparse
import functools
import os
import statistics
import time
from collections.abc import Callable

import onnxruntime
import torch
import torch.nn.functional as F

from rig.model import DeployedModel, TorchImport, gradient_of, resolve
from rig.model.compiled import CompiledGradient
from rig.model.preprocess import feed
from rig.model.zoo import SIZES_PX, native_module


def main() -> None:
    options = arguments()
    torch.set_num_threads(options.threads)
    model = DeployedModel(resolve(options.model), options.threads)
    print(f"{options.model} at {model.size_px[1]} x {model.size_px[0]} px, {options.threads} thread(s), {machine()}")
    print(f"chosen: {gradient_of(model).road}")
    print(f"{'batch':>5}  {'road':<44} {'CPU ms/image':>12} {'x forward':>10} {'wall ms/image':>14}")
    for n in options.batches:
        for name, cpu_ms, ratio, wall_ms in measure(
            roads(model, options.model), batch_of(n, model.size_px), options.rounds
        ):
            print(f"{n:>5}  {name:<44} {cpu_ms:>12.1f} {ratio:>10.2f} {wall_ms:>14.1f}")


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="efficientnet-lite0", help="a zoo name or an ONNX file")
    parser.add_argument("--batches", type=int, nargs="+", default=[8, 32])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--threads", type=int, default=1)
    return parser.parse_args()


def machine() -> str:
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else float("nan")
    return f"{os.cpu_count()} processors, load {load:.1f}"


def batch_of(n: int, size_px: tuple[int, int]) -> torch.Tensor:
    return torch.rand(n, 3, *size_px, generator=torch.Generator().manual_seed(0))


def roads(model: DeployedModel, name: str) -> dict[str, Callable[[torch.Tensor], object]]:
    """The first is the yardstick."""
    found: dict[str, Callable] = {"ONNX Runtime, forward only": forward(model)}
    compiled, imported = CompiledGradient(model), TorchImport(model)
    found[f"compiled graph, chunks of {compiled.chunk}"] = lambda batch: compiled.value_and_grad(batch, objective)
    found["torch import, frozen, channels_last"] = lambda batch: imported.value_and_grad(batch, objective)
    if name in SIZES_PX:
        native = native_module(name).to(memory_format=torch.channels_last)
        found["native torch module, frozen, channels_last"] = lambda batch: native_gradient(model, native, batch)
    return found


def forward(model: DeployedModel) -> Callable[[torch.Tensor], object]:
    """The file itself on a batch already pre-processed, whole, by the provider it is deployed on: nothing but ONNX Runtime."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = model.threads or 0
    providers = list(dict.fromkeys([f"{model.provider}ExecutionProvider", "CPUExecutionProvider"]))
    session = onnxruntime.InferenceSession(str(model.path), options, providers=providers)
    prepared = functools.cache(lambda n: feed(model.card, batch_of(n, model.size_px)).contiguous().numpy())
    return lambda batch: session.run([model.card.output.name], {model.card.input.name: prepared(len(batch))})


def objective(logits: torch.Tensor) -> torch.Tensor:
    return F.cross_entropy(logits, torch.full((len(logits),), 1, device=logits.device), reduction="none")


def native_gradient(model: DeployedModel, native: torch.nn.Module, batch: torch.Tensor, chunk: int = 16) -> None:
    for images in batch.split(chunk):
        leaf = images.contiguous(memory_format=torch.channels_last).requires_grad_()
        torch.autograd.grad(objective(native(feed(model.card, leaf))).sum(), leaf)


def measure(roads: dict[str, Callable], batch: torch.Tensor, rounds: int):
    """(road, CPU ms an image, its multiple of the first road's, wall ms an image)."""
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in roads}
    for run in roads.values():
        run(batch)
    for _ in range(rounds):
        for name, run in roads.items():
            cpu, wall = time.process_time(), time.perf_counter()
            run(batch)
            times[name].append((time.process_time() - cpu, time.perf_counter() - wall))
    scale = 1e3 / len(batch)
    cpu_ms = {name: statistics.median(cpu for cpu, _ in pairs) * scale for name, pairs in times.items()}
    yardstick = next(iter(cpu_ms.values()))
    for name, pairs in times.items():
        yield name, cpu_ms[name], cpu_ms[name] / yardstick, statistics.median(wall for _, wall in pairs) * scale


if __name__ == "__main__":
    main()
