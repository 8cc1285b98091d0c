"""CPU-seconds of EOT steps over those of the model's forward and backward alone, for the same number of images.

.venv/bin/python tools/bench/attack.py [--steps 20] [--views 16]  one thread, same process, after a warm-up of both
.venv/bin/python tools/bench/attack.py --roads --steps 60        steps a second by gradient road, on all cores
"""

import argparse
import time

import numpy as np
import torch

from rig.attack.goal import goal_of
from rig.attack.poses import PoseWindow
from rig.attack.settings import AttackSettings
from rig.attack.texture import Stage, TextureAttack
from rig.model import DeployedModel, gradient_of, resolve
from rig.render import Renderer
from rig.scene import load_scene


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--views", type=int, default=AttackSettings().views_per_step, help="a step")
    parser.add_argument("--roads", action="store_true", help="instead: steps a second on all cores, road by road")
    asked = parser.parse_args()
    if asked.roads:
        compare_roads(asked.steps, asked.views)
    else:
        compare_with_model(asked.steps, asked.views)


def attack_on(road: str, threads: int | None, steps: int, views: int) -> TextureAttack:
    settings = AttackSettings(target="rifle", steps=steps, views_per_step=views)
    model = DeployedModel(resolve("efficientnet-lite0"), threads=threads)
    scene = load_scene("turtle", texture_px=settings.texture_px)
    renderer = Renderer(scene, model.size_px)
    stage = Stage(renderer, model, gradient_of(model, road), goal_of(scene, settings.target, model.labels), [])
    poses = PoseWindow(scene.config, renderer, 0, "attack", settings.views_per_step, settings.reuse_frac)
    return TextureAttack(stage, poses, settings, "bench")


def compare_roads(steps: int, views: int) -> None:
    for road in ("torch", "compiled"):
        attack = attack_on(road, None, steps, views)
        attack.take_step()
        began, cpu_began = time.perf_counter(), time.process_time()
        rows = [attack.take_step() for _ in range(steps - 1)]
        wall_s, cpu_s = time.perf_counter() - began, time.process_time() - cpu_began
        loss, success = (float(np.mean([row[key] for row in rows[-10:]])) for key in ("cross_entropy", "success_batch"))
        pace = f"{(steps - 1) / wall_s:.2f} steps/s, {cpu_s / (steps - 1):.2f} CPU-s a step"
        print(f"{attack.stage.gradient.road}: {pace}; last 10 steps: cross-entropy {loss:.3f}, {success:.0%} of views")


def compare_with_model(steps: int, views: int) -> None:
    torch.set_num_threads(1)
    attack = attack_on("compiled", 1, steps, views)
    stage, settings = attack.stage, attack.settings
    gradient = stage.gradient
    batch = stage.renderer.render(attack.clean, attack.poses.at(0))
    for _ in range(2):
        attack.take_step()
        gradient.value_and_grad(batch, attack.objective)
    attack_s = cpu_seconds(attack.take_step, steps)
    model_s = cpu_seconds(lambda: gradient.value_and_grad(batch, attack.objective), steps)
    n_images = steps * settings.views_per_step
    print(f"gradient road: {gradient.road}; {n_images} images in {steps} steps")
    print(f"attack {1e3 * attack_s / n_images:.1f}, model alone {1e3 * model_s / n_images:.1f} CPU-ms an image")
    print(f"attack / model = {attack_s / model_s:.3f}")


def cpu_seconds(job, n: int) -> float:
    began = time.process_time()
    for _ in range(n):
        job()
    return time.process_time() - began


if __name__ == "__main__":
    main()
