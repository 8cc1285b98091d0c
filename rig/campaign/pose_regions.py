"""How large the failing region is: fresh draws of the whole distribution, about each failure, and ways between failures."""

import json

import numpy as np

from rig.attack.pose_region import distinct, draw_within, linked, turns
from rig.attack.pose_space import PoseSpace
from rig.campaign.pose_job import PoseJob
from rig.campaign.pose_ledger import Ledger, Stage
from rig.campaign.pose_search import Found
from rig.contracts import View
from rig.images import encode_jpeg
from rig.metrics.pose import FAILURES, RADII_DEG
from rig.runs import Progress
from rig.views import POLICIES, derive_seed, draw_views

SAMPLE, AROUND, WAY = "eval", "around", "way"


def draw_sample(stage: Stage, space: PoseSpace, job: PoseJob, progress: Progress) -> Found:
    """Views of the declared distribution that no search has seen, with their rows."""
    scene, ledger = stage.renderer.scene, Ledger(stage, SAMPLE)
    views = draw_views(scene.config, job.views, job.seed, SAMPLE)
    rows = POLICIES["random"](len(space.dimensions), job.views, job.seed, SAMPLE, 0)
    answers: list[dict] = []
    for start in range(0, len(views), 25):
        some = views[start : start + 25]
        answers += ledger.ask(some, [{}] * len(some))
        progress(len(answers), len(views), "unbiased sample")
    ledger.close()
    return Found(rows, answers)


def measure_failures(
    stage: Stage, space: PoseSpace, job: PoseJob, found: Found, sample: Found, progress: Progress
) -> None:
    """Writes pose/failures.json: the distinct failures, and for those measured their region and picture."""
    fooled = np.flatnonzero([answer["fooled"] for answer in found.answers])
    rows, answers = found.rows[fooled], [found.answers[i] for i in fooled]
    chosen = distinct(space, rows, np.array([answer["margin"] for answer in answers])) if len(fooled) else []
    measured = chosen[: job.regions]
    views = [_again(space, answers[i]) for i in measured]
    for number, view in enumerate(views):
        progress(number, len(views), "around each failure")
        _draw_around(stage, space, job, number, view)
        _picture(stage, view, answers[measured[number]]["frame_hash"])
    regions = _regions(stage, space, job, rows[measured], views, sample, progress)
    record = {
        "n_failures": len(fooled),
        "n_distinct": len(chosen),
        "n_sample_failures": sum(answer["fooled"] for answer in sample.answers),
        "failures": [_said(answers[i]) | region for i, region in zip(measured, regions, strict=True)],
    }
    stage.run.write(FAILURES, json.dumps(record, indent=1, ensure_ascii=False).encode())


def _again(space: PoseSpace, answer: dict) -> View:
    values = {one.name: answer[one.name] for one in space.dimensions}
    return View(answer["view"], answer["split"], values, answer["seed"])


def _said(answer: dict) -> dict:
    names = ("view", "search", "run", "query", "margin", "predicted", "predicted_prob", "true_prob", "frame_hash")
    return {name: answer[name] for name in names}


def _draw_around(stage: Stage, space: PoseSpace, job: PoseJob, number: int, failure: View) -> None:
    if not turns(space):
        return
    ledger = Ledger(stage, f"{AROUND}-{number:03d}")
    for radius_deg in RADII_DEG:
        seed = derive_seed(job.seed, AROUND, number, str(radius_deg))
        drawn = draw_within(space, failure, radius_deg, job.around, seed)
        name = f"{AROUND}-{number:03d}-{radius_deg:g}deg"
        views = [View(f"{name}-{i:04d}", AROUND, values, failure.seed) for i, values in enumerate(drawn)]
        ledger.ask(views, [{"failure": number, "radius_deg": float(radius_deg)}] * len(views))
    ledger.close()


def _regions(stage, space: PoseSpace, job: PoseJob, rows, views: list[View], sample: Found, progress) -> list[dict]:
    """For each failure how many of the sample's views belong to its region, and which failures share it."""
    failing = [i for i, answer in enumerate(sample.answers) if answer["fooled"]]
    if not views:
        return []
    points = np.concatenate([rows, sample.rows[failing]])
    seeds = [view.seed for view in views] + [sample.answers[i]["seed"] for i in failing]
    ledger, asked = Ledger(stage, WAY), 0

    def fails(i: int, row: np.ndarray) -> bool:
        nonlocal asked
        view = space.view(row, f"{WAY}-{asked:06d}", WAY, seeds[i])
        asked += 1
        return ledger.ask([view], [{}])[0]["fooled"]

    progress(0, 1, "ways between failures")
    region = linked(space, points, fails)
    progress(1, 1, "ways between failures")
    ledger.close()
    members = region[len(views) :]
    return [
        {"region": int(region[i]), "region_k": int((members == region[i]).sum()), "n": len(sample.answers)}
        for i in range(len(views))
    ]


def _picture(stage: Stage, failure: View, frame_hash: str) -> None:
    """The frame itself, for the gallery."""
    name = f"frames/{frame_hash}.jpg"
    if not (stage.run.path / name).exists():
        prepared = [stage.renderer.prepare(failure)]
        (frame,) = stage.renderer.frames(stage.renderer.scene.mesh.texture, prepared)
        stage.run.write(name, encode_jpeg(frame.image, 90))
