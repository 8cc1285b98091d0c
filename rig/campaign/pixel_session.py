"""`rig attack pixel SESSION`: pixels found on frames that a camera took, then carried to the rest of their pass; the report."""

from pathlib import Path

from rig.attack.goal import goal_of_config
from rig.campaign.pixel_scene import require_bounded
from rig.campaign.pixel_session_items import Stage, do_item, write_items
from rig.campaign.pixel_session_job import PixelSessionJob
from rig.campaign.records import hash_again, model_record, pixel_threat_model, require_same_model, scene_hashes
from rig.campaign.session import read_filmed, require_same_sessions, session_hash
from rig.capture import Row, SessionError
from rig.capture.crops import parse_crop
from rig.capture.read import HEADER
from rig.errors import RigError
from rig.model import DeployedModel, resolve
from rig.report import write_report
from rig.runs import Progress, RunFolder
from rig.scene import rebuilt, resolve_scene
from rig.sweep.pixel_session import PixelCase, clean_rows, spread
from rig.sweep.pixel_session_dots import DotPrinter


def attack_session_pixels(job: PixelSessionJob, out: Path, command: list[str], progress: Progress) -> RunFolder:
    """Frame by frame: search, conditions, every other frame of the pass; then the report. Done frames are kept."""
    require_bounded(job.search, "sessions")
    case = _case(job)
    captured, model = case.captured, case.model
    candidates = _croppable(case, job.n_pixels)
    judged = clean_rows(case, candidates)
    items = _items(case, judged, candidates, job.items)
    scene = rebuilt(captured.header.scene)
    run = RunFolder.start(out, command, job.config(), job.seed)
    require_same_model(run, model)
    require_same_sessions(run, [captured])
    run.state |= {
        "threat_model": _threat_model(job, case),
        "models": [model_record(model)],
        "hashes": scene_hashes(scene) | session_hash(captured),
    }
    run.spend(queries=len(judged))
    run.write_table("pixel/frames.parquet", judged)
    run.save()
    printer = DotPrinter(scene, captured.header.profile) if any(row.pose for row in items) else None
    stage, what = Stage(run, case, printer, job), f"{job.n_pixels} px on {captured.name}"
    for done, row in enumerate(items):
        progress(done, len(items), what)
        do_item(stage, row)
    write_items(stage, items)
    hash_again(run, [model])
    run.finish()
    write_report(run.path)
    progress(len(items), len(items), what)
    return run


def _case(job: PixelSessionJob) -> PixelCase:
    crop, captured = parse_crop(job.crop), read_filmed(Path(job.session))
    config = resolve_scene(captured.header.scene, str(captured.path / HEADER))
    model = DeployedModel(resolve(job.model), job.threads)
    return PixelCase(captured, config.object.radius_m, crop, model, goal_of_config(config, job.target, model.labels))


def _croppable(case: PixelCase, n_pixels: int) -> list[Row]:
    """Clean frames of which the model can be given the crop. Raises RigError where nothing could be changed in any."""
    captured = case.captured
    clean = [row for row in captured.rows if row.artefact == "clean"]
    if not clean:
        worn = ", ".join(dict.fromkeys(row.artefact for row in captured.rows))
        expected = "a pass of the object as it is (--artefact clean)"
        raise SessionError("the session has no clean frames", where=captured.path, got=worn, expected=expected)
    found = [row for row in clean if case.window(row) is not None]
    if not found:
        got, hint = (
            f"{len(clean)} clean frames without a pose or with the object out of sight",
            "--crop full or fixed=0.6",
        )
        raise SessionError("no frame can be cropped to the object", where=captured.path, got=got, hint=hint)
    smallest = min((case.seen(row) for row in found), key=_area)
    if not 1 <= n_pixels <= _area(smallest):
        rows, columns = (one.stop - one.start for one in smallest)
        expected = f"1 to {rows * columns}, of the {columns} x {rows} that the network sees of the smallest crop"
        raise RigError("no such number of pixels", where="--pixels", got=n_pixels, expected=expected)
    return found


def _area(window) -> int:
    rows, columns = window
    return (rows.stop - rows.start) * (columns.stop - columns.start)


def _items(case: PixelCase, judged: list[dict], candidates: list[Row], most: int) -> list[Row]:
    """Of the frames that the model gets right as many as asked for, evenly over the session."""
    right = {one["frame"] for one in judged if one["correct"]}
    kept = [row for row in candidates if row.frame in right]
    if not kept:
        got = f"right on 0 of {len(judged)} clean frames, crop {case.crop.name}"
        raise RigError("nothing to attack", where=case.model.card.name, got=got, hint="are the scene's labels right?")
    return [kept[i] for i in spread(len(kept), most)]


def _threat_model(job: PixelSessionJob, case: PixelCase) -> dict:
    profile, name = case.captured.header.profile, case.captured.name
    budget = f"{job.n_pixels} pixels of {profile.width_px} x {profile.height_px}, any 8-bit colour"
    return pixel_threat_model(
        case.goal,
        case.model,
        "for the rest of the pass",
        "scores of the deployed file on one frame; nothing of the others",
        "set a few pixels of the sensor (sensor-fixed), or print them on the object (surface-fixed)",
        f"{budget}; at most {job.search.max_queries:,} queries a frame",
        {"name": f"camera session {name}, {case.crop.words}", "dimensions": {}},
    )
