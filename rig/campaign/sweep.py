"""`rig sweep`: scenes x artefacts x models, nothing optimised."""

import itertools
import json
from dataclasses import dataclass, replace
from pathlib import Path

from rig.attack.goal import Goal, goal_of
from rig.campaign.records import (
    distribution,
    hash_again,
    measured_threat_model,
    model_record,
    require_same_model,
    scene_hashes,
)
from rig.campaign.refine import Precision, sweep_refined
from rig.contracts import Artefact
from rig.errors import RigError, RunError
from rig.images import content_hash, encode_png, read_image
from rig.model import resolve
from rig.model.detect import Judge, open_judge
from rig.report import write_report
from rig.report.corruptions_page import write_corruptions
from rig.runs import Progress, RunFolder
from rig.scene import Scene, rebuilt
from rig.sweep import Case, sweep
from rig.sweep.corrupted import sweep_corrupted
from rig.sweep.corruptions import chosen
from rig.views import draw_views


@dataclass(frozen=True)
class SweepJob:
    """All that was asked. `artefacts` are artefact folders of earlier runs, put on every scene."""

    scenes: tuple[dict, ...]
    models: tuple[str, ...]
    artefacts: tuple[str, ...]
    target: str | int | None
    views: int
    policy: str
    texture_px: int
    seed: int
    corruptions: tuple[str, ...] = ()  # natural ones, that all frames also go through: "fog", "fog-3"
    precision: Precision | None = None  # more views than the first `views`, where they say most

    def __post_init__(self):
        if self.precision and self.corruptions:
            hint = "sweep twice, once with each"
            raise RigError("--refine has no corrupted frames: its views count by weights", got="both", hint=hint)

    def config(self) -> dict:
        return {
            "job": "sweep",
            "scenes": {scene["name"]: scene for scene in self.scenes},
            "models": list(self.models),
            "artefacts": list(self.artefacts),
            "target": self.target,
            "attack": None,
            "sweep": {"views": self.views, "policy": self.policy, "texture_px": self.texture_px} | self._refine(),
            **({"corruptions": list(self.corruptions)} if self.corruptions else {}),
        }

    def _refine(self) -> dict:
        asked = self.precision
        return {} if asked is None else {"refine": asked.half_width, "max_views": asked.max_views}


def sweep_scenes(job: SweepJob, out: Path, command: list[str], progress: Progress) -> RunFolder:
    """Clean and given artefacts of every scene, from the same views for every model; then the report."""
    natural = chosen(job.corruptions)
    models = [open_judge(resolve(name)) for name in job.models]
    scenes = [rebuilt(config, job.texture_px) for config in job.scenes]
    given = distinct([read_artefact(Path(folder)) for folder in job.artefacts])
    cases = [_case(scene, given, models, job) for scene in scenes]
    run = RunFolder.start(out, command, job.config(), job.seed)
    for model in models:
        require_same_model(run, model)
    first_goal = cases[0].goals[models[0].card.name]
    run.state |= {
        "threat_model": _threat_model(scenes[0], first_goal, models[0], len(given)),
        "models": [model_record(model) for model in models],
        "hashes": {name: value for scene in scenes for name, value in scene_hashes(scene).items()},
    }
    run.save()
    for artefact in cases[0].artefacts:
        run.save_artefact(artefact)
    for case in cases[1:]:  # given artefacts are the same on every scene; what is clean is not
        run.write(f"artefacts/clean/{case.scene.name}.png", encode_png(case.scene.mesh.texture))
    if job.precision:
        sweep_refined(run, cases, models, job.views, job.precision, progress)
    else:
        sweep(run, cases, models, progress)
    if natural:
        sweep_corrupted(run, cases, models, natural, progress)
    hash_again(run, models)
    run.finish()
    write_report(run.path)
    if natural:
        write_corruptions(run.path)
    return run


def _threat_model(scene: Scene, goal: Goal, model: Judge, n_artefacts: int) -> dict:
    worn = f"{n_artefacts} given textures put on the object"
    capability = worn if n_artefacts else "choice of viewpoint only"
    budget = "as stated by the runs that made the textures" if n_artefacts else "no change to the object"
    return measured_threat_model(goal, model, "the object", capability, budget, distribution(scene))


def _case(scene: Scene, given: list[Artefact], models: list[Judge], job: SweepJob) -> Case:
    views = () if job.precision else tuple(draw_views(scene.config, job.views, job.seed, "eval", job.policy))
    goals = {model.card.name: goal_of(scene, job.target, model.labels) for model in models}
    clean = Artefact("clean", scene.mesh.texture, artefact_details("clean", "the object as it is", scene.mesh.texture))
    return Case(scene, (clean, *(_fitting(artefact, scene) for artefact in given)), views, goals)


def read_artefact(folder: Path) -> Artefact:
    name = folder.resolve().name
    if name == "clean":
        raise RunError("the clean texture is always swept", where=folder, expected="an attacked artefact's folder")
    texture = read_image(folder / "texture.png")
    details = artefact_details(name, f"{name} of {_run_of(folder)}", texture)
    return Artefact(name, texture, details | {"made_on": _made_on(folder.resolve())})


def _made_on(folder: Path) -> dict | None:
    """The networks (name, sha256) and objects that an attack's artefact was made on; None where nothing says so."""
    own, run = _json(folder / "artefact.json"), _json(folder.parents[1] / "run.json")
    if own.get("made_on") or not (run.get("config") or {}).get("attack"):
        return own.get("made_on")
    models = [{"name": model.get("name"), "sha256": model.get("sha256_before")} for model in run.get("models", [])]
    return {"models": models, "objects": list(run["config"].get("scenes", {}))}


def _json(path: Path) -> dict:
    """What a file says; nothing where there is none: a texture of one's own is welcome, too."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise RunError(f"cannot read the file ({error})", where=path) from error


def distinct(artefacts: list[Artefact]) -> list[Artefact]:
    """Artefacts of several runs may share a name; later ones get a number, as several of one run have."""
    taken, found = set(), []
    for artefact in artefacts:
        names = itertools.chain([artefact.name], (f"{artefact.name}-{number}" for number in itertools.count(2)))
        name = next(name for name in names if name not in taken)
        taken.add(name)
        found.append(replace(artefact, name=name, details=dict(artefact.details) | {"name": name}))
    return found


def _run_of(folder: Path) -> str:
    """The run that an artefact's folder belongs to, RUN/artefacts/NAME."""
    folder = folder.resolve()
    return folder.parents[1].name if folder.parent.name == "artefacts" else str(folder)


def artefact_details(name: str, label: str, texture) -> dict:
    return {"name": name, "kind": "texture", "label": label, "texture_sha256": content_hash(texture), "details": {}}


def _fitting(artefact: Artefact, scene: Scene) -> Artefact:
    if artefact.texture.shape != scene.mesh.texture.shape:
        raise RunError(
            f"artefact {artefact.name} does not fit {scene.name}",
            got=f"texture of {artefact.texture.shape[1]} x {artefact.texture.shape[0]}",
            expected=f"{scene.mesh.texture.shape[1]} x {scene.mesh.texture.shape[0]}",
            hint="set the same --texture-px as the attack's",
        )
    return artefact
