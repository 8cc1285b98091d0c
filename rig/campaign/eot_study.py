"""`rig bench eot`: objects x targets, each an attack of its own with controls, held-out views and transfer; one table.

Protocol: Athalye et al., ICML 2018, section 3.2: random targets, the least distance that keeps 90 % of held-out draws,
100 fresh views of each item. Every item is a run folder that can be looked at, audited and resumed alone.
"""

import fcntl
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from rig.attack.printable import require_no_response
from rig.attack.settings import AttackSettings
from rig.campaign.sweep import SweepJob, sweep_scenes
from rig.campaign.texture import TextureJob, attack_texture
from rig.errors import RigError
from rig.model import Labels, resolve
from rig.model.detect import open_judge
from rig.model.ensemble import require_one_task
from rig.report.eot_study import ITEMS, TRANSFER, write_eot_study
from rig.runs import Progress, RunFolder
from rig.views import derive_seed

JOB = "bench eot"


@dataclass(frozen=True)
class EotStudyJob:
    """All that was asked. `named`: targets for some objects by name; the others get `n_targets` random classes."""

    scenes: tuple[dict, ...]
    models: tuple[str, ...]  # attacked together
    transfer: tuple[str, ...]
    named: dict[str, list[str | int]]
    n_targets: int
    attack: AttackSettings
    views: int
    controls: bool
    seed: int

    def config(self) -> dict:
        return {
            "job": JOB,
            "scenes": {scene["name"]: scene for scene in self.scenes},
            "models": list(self.models),
            "transfer": list(self.transfer),
            "named": self.named,
            "n_targets": self.n_targets,
            "attack": self.attack.model_dump(mode="json"),
            "controls": self.controls,
            "sweep": {"views": self.views, "policy": "random"},
        }


@dataclass(frozen=True)
class Item:
    name: str
    scene: dict
    target: str  # a class of the attacked models


def study_eot(job: EotStudyJob, out: Path, command: list[str], progress: Progress) -> RunFolder:
    """Every item in turn, or what earlier calls for the same folder left undone; then table and page.

    Several processes may work at one folder: each takes items that no other holds, and the last to end finishes it.
    """
    require_no_response(job.attack, job.scenes)
    attacked = [open_judge(resolve(name)) for name in job.models]
    require_one_task(attacked)
    for name in job.transfer:
        open_judge(resolve(name))  # refused now, not after the first item's attack
    items = plan(job, attacked[0].labels)
    names = [item.name for item in items]
    study = RunFolder.start(out, command, job.config(), job.seed)
    for number, item in enumerate(items, start=1):
        with _held(out, item) as mine:
            if mine:
                _attack(job, item, out, command, _within(progress, f"{number}/{len(items)} {item.name}"))
                _transfer(job, item, out, command, _within(progress, f"{number}/{len(items)} {item.name}, transfer"))
                write_eot_study(out, names)
    if all(_is_whole(job, item, out) for item in items):
        study.finish()
        write_eot_study(out, names)
    elif not (out / "report.json").exists():
        raise RigError("other processes hold every item of this study, and none is done yet", where=out)
    return study


def lock_path(out: Path, name: str) -> Path:
    return out / ITEMS / f".{name}.lock"


@contextmanager
def _held(out: Path, item: Item) -> Iterator[bool]:
    """Whether the item is this process's until the block ends; a lock goes with its process, killed or not."""
    path = lock_path(out, item.name)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            yield False
            return
        yield True


def _is_whole(job: EotStudyJob, item: Item, out: Path) -> bool:
    return _done(out / ITEMS / item.name) and (not job.transfer or _done(out / TRANSFER / item.name))


def plan(job: EotStudyJob, labels: Labels) -> list[Item]:
    """The items in order. Raises RigError for names that are not there, or a target that is a true label."""
    names = [scene["name"] for scene in job.scenes]
    if repeated := {name for name in names if names.count(name) > 1}:
        raise RigError("two scenes have the same name", got=repeated.pop(), hint='give each its own name = "..."')
    if unknown := set(job.named) - set(names):
        raise RigError("--target for an object that is not in the study", got=unknown.pop(), expected=", ".join(names))
    return [
        Item(_item_name(scene["name"], labels[target]), scene, labels[target])
        for scene in job.scenes
        for target in _targets(job, scene, labels)
    ]


def _targets(job: EotStudyJob, scene: dict, labels: Labels) -> list[int]:
    true = {labels.index_of(label) for label in scene["object"]["labels"]}
    if named := job.named.get(scene["name"]):
        targets = [labels.index_of(label) for label in named]
        if wrong := true & set(targets):
            raise RigError("the target is a true label of the object", got=f"{scene['name']}={wrong.pop()}")
        return targets
    wrong_classes = [number for number in range(len(labels)) if number not in true]
    rng = np.random.default_rng(derive_seed(job.seed, "targets", scene["name"]))
    return sorted(map(int, rng.choice(wrong_classes, min(job.n_targets, len(wrong_classes)), replace=False)))


def _item_name(scene: str, target: str) -> str:
    return re.sub(r"[^A-Za-z0-9_]+", "-", f"{scene} as {target}")


def _attack(job: EotStudyJob, item: Item, out: Path, command: list[str], progress: Progress) -> None:
    folder = out / ITEMS / item.name
    if _done(folder):
        return
    attack = job.attack.model_copy(update={"target": item.target})
    seed = derive_seed(job.seed, item.name)
    attack_texture(
        TextureJob(item.scene, job.models, attack, job.views, seed, (), job.controls), folder, command, progress
    )


def _transfer(job: EotStudyJob, item: Item, out: Path, command: list[str], progress: Progress) -> None:
    """The texture found, at the same views, by networks that had no part in it."""
    folder = out / TRANSFER / item.name
    if not job.transfer or _done(folder):
        return
    sweep_scenes(
        SweepJob(
            scenes=(item.scene,),
            models=job.transfer,
            artefacts=(str((out / ITEMS / item.name / "artefacts" / "adversarial").absolute()),),
            target=item.target,
            views=job.views,
            policy="random",
            texture_px=job.attack.texture_px,
            seed=derive_seed(job.seed, item.name),
        ),
        folder,
        command,
        progress,
    )


def _done(folder: Path) -> bool:
    return (folder / "run.json").exists() and RunFolder.open(folder).state["status"] == "done"


def _within(progress: Progress, where: str) -> Progress:
    return lambda done, total, what: progress(done, total, f"{where}: {what}")
