"""CPU-seconds of EOT steps over those of the model's forward and backward alone, for the same number of images.

    .venv/bin/python tools/bench/attack.py [--steps 20]

One thread, same process, after a warm-up of both.
"""

import argparse
import time

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
    asked = parser.parse_args()
    torch.set_num_threads(1)
    settings = AttackSettings(target="rifle")
    model = DeployedModel(resolve("efficientnet-lite0"), threads=1)
    scene = load_scene("turtle", texture_px=settings.texture_px)
    renderer, gradient = Renderer(scene, model.size_px), gradient_of(model)
    stage = Stage(renderer, model, gradient, goal_of(scene, settings.target, model.labels), [])
    poses = PoseWindow(scene.config, renderer, 0, "attack", settings.views_per_step, settings.reuse_frac)
    attack = TextureAttack(stage, poses, settings, "bench")
    batch = renderer.render(attack.clean, poses.at(0))
    for _ in range(2):
        attack.take_step()
        gradient.value_and_grad(batch, attack.objective)
    attack_s = cpu_seconds(attack.take_step, asked.steps)
    model_s = cpu_seconds(lambda: gradient.value_and_grad(batch, attack.objective), asked.steps)
    n_images = asked.steps * settings.views_per_step
    print(f"gradient road: {gradient.road}; {n_images} images in {asked.steps} steps")
    print(f"attack {1e3 * attack_s / n_images:.1f}, model alone {1e3 * model_s / n_images:.1f} CPU-ms an image")
    print(f"attack / model = {attack_s / model_s:.3f}")


def cpu_seconds(job, n: int) -> float:
    began = time.process_time()
    for _ in range(n):
        job()
    return time.process_time() - began


if __name__ == "__main__":
    main()
