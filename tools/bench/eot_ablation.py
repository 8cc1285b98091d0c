"""What each part of the texture attack is worth: variants at equal CPU-seconds on the same items, paired by view.

    .venv/bin/python tools/mesh_scenes.py ../shared/assets/meshes --out runs/scenes
    .venv/bin/python tools/bench/eot_ablation.py [--cpu-s 150] [--item runs/scenes/sea_turtle=rifle] [--only "8 views"]

--judge NETWORK also asks a network that had no part in it, on its own renders of the same views: a table for each.

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
from rig.metrics.intervals import cluster_bootstrap
from rig.model import DeployedModel, gradient_of, resolve
from rig.model.ensemble import together
from rig.render import PreparedView, Renderer
from rig.runs import write_atomically
from rig.scene import Scene, load_scene
from rig.views import draw_views

ITEMS = (  # none so easy that every variant ends at 100 %
    "runs/scenes/sea_turtle=rifle",
    "runs/scenes/teapot=toaster",
    "runs/scenes/crate=tabby",
    "turtle=rifle",
)
# what differs from AttackSettings' defaults
VARIANTS: dict[str, dict] = {
    "16 views a step": {},
    "4 views a step": {"views_per_step": 4},
    "4 views a step, from narrow to full": {"views_per_step": 4, "narrow_frac": 0.4},
    "from narrow to full over 40 % of the steps": {"narrow_frac": 0.4},
    "8 views a step": {"views_per_step": 8},
    "32 views a step": {"views_per_step": 32},
    "4 views a step, of two networks by turns": {"views_per_step": 4, "and_network": "efficientnet-lite1"},
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
ENOUGH_ITEMS = 5  # for an interval of the mean over them


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cpu-s", type=float, default=150)
    parser.add_argument("--delta-e", type=float, default=30)
    parser.add_argument("--views", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--model", default="efficientnet-lite0")
    parser.add_argument("--judge", action="append", default=[], help="another network; repeatable")
    parser.add_argument("--item", action="append", help="SCENE=TARGET; repeatable")
    parser.add_argument("--only", action="append", choices=list(VARIANTS), help="these variants; repeatable")
    parser.add_argument("--out", type=Path, default=Path("runs/ablation"))
    asked = parser.parse_args()
    torch.set_num_threads(1)
    items, variants = asked.item or ITEMS, asked.only or list(VARIANTS)
    for item in items:
        for variant in variants:
            result(item, variant, asked)
    results = [result(item, variant, asked) for item in items for variant in variants]
    for judge in (asked.model, *asked.judge):
        show(results, judge, f"{asked.cpu_s:g} CPU-s", asked)


def result(item: str, variant: str, asked: argparse.Namespace) -> dict:
    """The stored one, or a new one."""
    scene, _, target = item.rpartition("=")
    conditions = (
        f"{asked.cpu_s:g}s-{asked.delta_e:g}-{asked.views}-{asked.seed}-{'+'.join([asked.model, *asked.judge])}"
    )
    path = asked.out / conditions / f"{Path(scene).name} as {target}" / f"{variant}.json"
    if not path.exists():
        found = {"item": item, "variant": variant, **attacked(scene, target, VARIANTS[variant], asked)}
        write_atomically(path, lambda partial, found=found: partial.write_text(json.dumps(found)))
        print(
            f"{item}, {variant}: {sum(found['fooled'][asked.model])} of {asked.views}, {found['steps']} steps",
            flush=True,
        )
    return json.loads(path.read_text())


def attacked(scene_name: str, target: str, changes: dict, asked: argparse.Namespace) -> dict:
    networks = [asked.model, *([changes["and_network"]] if "and_network" in changes else [])]
    changes = {name: value for name, value in changes.items() if name != "and_network"}
    settings = AttackSettings(target=target, max_delta_e=asked.delta_e, **changes)
    model, *others = models = [DeployedModel(resolve(name), threads=1) for name in networks]
    scene = load_scene(scene_name, texture_px=settings.texture_px)
    renderer = Renderer(scene, model.size_px)
    held_out, validation = (
        prepared(renderer, n, asked, split) for n, split in ((asked.views, "eval"), (48, "validation"))
    )
    gradient = together(models, [gradient_of(one, "compiled") for one in models])
    stage = Stage(renderer, model, gradient, goal_of(scene, target, model.labels), validation, tuple(others))
    poses = window(renderer, settings, asked.seed)
    pace = cpu_seconds_a_step(TextureAttack(stage, poses, settings, "pace"))
    settings = settings.model_copy(update={"steps": max(1, round(asked.cpu_s / pace))})
    attack = TextureAttack(stage, window(renderer, settings, asked.seed), settings, "a")
    began = time.process_time()
    for _ in range(attack.settings.steps):
        attack.take_step()
    spent = time.process_time() - began
    attack.validate()  # 8-bit, within budget
    texture = attack.state.best
    return {
        "steps": attack.settings.steps,
        "cpu_s": spent,
        "delta_e": DeltaE(renderer, scene.mesh.texture, held_out).mean(texture),
        "fooled": {judge: fooled_by(judge, scene, target, texture, asked) for judge in (asked.model, *asked.judge)},
    }


def window(renderer: Renderer, settings: AttackSettings, seed: int) -> PoseWindow:
    size, reuse_frac, narrow_steps = settings.views_per_step, settings.reuse_frac, settings.narrow_steps
    return PoseWindow(renderer.scene.config, renderer, seed, "attack", size, reuse_frac, narrow_steps)


def prepared(renderer: Renderer, n: int, asked: argparse.Namespace, split: str) -> list[PreparedView]:
    return [renderer.prepare(view) for view in draw_views(renderer.scene.config, n, asked.seed, split)]


def fooled_by(judge: str, scene: Scene, target: str, texture: np.ndarray, asked: argparse.Namespace) -> list[bool]:
    """Of the held-out views, rendered at the network's own size."""
    model = DeployedModel(resolve(judge), threads=1)
    renderer, goal = Renderer(scene, model.size_px), goal_of(scene, target, model.labels)
    stage = Stage(renderer, model, None, goal, [])  # nothing is attacked here
    return goal.reached(predict(stage, texture, prepared(renderer, asked.views, asked, "eval"))).tolist()


def cpu_seconds_a_step(attack: TextureAttack) -> float:
    for _ in range(WARM_UP):
        attack.take_step()
    began = time.process_time()
    for _ in range(PACED):
        attack.take_step()
    return (time.process_time() - began) / PACED


def show(results: list[dict], judge: str, equal: str, asked: argparse.Namespace) -> None:
    """A column an item: the rate, and its difference from the first variant on the same views, Newcombe's paired interval."""
    items, variants = (list(dict.fromkeys(found[key] for found in results)) for key in ("item", "variant"))
    fooled = {(found["variant"], found["item"]): np.array(found["fooled"][judge], bool) for found in results}
    print(f"\nJudged by {judge}; {equal}, Delta-E {asked.delta_e:g}, {asked.views} held-out views\n")
    head = ["variant", "steps", "Delta-E", *(Path(item).name for item in items), f"mean, minus {variants[0]}"]
    print(f"| {' | '.join(head)} |\n{'|---' * len(head)}|")
    for variant in variants:
        mine = [found for found in results if found["variant"] == variant]
        steps, delta_e = (np.mean([found[key] for found in mine]) for key in ("steps", "delta_e"))
        pairs = [(fooled[variant, item], fooled[variants[0], item]) for item in items]
        rates = [cell(*pair, variant == variants[0]) for pair in pairs]
        mean = over_items(pairs, variant == variants[0])
        print(f"| {variant} | {steps:.0f} | {delta_e:.1f} | {' | '.join([*rates, mean])} |")


def cell(mine: np.ndarray, first: np.ndarray, is_first: bool) -> str:
    if is_first:
        return f"{mine.mean():.1%}"
    counts = {
        "both": first & mine,
        "only_first": first & ~mine,
        "only_second": mine & ~first,
        "neither": ~(first | mine),
    }
    low, high = newcombe_paired(**{name: int(hits.sum()) for name, hits in counts.items()})
    return f"{mine.mean():.1%}, {points(mine.mean() - first.mean(), low, high)}"


def over_items(pairs: list[tuple[np.ndarray, np.ndarray]], is_first: bool) -> str:
    """Items drawn again, where there are ENOUGH_ITEMS for that."""
    mean, differences = (
        np.mean([mine.mean() for mine, _ in pairs]),
        [mine.mean() - first.mean() for mine, first in pairs],
    )
    if is_first:
        return f"{mean:.1%}"
    if len(pairs) < ENOUGH_ITEMS:
        return f"{mean:.1%}, {100 * np.mean(differences):+.1f}"
    interval = cluster_bootstrap(differences, range(len(pairs)), seed=0)
    return f"{mean:.1%}, {points(interval.rate, interval.low, interval.high)}"


def points(difference: float, low: float, high: float) -> str:
    return f"{100 * difference:+.1f} [{100 * low:+.1f}, {100 * high:+.1f}]"


if __name__ == "__main__":
    main()
