"""`rig attack pixel SCENE`: pixels found on rendered frames, then carried to other views and conditions; the report."""

from pathlib import Path

from rig.attack.goal import Goal, goal_of
from rig.attack.pixel.settings import SearchSettings
from rig.campaign.pixel_scene_items import Stage, do_item, write_items
from rig.campaign.pixel_scene_job import PixelSceneJob
from rig.campaign.pixel_scene_maps import draw_maps
from rig.campaign.records import (
    distribution,
    hash_again,
    model_record,
    pixel_threat_model,
    require_same_model,
    scene_hashes,
)
from rig.errors import RigError
from rig.model import DeployedModel, resolve
from rig.render import Renderer
from rig.report import write_report
from rig.runs import Progress, RunFolder
from rig.scene import Scene, build_scene, resolve_scene
from rig.sweep import frame_size
from rig.views import draw_views

MOST_DRAWN = 20  # views drawn for each frame wanted, before the object counts as not recognised


def attack_scene_pixels(job: PixelSceneJob, out: Path, command: list[str], progress: Progress) -> RunFolder:
    """Frame by frame: search, EOT search, persistence; then decision maps and the report. Done frames are kept."""
    model = DeployedModel(resolve(job.model), job.threads)
    scene = build_scene(resolve_scene(job.scene, "run.json"), "run.json")
    goal = goal_of(scene, job.target, model.labels)
    _require(job, frame_size(scene, model), model)
    run = RunFolder.start(out, command, job.config(), job.seed)
    require_same_model(run, model)
    run.state |= {
        "threat_model": _threat_model(job, scene, goal, model),
        "models": [model_record(model)],
        "hashes": scene_hashes(scene),
    }
    run.save()
    stage = Stage(run, Renderer(scene, frame_size(scene, model)), model, goal, job)
    views = recognised_views(stage, job)
    for done, view in enumerate(views):
        progress(done, len(views), f"{job.n_pixels} px on {scene.name}")
        do_item(stage, view)
    write_items(stage, views)
    if job.persistence.map_side:
        draw_maps(stage, views)
    hash_again(run, [model])
    run.finish()
    write_report(run.path)
    progress(len(views), len(views), f"{job.n_pixels} px on {scene.name}")
    return run


def recognised_views(stage: Stage, job: PixelSceneJob) -> list:
    """The first `items` views that the model gets right. Raises RigError where there are none."""
    found = []
    for start in range(0, MOST_DRAWN * job.items, job.items):
        views = draw_views(stage.renderer.scene.config, job.items, job.seed, "attack", start=start)
        logits = stage.model.predict(stage.clean_frames(views))
        found += [view for view, one in zip(views, logits, strict=True) if int(one.argmax()) in stage.goal.true]
        if len(found) >= job.items:
            break
    if not found:
        got = f"right on 0 of {MOST_DRAWN * job.items} views"
        raise RigError("nothing to attack", where=stage.model.card.name, got=got, hint="are the scene's labels right?")
    return found[: job.items]


def _require(job: PixelSceneJob, size_px: tuple[int, int], model: DeployedModel) -> None:
    if tuple(size_px) != tuple(model.size_px):
        got, expected = (f"{width} x {height}" for height, width in (size_px, model.size_px))
        hint = 'pixels are those that the model is given: set sensor.size_px="model"'
        raise RigError("frames of another size than the model's", got=got, expected=expected, hint=hint)
    if not 1 <= job.n_pixels <= size_px[0] * size_px[1]:
        raise RigError("no such number of pixels", where="--pixels", got=job.n_pixels, expected="1 to the frame's size")
    require_bounded(job.search, "scenes")


def require_bounded(search: SearchSettings, what: str) -> None:
    """Scores only, and an end to them."""
    if search.max_queries is None or search.method in ("white-box", "exhaustive"):
        got = f"{search.method}, max_queries {search.max_queries}"
        raise RigError(f"not a search for {what}", got=got, expected="su2019, rig or random, with --max-queries")


def _threat_model(job: PixelSceneJob, scene: Scene, goal: Goal, model: DeployedModel) -> dict:
    budget = f"{job.n_pixels} pixels of {model.size_px[1]} x {model.size_px[0]}, any 8-bit colour"
    return pixel_threat_model(
        goal,
        model,
        "from other views",
        "scores of the deployed file; the EOT search also renders of the scene",
        "set a few pixels of the frame (sensor-fixed), or print them on the object (surface-fixed)",
        f"{budget}; at most {job.search.max_queries:,} queries a frame and search",
        distribution(scene),
    )
