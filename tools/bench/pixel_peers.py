"""rig's pixel searches beside ART's PixelAttack and torchattacks' OnePixel: same images, same network, equal queries.

    .venv/bin/python tools/bench/pixel_peers.py --images runs/pixel/cifar10.npz --model runs/pixel/models/nin.onnx
    .venv/bin/python tools/bench/pixel_peers.py    # speed alone: a small network, several thousand images a second

The libraries run in an environment of their own (--env, made where absent) and ask an ONNX Runtime session of one thread,
as rig does; the first picture that fools the network within the budget counts as their success, whether or not they
would have looked at it. All results are scored here, from 8-bit images. What is finished is not run again (--out).
"""

import argparse
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import torch
from pixel import small_network

from rig.attack.goal import Goal
from rig.attack.pixel.change import changed_pixels
from rig.attack.pixel.search import search_all
from rig.attack.pixel.settings import search_settings
from rig.attack.pixel.task import Task
from rig.metrics.intervals import wilson
from rig.metrics.paired import paired
from rig.model import DeployedModel

WORKER = Path(__file__).with_name("pixel_peers_worker.py")
PEERS = ("art", "torchattacks")
OURS = ("rig", "su2019")
PACKAGES = ["adversarial-robustness-toolbox==1.20.1", "onnxruntime", "torch==2.13.0", "requests"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=Path, help=".npz of images (N, H, W, 3) uint8 and labels (N,)")
    parser.add_argument("--model", type=Path)
    parser.add_argument("--pixels", type=int, nargs="+", default=[1, 3])
    parser.add_argument("--limit", type=int, default=50, help="correctly classified images")
    parser.add_argument("--max-queries", type=int, default=8000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--env", type=Path, default=Path("runs/peers/env"))
    parser.add_argument("--out", type=Path, default=Path("runs/peers"))
    asked = parser.parse_args()
    torch.set_num_threads(1)
    python = environment(asked.env)
    if asked.model is None:
        prepare_small(asked)
    model = DeployedModel(asked.model, threads=1)
    out = asked.out / model.card.name
    out.mkdir(parents=True, exist_ok=True)
    images, labels = drawn(asked.images, model, asked.limit, asked.seed)
    np.savez(out / "tasks.npz", images=images, labels=labels)
    for pixels in asked.pixels:
        results = {}
        for name in (*PEERS, *OURS):
            path = out / f"{name}-{pixels}px-{asked.max_queries}-{asked.limit}-{asked.seed}.npz"
            if not path.exists() and name in PEERS:
                run_peer(python, name, out / "tasks.npz", asked, pixels, path)
            elif not path.exists():
                run_ours(name, images, labels, model, asked, pixels, path)
            results[name] = np.load(path)
        show(model, images, labels, pixels, asked, results)


def prepare_small(asked: argparse.Namespace) -> None:
    """A network that nothing fools, and random images that it calls what it calls all."""
    asked.out.mkdir(parents=True, exist_ok=True)
    asked.model, asked.images = small_network(asked.out / "small.onnx"), asked.out / "noise.npz"
    images = np.random.default_rng(asked.seed).integers(0, 256, (asked.limit, 32, 32, 3), dtype=np.uint8)
    np.savez(asked.images, images=images, labels=np.zeros(asked.limit, np.int64))


def environment(path: Path) -> Path:
    """The environment's python; torchattacks without the torchvision it names and does not need for this attack."""
    python = path / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", path], check=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", *PACKAGES], check=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", "--no-deps", "torchattacks==3.5.1"], check=True)
    return python


def drawn(path: Path, model: DeployedModel, n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    with np.load(path, allow_pickle=False) as arrays:
        images, labels = arrays["images"], arrays["labels"]
    right = np.flatnonzero(model.predict(images).argmax(axis=1) == labels)
    chosen = np.sort(np.random.default_rng(seed).permutation(right)[:n])
    return images[chosen], labels[chosen]


def run_peer(python: Path, name: str, tasks: Path, asked: argparse.Namespace, pixels: int, out: Path) -> None:
    words = ["--pixels", pixels, "--max-queries", asked.max_queries, "--seed", asked.seed, "--out", out]
    command = [python, WORKER, name, tasks, asked.model, *words]
    subprocess.run([str(word) for word in command], check=True, stdout=subprocess.DEVNULL)


def run_ours(name: str, images, labels, model: DeployedModel, asked, pixels: int, out: Path) -> None:
    """All images at once, as `rig attack pixel` does; none starts from what fewer pixels found. CPU-seconds of all."""
    settings = search_settings(name, {"max_queries": asked.max_queries, "stop": "success"})
    units = enumerate(zip(images, labels, strict=True))
    tasks = [Task(f"{i:05d}", image, Goal((int(label),), None), pixels) for i, (image, label) in units]
    before, began = model.queries, time.process_time()
    found = {one.task.name: one for one in search_all(tasks, model, settings, asked.seed)}
    cpu_s, n_asked = time.process_time() - began, model.queries - before
    ordered = [found[task.name] for task in tasks]
    np.savez(
        out,
        images=np.stack([one.change.applied(one.task.image) if one.reached else one.task.image for one in ordered]),
        queries=[n_asked],
        success_queries=[one.success_query or -1 for one in ordered],
        cpu_s=[cpu_s],
    )


def show(model: DeployedModel, images, labels, pixels: int, asked: argparse.Namespace, results: dict) -> None:
    """Success by rig's own scorer from the 8-bit images; a picture that changes too many pixels is no success."""
    fooled = {}
    print(f"{model.card.name}, {pixels} px, {len(images)} images, at most {asked.max_queries:,} queries each")
    print("| search | fooled | 95 % Wilson | pictures a CPU-second | against rig: only rig, only it, difference, p |")
    print("|---|---|---|---|---|")
    for name, result in results.items():
        within = [changed_pixels(a, b) <= pixels for a, b in zip(images, result["images"], strict=True)]
        in_budget = (result["success_queries"] > 0) & (result["success_queries"] <= asked.max_queries)
        fooled[name] = (model.predict(result["images"]).argmax(axis=1) != labels) & within & in_budget
    for name, result in results.items():
        low, high = wilson(int(fooled[name].sum()), len(images))
        two = paired(fooled["rig"], fooled[name], range(len(images)), asked.seed)
        span = f"{two['difference']:+.1%} [{two['low']:+.1%}, {two['high']:+.1%}]"
        versus = f"{two['only_first']}, {two['only_second']}, {span}, p {two['p']:.2g}" if name != "rig" else ""
        speed = result["queries"].sum() / result["cpu_s"].sum()
        print(
            f"| {name} | {fooled[name].sum()} of {len(images)}, {fooled[name].mean():.1%} | {low:.1%} to {high:.1%} "
            f"| {speed:,.0f} | {versus} |"
        )


if __name__ == "__main__":
    main()
