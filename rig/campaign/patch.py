"""`rig attack patch` on objects: attack, controls, held-out sweep, report. Composition only."""

import dataclasses
from pathlib import Path

from rig.attack.goal import Goal, goal_of
from rig.attack.patch import Worn
from rig.attack.patch_views import FacingWindow, first_facing, shown
from rig.attack.printable import printable_of, require_no_response
from rig.attack.texture import Stage
from rig.campaign.patch_artefacts import PatchArtefacts
from rig.campaign.patch_job import PatchJob, fitted
from rig.campaign.records import (
    callers,
    distribution,
    hash_again,
    knowledge,
    model_records,
    require_same_models,
    scene_hashes,
)
from rig.contracts import Artefact, View
from rig.model import Gradient, gradient_of, resolve
from rig.model.detect import Judge, open_judge
from rig.model.ensemble import together
from rig.render import Renderer
from rig.report import write_report
from rig.runs import Progress, RunFolder
from rig.scene import Scene
from rig.scene.sticker import Sticker, StickerSettings
from rig.sweep import Case, frame_size, sweep
from rig.views import derive_seed, draw_views


def attack_patch(job: PatchJob, out: Path, command: list[str], progress: Progress) -> RunFolder:
    """Do the whole job, or what an earlier call for the same folder left undone."""
    require_no_response(job.attack, job.scenes)
    first, *others = models = [open_judge(resolve(name)) for name in job.models]
    job, worn_by = fitted(job)
    goals = [goal_of(scene, job.attack.target, first.labels) for scene, _ in worn_by]
    roads = [gradient_of(model) for model in models]
    gradient = together(models, roads)
    renderers = [Renderer(scene, frame_size(scene, first)) for scene, _ in worn_by]
    worn = [
        _worn(scene, sticker, job, Stage(renderer, first, gradient, goal, [], tuple(others)))
        for (scene, sticker), renderer, goal in zip(worn_by, renderers, goals, strict=True)
    ]
    run = RunFolder.start(out, command, job.config(), job.seed)
    require_same_models(run, models)
    run.state |= {
        "threat_model": _threat_model(job, worn_by, goals[0], models, gradient),
        "models": model_records(models, roads),
        "hashes": {name: value for scene, _ in worn_by for name, value in scene_hashes(scene).items()},
    }
    run.save()
    artefacts = PatchArtefacts(run, worn, job, progress)
    names = artefacts.make()
    sweep(run, [_case(one, artefacts, names, job) for one in worn], models, progress)
    hash_again(run, models)
    run.finish()
    write_report(run.path)
    return run


def _worn(scene: Scene, sticker: Sticker, job: PatchJob, stage: Stage) -> Worn:
    """The stage's validation views and the steps' views all face the patch."""
    renderer, settings = stage.renderer, job.attack
    validation = first_facing(renderer, sticker, settings.validation_views, job.seed, "validation")
    stage = dataclasses.replace(stage, validation=[renderer.prepare(view) for view in validation])
    seed = derive_seed(job.seed, "adversarial")
    poses = FacingWindow(scene.config, renderer, sticker, seed, settings.views_per_step, settings.reuse_frac)
    return Worn(stage, sticker, poses)


def _case(worn: Worn, artefacts: PatchArtefacts, names: list[str], job: PatchJob) -> Case:
    scene, models = worn.stage.renderer.scene, worn.stage.models
    made = [Artefact(name, artefacts.texture(name, worn)) for name in names]
    return Case(scene, tuple(made), evaluation_views(worn, job), {model.card.name: worn.stage.goal for model in models})


def evaluation_views(worn: Worn, job: PatchJob) -> tuple[View, ...]:
    """All of the distribution, those that do not show the patch, too; `patch_frac` says how much of a frame it fills."""
    renderer = worn.stage.renderer
    views = draw_views(renderer.scene.config, job.views, job.seed, "eval")
    of_frame = [shown(renderer, worn.sticker.coverage_map, [renderer.prepare(view)])[0][0] for view in views]
    return tuple(
        dataclasses.replace(view, values={**view.values, "patch_frac": float(share)})
        for view, share in zip(views, of_frame, strict=True)
    )


def _threat_model(
    job: PatchJob, worn_by: list[tuple[Scene, Sticker]], goal: Goal, models: list[Judge], gradient: Gradient
) -> dict:
    wanted = "any class but the true ones" if goal.target is None else f'"{models[0].labels[goal.target]}"'
    scene, sticker = worn_by[0]
    printable = printable_of(job.attack)
    objects = scene.name if len(worn_by) == 1 else f"each of {len(worn_by)} objects, all with the same patch,"
    return {
        "goal": f"{callers(models)} {objects} {wanted}, from as many views as possible (evasion)",
        "knowledge": knowledge(gradient),
        "capability": f"stick {words(job.sticker)} on one place of the object; nothing else changes",
        "budget": f"{sticker.area_mm2:.0f} mm2 of surface, {sticker.coverage.sum() / sticker.coverage_map.size:.1%} "
        f"of the texture, there any {f'colour {printable.in_words}' if printable else '8-bit colour'}",
        "norm": "area of the patch",
        "color_space": "sRGB, 8 bits",
        "distribution": distribution(scene),
        "success": "predicted == target" if goal.target is not None else "predicted not in true labels",
    }


def words(sticker: StickerSettings) -> str:
    width, height = sticker.size_mm
    shape = {"rectangle": "", "ellipse": "an elliptic "}.get(str(sticker.shape), "an irregular ")
    at = f"azimuth {sticker.at_deg[0]:g}, elevation {sticker.at_deg[1]:g}, roll {sticker.roll_deg:g} degrees"
    return f"{shape or 'a '}patch of {width:g} x {height:g} mm ({sticker.lies}; {at})"
