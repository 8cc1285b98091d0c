"""CPU-seconds of a sweep over those of its parts, and memory over many views.

    .venv/bin/python tools/bench/sweep.py [--views 500] [--memory-views 5000]

Prints: sweep of N views of the turtle / (rendering alone + ONNX Runtime alone on the same frames), one thread,
same process, parts measured after a warm-up; then resident memory at intervals of a long render loop.
"""

import argparse
import resource
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

from rig.attack.goal import goal_of
from rig.contracts import Artefact
from rig.model import DeployedModel, resolve
from rig.render import Renderer
from rig.runs import RunFolder
from rig.scene import load_scene
from rig.sweep import Case, sweep
from rig.views import draw_views

CHUNK = 25


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--views", type=int, default=500)
    parser.add_argument("--memory-views", type=int, default=5000)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    model = DeployedModel(resolve("efficientnet-lite0"), threads=1)
    scene = load_scene("turtle")
    renderer = Renderer(scene, model.size_px)
    render_chunk(renderer, 0, CHUNK)  # warm-up
    images, render_s = cpu_seconds(lambda: np.concatenate(render_all(renderer, asked.views)))
    _, model_s = cpu_seconds(lambda: [model.predict(images[i : i + CHUNK]) for i in range(0, len(images), CHUNK)])
    _, sweep_s = cpu_seconds(lambda: whole_sweep(scene, model, asked.views))
    print(
        f"render alone {render_s:.2f} s, ONNX Runtime alone {model_s:.2f} s, sweep {sweep_s:.2f} s (CPU, {asked.views} views)"
    )
    print(f"sweep / (render + model) = {sweep_s / (render_s + model_s):.3f}")
    memory(renderer, model, asked.memory_views)


def cpu_seconds(job):
    began = time.process_time()
    return job(), time.process_time() - began


def render_chunk(renderer: Renderer, start: int, n: int) -> np.ndarray:
    views = draw_views(renderer.scene.config, n, 0, "eval", start=start)
    frames = renderer.frames(renderer.scene.mesh.texture, [renderer.prepare(view) for view in views])
    return np.stack([frame.image for frame in frames])


def render_all(renderer: Renderer, n: int) -> list[np.ndarray]:
    return [render_chunk(renderer, start, min(CHUNK, n - start)) for start in range(0, n, CHUNK)]


def whole_sweep(scene, model: DeployedModel, n: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        run = RunFolder.start(Path(folder) / "run", ["bench"], {}, 0)
        goals = {model.card.name: goal_of(scene, "rifle", model.labels)}
        views = tuple(draw_views(scene.config, n, 0, "eval"))
        sweep(run, [Case(scene, (Artefact("clean", scene.mesh.texture),), views, goals)], [model], lambda *_: None)


def memory(renderer: Renderer, model: DeployedModel, n: int) -> None:
    for start in range(0, n, CHUNK):
        model.predict(render_chunk(renderer, start, CHUNK))
        if (start + CHUNK) % (n // 5) == 0:
            resident = int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() / 2**20
            print(f"after {start + CHUNK} views: {resident:.0f} MiB resident")


if __name__ == "__main__":
    main()
