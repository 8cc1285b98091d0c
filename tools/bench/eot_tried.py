"""What was tried on the texture attack and left out, at equal gradients beside what was kept, paired by view.

    .venv/bin/python tools/bench/eot_tried.py [--gradients 4800] [--item turtle=rifle] [--only "from narrow to full"]

One thread. The last 8-bit texture, within its Delta-E, is judged on held-out views as in eot_ablation.py. Each result is a
file (--out); what is finished is kept.
"""

import argparse
import json
import math
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from eot_ablation import fooled_by, prepared, show

from rig.attack.distance import DeltaE
from rig.attack.goal import goal_of
from rig.attack.poses import NARROWEST
from rig.attack.settings import AttackSettings
from rig.attack.texture import Stage, TextureAttack
from rig.contracts import View
from rig.model import DeployedModel, gradient_of, resolve
from rig.render import PreparedView, Renderer
from rig.runs import write_atomically
from rig.scene import load_scene
from rig.views import draw_views

MODEL = "efficientnet-lite0"
NEIGHBOURS_DEG = 18  # about as far as a view's loss says something of another's
REMEMBERED, ENOUGH = 256, 64  # views whose losses say where to look, and how many are needed for that


@dataclass(frozen=True)
class Variant:
    views: tuple[int, ...] = (16,)  # a step; each gets an equal share of the gradients
    scales: int = 6
    narrow_frac: float = 0.0  # of the gradients, until every range is full
    drawn_for_one: int = 1  # views drawn for each that is looked at; chosen with probability as their expected loss
    averaged_frac: float = 0.0  # of the gradients, over which textures are averaged


VARIANTS = {
    "16 views a step": Variant(),
    "4 views a step": Variant(views=(4,)),
    "4, 8, 16, then 32 views a step": Variant(views=(4, 8, 16, 32)),
    "one scale: plain Adam": Variant(scales=1),
    "textures averaged": Variant(averaged_frac=0.03),
    "from narrow to full": Variant(narrow_frac=0.4),
    "4 views a step, from narrow to full": Variant(views=(4,), narrow_frac=0.4),
    "where the loss is expected to be high": Variant(drawn_for_one=3),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gradients", type=int, default=4800)
    parser.add_argument("--delta-e", type=float, default=20)
    parser.add_argument("--views", type=int, default=200, help="held out")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--item", action="append", help="SCENE=TARGET; repeatable")
    parser.add_argument("--only", action="append", choices=list(VARIANTS), help="these variants; repeatable")
    parser.add_argument("--out", type=Path, default=Path("runs/tried"))
    asked = parser.parse_args()
    torch.set_num_threads(1)
    items, names = asked.item or ["turtle=rifle"], asked.only or list(VARIANTS)
    results = [result(item, name, asked) for item in items for name in names]
    show(results, MODEL, f"{asked.gradients} gradients", asked)


def result(item: str, name: str, asked: argparse.Namespace) -> dict:
    """The stored one, or a new one."""
    scene, _, target = item.rpartition("=")
    conditions = f"{asked.gradients}-{asked.delta_e:g}-{asked.views}-{asked.seed}"
    path = asked.out / conditions / f"{Path(scene).name} as {target}" / f"{name}.json"
    if not path.exists():
        found = {"item": item, "variant": name, **attacked(scene, target, VARIANTS[name], asked)}
        write_atomically(path, lambda partial, found=found: partial.write_text(json.dumps(found)))
        print(f"{item}, {name}: {sum(found['fooled'][MODEL])} of {asked.views}, {found['cpu_s']:.0f} CPU-s", flush=True)
    return json.loads(path.read_text())


def attacked(scene_name: str, target: str, variant: Variant, asked: argparse.Namespace) -> dict:
    model = DeployedModel(resolve(MODEL), threads=1)
    settings = AttackSettings(target=target, max_delta_e=asked.delta_e, scales=variant.scales)
    scene = load_scene(scene_name, texture_px=settings.texture_px)
    renderer = Renderer(scene, model.size_px)
    validation = prepared(renderer, 48, asked, "validation")
    stage = Stage(renderer, model, gradient_of(model, "compiled"), goal_of(scene, target, model.labels), validation)
    attack = Tried(stage, settings, variant, asked)
    began = time.process_time()
    for _ in attack.plan:
        attack.take_step()
    spent = time.process_time() - began
    attack.validate()
    texture = attack.state.best
    return {
        "steps": len(attack.plan),
        "cpu_s": spent,
        "delta_e": DeltaE(renderer, scene.mesh.texture, prepared(renderer, asked.views, asked, "eval")).mean(texture),
        "fooled": {MODEL: fooled_by(MODEL, scene, target, texture, asked)},
    }


class Tried(TextureAttack):
    """The texture attack, but for what a variant says; it cannot be resumed."""

    def __init__(self, stage: Stage, settings: AttackSettings, variant: Variant, asked: argparse.Namespace):
        self.variant, self.n_gradients, self.seed = variant, asked.gradients, asked.seed
        shares = [(n, round(asked.gradients / len(variant.views) / n)) for n in variant.views]
        self.plan = [n for n, steps in shares for _ in range(steps)]
        self.n_done, self.now, self.seen, self.average = 0, [], [], None
        self.rng = np.random.default_rng(asked.seed)
        super().__init__(stage, self, settings.model_copy(update={"steps": len(self.plan)}), "tried")

    def at(self, step: int) -> list[PreparedView]:
        n, config = self.plan[step], self.stage.renderer.scene.config
        done_frac = self.n_done / self.n_gradients
        widened = done_frac / self.variant.narrow_frac if done_frac < self.variant.narrow_frac else 1.0
        share = NARROWEST + (1 - NARROWEST) * widened
        first, n_drawn = self.n_done * self.variant.drawn_for_one, n * self.variant.drawn_for_one
        views = draw_views(config, n_drawn, self.seed, "attack", start=first, share=share)
        self.now = views[:n] if n_drawn == n or len(self.seen) < ENOUGH else self._chosen(views, n)
        return [self.stage.renderer.prepare(view) for view in self.now]

    def _chosen(self, views: list[View], n: int) -> list[View]:
        """Without repeats, with probability as the mean loss of remembered views near by."""
        directions, losses = (np.array(column) for column in zip(*self.seen[-REMEMBERED:], strict=True))
        cosines = np.array([direction(view) for view in views]) @ directions.T
        near = np.exp((cosines - 1) / (1 - math.cos(math.radians(NEIGHBOURS_DEG))))
        expected = near @ losses / near.sum(axis=1)
        return [views[i] for i in self.rng.choice(len(views), n, replace=False, p=expected / expected.sum())]

    def look(self, atlas, prepared_views):
        looks = super().look(atlas, prepared_views)
        losses = torch.cat([look.losses for look in looks]).tolist()
        self.seen += zip(map(direction, self.now), losses, strict=True)
        return looks

    def _descend(self, gradient: torch.Tensor) -> None:
        """The step size falls with the gradients used, not with the steps, of which some are larger."""
        state = self.state
        decay = 0.55 + 0.45 * math.cos(math.pi * self.n_done / self.n_gradients)
        moved = state.texture - self.settings.step_size * decay * state.optimizer.direction(gradient, state.step)
        state.texture = self._allowed(moved)
        self.n_done += self.plan[state.step]
        if self.variant.averaged_frac:
            share = self.plan[state.step] / (self.variant.averaged_frac * self.n_gradients)
            start = state.texture if self.average is None else self.average
            self.average = start.lerp(state.texture, min(1.0, max(share, 1 / (state.step + 1))))

    def validate(self) -> dict:
        if self.average is not None:
            self.state.texture = self.average
        return super().validate()


def direction(view: View) -> np.ndarray:
    """Unit vector, up last."""
    azimuth, elevation = np.radians([view.values["azimuth_deg"], view.values["elevation_deg"]])
    level = np.cos(elevation)
    return np.array([level * np.cos(azimuth), level * np.sin(azimuth), np.sin(elevation)])


if __name__ == "__main__":
    main()
