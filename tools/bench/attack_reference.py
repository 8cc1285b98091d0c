"""CPU-seconds until a texture fools a share of held-out views: the attack beside a plain loop, in turns, one thread.

    .venv/bin/python tools/bench/attack_reference.py [--share 0.9] [--item turtle=rifle] [--seeds 3]

The plain loop is what one writes first: the ONNX file imported into torch, mean cross-entropy, bilinear grid_sample on the
texture at each pixel's UV, Adam at the same step size, new views at every step. Neither has a Delta-E budget; both
draw the same views with the same rasteriser. Looking whether the share is reached is not counted.
"""

import argparse
import statistics
import time

import torch
import torch.nn.functional as F

from rig.attack.goal import cross_entropy, goal_of
from rig.attack.poses import PoseWindow
from rig.attack.settings import AttackSettings
from rig.attack.texture import Stage, TextureAttack, eight_bit, predict
from rig.model import DeployedModel, gradient_of, resolve
from rig.render import PreparedView, Renderer, texture_tensor
from rig.scene import load_scene
from rig.views import draw_views

HELD_OUT = 100  # views


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--item", action="append", help="SCENE=TARGET; repeatable")
    parser.add_argument("--share", type=float, default=0.9)
    parser.add_argument("--every", type=float, default=10, help="CPU-seconds between two looks")
    parser.add_argument("--at-most", type=float, default=2000, help="CPU-seconds")
    parser.add_argument("--seeds", type=int, default=3)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    for item in asked.item or ["turtle=rifle"]:
        ratios = []
        for seed in range(asked.seeds):
            plain_s, rig_s = (cpu_seconds(loop(*item.rsplit("=", 1), seed), asked) for loop in (PlainLoop, RigLoop))
            ratios.append(plain_s / rig_s)
            print(
                f"{item}, seed {seed}: plain {plain_s:.0f}, rig {rig_s:.0f} CPU-s, {ratios[-1]:.2f} times", flush=True
            )
        print(f"{item}: median of {len(ratios)} seeds: {statistics.median(ratios):.2f} times")


def cpu_seconds(loop: "RigLoop", asked: argparse.Namespace) -> float:
    """Until the share is reached; infinite where it is not."""
    spent, next_look = 0.0, asked.every
    while spent < asked.at_most:
        began = time.process_time()
        loop.step()
        spent += time.process_time() - began
        if spent >= next_look:
            next_look += asked.every
            if loop.share_fooled() >= asked.share:
                return spent
    return float("inf")


class RigLoop:
    """As `rig attack texture` runs, without a budget or a narrow start."""

    def __init__(self, scene_name: str, target: str, seed: int):
        self.settings = AttackSettings(target=target, max_delta_e=None, distance_weight=0)
        self.model = DeployedModel(resolve("efficientnet-lite0"), threads=1)
        scene = load_scene(scene_name, texture_px=self.settings.texture_px)
        self.renderer = renderer = Renderer(scene, self.model.size_px)
        self.goal = goal_of(scene, target, self.model.labels)
        self.poses = PoseWindow(scene.config, renderer, seed, "attack", self.settings.views_per_step, 0.0)
        self.held_out = [renderer.prepare(view) for view in draw_views(scene.config, HELD_OUT, seed, "eval")]
        self.stage = Stage(renderer, self.model, gradient_of(self.model, self.road), self.goal, self.held_out)
        self.begin()

    road = "compiled"

    def begin(self) -> None:
        self.attack = TextureAttack(self.stage, self.poses, self.settings, "bench")

    def step(self) -> None:
        self.attack.take_step()

    @property
    def texture(self) -> torch.Tensor:
        return self.attack.state.texture

    def share_fooled(self) -> float:
        return float(self.goal.reached(predict(self.stage, eight_bit(self.texture), self.held_out)).mean())


class PlainLoop(RigLoop):
    road = "torch"

    def begin(self) -> None:
        self.number = 0
        self.variable = texture_tensor(self.renderer.scene.mesh.texture).requires_grad_()
        self.optimizer = torch.optim.Adam([self.variable], lr=self.settings.step_size)

    def step(self) -> None:
        prepared = self.poses.at(self.number)
        batch = self.model.fit(self.renderer.expose(bilinear(self.variable, prepared), prepared))
        _, pull, _ = self.stage.gradient.value_and_grad(batch.detach(), cross_entropy(self.goal))
        self.optimizer.zero_grad()
        batch.backward(pull / len(prepared))
        self.optimizer.step()
        with torch.no_grad():
            self.variable.clamp_(0, 1)
        self.number += 1

    @property
    def texture(self) -> torch.Tensor:
        return self.variable.detach()


def bilinear(texture: torch.Tensor, prepared: list[PreparedView]) -> torch.Tensor:
    """(N, 3) colours at the covered pixels' UVs (v up from the texture's lower edge), no mip levels."""
    uv = torch.cat([p.uv for p in prepared]) % 1
    grid = torch.stack([2 * uv[:, 0] - 1, 1 - 2 * uv[:, 1]], dim=1)
    sampled = F.grid_sample(texture[None], grid[None, None], align_corners=False, padding_mode="border")
    return sampled[0, :, 0].T


if __name__ == "__main__":
    main()
