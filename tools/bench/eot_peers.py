"""2D EOT beside ART, foolbox and torchattacks: same images, same transformations, same Linf budget, equal gradient samples.

    .venv/bin/python tools/bench/eot_peers.py --images runs/pixel/cifar10.npz --model runs/pixel/models/nin.onnx

Untargeted, on images that the network gets right; the transformations are the paper's of two dimensions
(rig.attack.plane). The libraries run in an environment of their own (--env, made where absent). Every result is scored
here: the 8-bit picture, on views that no attack drew, by ONNX Runtime. What is finished is not run again (--out).
"""

import argparse
import subprocess
import time
from dataclasses import astuple
from pathlib import Path

import numpy as np
import torch
from pixel_peers import drawn, environment

from rig.attack.goal import Goal, hinged_margin
from rig.attack.plane import PlaneRanges, attack_images, draw_plane_views
from rig.images import batch_from_images, images_from_batch
from rig.metrics.intervals import cluster_bootstrap
from rig.model import DeployedModel, gradient_of

WORKER = Path(__file__).with_name("eot_peers_worker.py")
PEERS = ("art", "foolbox", "torchattacks")
MORE_PACKAGES = ["foolbox==3.3.4", "onnx", "onnx2fx==0.0.1"]
MOSTLY = 0.9  # of an image's views


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=Path, required=True, help=".npz of images (N, H, W, 3) uint8 and labels (N,)")
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--limit", type=int, default=96, help="correctly classified images")
    parser.add_argument("--epsilon", type=float, default=8, help="of 255")
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--samples", type=int, default=8, help="gradients a step")
    parser.add_argument("--views", type=int, default=100, help="held out, of each image")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--env", type=Path, default=Path("runs/peers/env"))
    parser.add_argument("--out", type=Path, default=Path("runs/peers/eot"))
    asked = parser.parse_args()
    torch.set_num_threads(1)
    model = DeployedModel(asked.model, threads=1)
    images, labels = drawn(asked.images, model, asked.limit, asked.seed)
    out = asked.out / model.card.name
    out.mkdir(parents=True, exist_ok=True)
    ranges = PlaneRanges()
    spans = (ranges.rotation_deg, ranges.scale, ranges.shift_frac, ranges.shift_frac, ranges.lighten, ranges.noise_std)
    np.savez(out / "tasks.npz", images=images, labels=labels, ranges=np.array(spans))
    assert len(astuple(ranges)) == len(spans) - 1
    # the second way has more steps of fewer samples: some loops use their samples better so
    found = {("", "clean"): {"images": images, "cpu_s": 0.0, "samples": 0}}
    for steps, samples in ((asked.steps, asked.samples), (asked.steps * asked.samples // 2, 2)):
        for name in (*PEERS, "rig"):
            path = out / f"{name}-{asked.epsilon:g}-{steps}x{samples}-{asked.limit}-{asked.seed}.npz"
            if not path.exists() and name == "rig":
                run_ours(images, labels, model, ranges, steps, samples, asked, path)
            elif not path.exists():
                run_peer(name, out / "tasks.npz", steps, samples, asked, path)
            found[f"{steps} x {samples}", name] = dict(np.load(path))
    show(found, images, labels, model, ranges, asked)


def run_peer(name: str, tasks: Path, steps: int, samples: int, asked: argparse.Namespace, out: Path) -> None:
    python = environment(asked.env)
    if subprocess.run([python, "-c", "import foolbox, onnx2fx"], capture_output=True, check=False).returncode:
        subprocess.run([python, "-m", "pip", "install", "--quiet", *MORE_PACKAGES], check=True)
    # a step of a quarter of the budget, as torchattacks' and AutoAttack's own defaults have it
    words = ["--epsilon", asked.epsilon, "--alpha", asked.epsilon / 4, "--steps", steps, "--samples", samples]
    command = [python, WORKER, name, tasks, asked.model, *words, "--seed", asked.seed, "--out", out]
    subprocess.run([str(word) for word in command], check=True)


def run_ours(images, labels, model: DeployedModel, ranges: PlaneRanges, steps, samples, asked, out: Path) -> None:
    gradient, batch = gradient_of(model), batch_from_images(images)
    objectives = [hinged_margin(Goal((int(label),), None)) for label in labels]

    def away_from_its_label(logits: torch.Tensor) -> torch.Tensor:
        return torch.cat([of(rows) for of, rows in zip(objectives, logits.split(samples), strict=True)])

    began = time.process_time()
    changed = attack_images(
        batch, gradient, away_from_its_label, ranges, asked.epsilon / 255, steps, samples, range(len(images))
    )
    cpu_s = time.process_time() - began
    np.savez(out, images=images_from_batch(changed), cpu_s=cpu_s, samples=steps * samples * len(images))


def show(found: dict, images, labels, model: DeployedModel, ranges: PlaneRanges, asked: argparse.Namespace) -> None:
    shares = {name: fooled_shares(result["images"], labels, model, ranges, asked) for name, result in found.items()}
    print(f"{model.card.name}, {len(images)} images, Linf {asked.epsilon:g}/255, {asked.views} held-out views of each")
    print(
        "| steps x samples | attack | largest change | views fooled | images fooled on 90 % | samples | CPU-s | rig minus it |"
    )
    print("|---|---|---|---|---|---|---|---|")
    for (size, name), result in found.items():
        change = np.abs(result["images"].astype(int) - images).max()
        mine = shares[size, name]
        against = "" if name in ("clean", "rig") else points(shares[size, "rig"] - mine, asked.seed)
        print(
            f"| {size} | {name} | {change} | {mine.mean():.1%} | {np.mean(mine >= MOSTLY):.1%} | "
            f"{int(result['samples']):,} | {float(result['cpu_s']):.0f} | {against} |"
        )


def points(differences: np.ndarray, seed: int) -> str:
    interval = cluster_bootstrap(differences, range(len(differences)), seed)
    return f"{100 * interval.rate:+.1f} [{100 * interval.low:+.1f}, {100 * interval.high:+.1f}]"


def fooled_shares(changed: np.ndarray, labels, model: DeployedModel, ranges: PlaneRanges, asked) -> np.ndarray:
    """(N,) of each image's held-out views, what share is called something else; the views are the same for all attacks."""
    shares = []
    for i, (image, label) in enumerate(zip(batch_from_images(changed), labels, strict=True)):
        views = draw_plane_views(ranges, asked.views, asked.seed, "held-out", i)
        predicted = model.predict(images_from_batch(views.of(image))).argmax(axis=1)
        shares.append(float((predicted != label).mean()))
    return np.array(shares)


if __name__ == "__main__":
    main()
