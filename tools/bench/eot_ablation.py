"""What each part of the texture attack is worth: variants at equal CPU-seconds on the same items, paired by view.

    .venv/bin/python tools/mesh_scenes.py ../shared/assets/meshes --out runs/scenes
    .venv/bin/python tools/bench/eot_ablation.py [--cpu-s 150] [--item runs/scenes/sea_turtle=rifle] [--only "8 views"]

One thread. A variant's pace is measured first; the number of its steps is what the CPU-seconds allow, so schedules that
depend on it end in time. The last texture, as 8-bit and within its Delta-E, is judged by the deployed file on views that
are the same for all variants of an item and unseen by any. Each result is a file (--out); what is finished is kept.
"""

import argparse
import json
import time
from pathlib import Path

import numpy as np
import torch

from rig.attack.distance import DeltaE
from rig.attack.goal import goal_of
from rig.attack.poses import PoseWindow
from rig.attack.settings import AttackSettings
from rig.attack.texture import Stage, TextureAttack, predict
from rig.metrics.compare_difference import newcombe_paired
from rig.model import DeployedModel, gradient_of, resolve
from rig.render import Renderer
from rig.runs import write_atomically
from rig.scene import load_scene
from rig.views import draw_views

ITEMS = (  # none so easy that every variant ends at 100 %
    "runs/scenes/sea_turtle=rifle",
    "runs/scenes/teapot=toaster",
    "runs/scenes/crate=tabby",
    "turtle=rifle",
)
AS_SHIPPED = "as shipped"
# what differs from AttackSettings' defaults
VARIANTS: dict[str, dict] = {
    AS_SHIPPED: {},
    "4 views a step": {"views_per_step": 4},
    "8 views a step": {"views_per_step": 8},
    "32 views a step": {"views_per_step": 32},
    "half the step size": {"step_size": 0.05},
    "twice the step size": {"step_size": 0.2},
    "one scale: plain Adam": {"scales": 1},
    "texture of 256 px": {"texture_px": 256},
    "hinged margin": {"objective": "margin"},
    "worst views (CVaR)": {"objective": "worst-view"},
    "poses reused, 80 %": {"reuse_frac": 0.8},
    "the paper's step: 40 views, 80 % reused, plain Adam": {"views_per_step": 40, "reuse_frac": 0.8, "scales": 1},
}
WARM_UP, PACED = 3, 8  # steps


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cpu-s", type=float, default=150)
    parser.add_argument("--delta-e", type=float, default=30)
    parser.add_argument("--views", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--model", default="efficientnet-lite0")
    parser.add_argument("--item", action="append", help="SCENE=TARGET; repeatable")
    parser.add_argument("--only", action="append", choices=list(VARIANTS), help="these variants; repeatable")
    parser.add_argument("--out", type=Path, default=Path("runs/ablation"))
    asked = parser.parse_args()
    torch.set_num_threads(1)
    items, variants = asked.item or ITEMS, asked.only or list(VARIANTS)
    for item in items:
        for variant in variants:
            result(item, variant, asked)
    show([result(item, variant, asked) for item in items for variant in variants], asked)


def result(item: str, variant: str, asked: argparse.Namespace) -> dict:
    """The stored one, or a new one."""
    scene, _, target = item.rpartition("=")
    conditions = f"{asked.cpu_s:g}s-{asked.delta_e:g}-{asked.views}-{asked.seed}-{asked.model}"
    path = asked.out / conditions / f"{Path(scene).name} as {target}" / f"{variant}.json"
    if not path.exists():
        found = {"item": item, "variant": variant, **attacked(scene, target, VARIANTS[variant], asked)}
        write_atomically(path, lambda partial, found=found: partial.write_text(json.dumps(found)))
        print(f"{item}, {variant}: {sum(found['fooled'])} of {asked.views} in {found['steps']} steps", flush=True)
    return json.loads(path.read_text())


def attacked(scene_name: str, target: str, changes: dict, asked: argparse.Namespace) -> dict:
    settings = AttackSettings(target=target, max_delta_e=asked.delta_e, **changes)
    model = DeployedModel(resolve(asked.model), threads=1)
    scene = load_scene(scene_name, texture_px=settings.texture_px)
    renderer = Renderer(scene, model.size_px)
    held_out, validation = (
        [renderer.prepare(view) for view in draw_views(scene.config, n, asked.seed, split)]
        for n, split in ((asked.views, "eval"), (48, "validation"))
    )
    stage = Stage(renderer, model, gradient_of(model, "compiled"), goal_of(scene, target, model.labels), validation)
    poses = PoseWindow(scene.config, renderer, asked.seed, "attack", settings.views_per_step, settings.reuse_frac)
    pace = cpu_seconds_a_step(TextureAttack(stage, poses, settings, "pace"))
    attack = TextureAttack(stage, poses, settings.model_copy(update={"steps": max(1, round(asked.cpu_s / pace))}), "a")
    began = time.process_time()
    for _ in range(attack.settings.steps):
        attack.take_step()
    spent = time.process_time() - began
    attack.validate()  # 8-bit, within budget
    texture = attack.state.best
    logits = predict(stage, texture, held_out)
    return {
        "steps": attack.settings.steps,
        "cpu_s": spent,
        "delta_e": DeltaE(renderer, scene.mesh.texture, held_out).mean(texture),
        "fooled": stage.goal.reached(logits).tolist(),
    }


def cpu_seconds_a_step(attack: TextureAttack) -> float:
    for _ in range(WARM_UP):
        attack.take_step()
    began = time.process_time()
    for _ in range(PACED):
        attack.take_step()
    return (time.process_time() - began) / PACED


def show(results: list[dict], asked: argparse.Namespace) -> None:
    """A column an item: the rate, and its difference from "as shipped" on the same views, Newcombe's paired interval."""
    items = list(dict.fromkeys(found["item"] for found in results))
    fooled = {(found["variant"], found["item"]): np.array(found["fooled"], bool) for found in results}
    print(f"\n{asked.cpu_s:g} CPU-seconds, Delta-E {asked.delta_e:g}, {asked.views} held-out views\n")
    print(
        "| variant | steps | Delta-E | " + " | ".join(Path(item).name for item in items) + " | mean, minus as shipped |"
    )
    print("|---|---|---|" + "---|" * (len(items) + 1))
    for variant in dict.fromkeys(found["variant"] for found in results):
        mine = [found for found in results if found["variant"] == variant]
        steps, delta_e = (np.mean([found[key] for found in mine]) for key in ("steps", "delta_e"))
        cells = [cell(fooled[variant, item], fooled.get((AS_SHIPPED, item))) for item in items]
        print(
            f"| {variant} | {steps:.0f} | {delta_e:.1f} | {' | '.join(cells)} | {over_items(variant, items, fooled)} |"
        )


def cell(mine: np.ndarray, shipped: np.ndarray | None) -> str:
    rate = f"{mine.mean():.1%}"
    if shipped is None or mine is shipped:
        return rate
    counts = {
        "both": shipped & mine,
        "only_first": shipped & ~mine,
        "only_second": mine & ~shipped,
        "neither": ~(shipped | mine),
    }
    low, high = newcombe_paired(**{name: int(hits.sum()) for name, hits in counts.items()})
    return f"{rate}, {100 * (mine.mean() - shipped.mean()):+.1f} [{100 * low:+.1f}, {100 * high:+.1f}]"


def over_items(variant: str, items: list[str], fooled: dict) -> str:
    """No interval: items are few, and those of each stand beside it."""
    mean = np.mean([fooled[variant, item].mean() for item in items])
    if variant == AS_SHIPPED or any((AS_SHIPPED, item) not in fooled for item in items):
        return f"{mean:.1%}"
    return f"{mean:.1%}, {100 * (mean - np.mean([fooled[AS_SHIPPED, item].mean() for item in items])):+.1f}"


if __name__ == "__main__":
    main()
