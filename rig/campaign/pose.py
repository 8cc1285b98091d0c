"""`rig attack pose`: views that fool a model with nothing changed, and how large the regions are that they belong to."""

from pathlib import Path

from rig.attack.goal import Goal, goal_of
from rig.attack.pose_space import PoseSpace, pose_space
from rig.campaign.pose_job import TEXTURE_PX, PoseJob
from rig.campaign.pose_ledger import Stage
from rig.campaign.pose_regions import draw_sample, measure_failures
from rig.campaign.pose_search import do_searches, require_enough, searches_of
from rig.campaign.records import distribution, hash_again, model_record, require_same_model, scene_hashes
from rig.campaign.sweep import artefact_details
from rig.contracts import Artefact
from rig.model import DeployedModel, resolve
from rig.render import Renderer
from rig.report import write_report
from rig.runs import Progress, RunFolder
from rig.scene import Scene, rebuilt
from rig.sweep import frame_size


def attack_pose(job: PoseJob, out: Path, command: list[str], progress: Progress) -> RunFolder:
    """Search and random draws, an unbiased sample, neighbourhoods and ways; then the report. Done parts are kept."""
    scene = rebuilt(job.scene, TEXTURE_PX)
    space = pose_space(scene.config, job.over)
    require_enough(job, space)
    model = DeployedModel(resolve(job.model), job.threads)
    goal = goal_of(scene, job.target, model.labels)
    run = RunFolder.start(out, command, job.config(), job.seed)
    require_same_model(run, model)
    run.state |= {
        "threat_model": _threat_model(job, space, scene, goal, model),
        "models": [model_record(model)],
        "hashes": scene_hashes(scene),
    }
    run.save()
    texture = scene.mesh.texture
    run.save_artefact(Artefact("clean", texture, artefact_details("clean", "the object as it is", texture)))
    stage = Stage(run, Renderer(scene, frame_size(scene, model)), model, goal)
    found = do_searches(stage, space, job, progress)
    sample = draw_sample(stage, space, job, progress)
    measure_failures(stage, space, job, found, sample, progress)
    hash_again(run, [model])
    run.finish()
    write_report(run.path)
    return run


def _threat_model(job: PoseJob, space: PoseSpace, scene: Scene, goal: Goal, model: DeployedModel) -> dict:
    wanted = "any class but the true ones" if goal.target is None else f'"{model.labels[goal.target]}"'
    searches = " and ".join(searches_of(job))
    return {
        "goal": f"{model.card.name} calls the object {wanted} from some view (evasion)",
        "knowledge": "scores of the deployed file",
        "capability": "choice of viewpoint and light only; the object is not changed",
        "budget": f"at most {job.max_queries:,} queries each by {searches}, over {', '.join(space.over)}",
        "norm": "none",
        "color_space": "sRGB, 8 bits",
        "distribution": distribution(scene),
        "success": "predicted == target" if goal.target is not None else "predicted not in true labels",
    }
