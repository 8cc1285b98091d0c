"""`rig sweep SESSION`: what models say of frames that a camera took, and of the same views rendered."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

from rig.attack.goal import Goal, goal_of
from rig.campaign.records import hash_again, measured_threat_model, model_record, require_same_model, scene_hashes
from rig.campaign.sweep import artefact_details, read_artefact
from rig.capture import Captured, SessionError, read_session
from rig.capture.crops import Crop, parse_crop
from rig.contracts import Artefact
from rig.errors import RunError
from rig.model import DeployedModel, resolve
from rig.report import write_report
from rig.report.write import SESSION_JOB
from rig.runs import Progress, RunFolder
from rig.scene import rebuilt
from rig.sweep.session import SessionCase, sweep_sessions


@dataclass(frozen=True)
class SessionJob:
    """All that was asked. `artefacts` are artefact folders: what the sessions' passes of those names wore."""

    sessions: tuple[str, ...]
    models: tuple[str, ...]
    artefacts: tuple[str, ...]
    crops: tuple[str, ...]
    target: str | int | None
    twins: bool
    texture_px: int
    seed: int

    def config(self) -> dict:
        return {
            "job": SESSION_JOB,
            "sessions": list(self.sessions),
            "models": list(self.models),
            "artefacts": list(self.artefacts),
            "crops": list(self.crops),
            "target": self.target,
            "twins": self.twins,
            "texture_px": self.texture_px,
        }


def sweep_camera_sessions(job: SessionJob, out: Path, command: list[str], progress: Progress) -> RunFolder:
    """Every frame that was kept, by every model and crop, with its twin; then the report."""
    models = [DeployedModel(resolve(name)) for name in job.models]
    captured = [read_filmed(Path(session)) for session in job.sessions]
    _require_names(captured)
    given = {artefact.name: artefact for artefact in map(read_artefact, map(Path, job.artefacts))}
    cases = [_case(one, given, models, job) for one in captured]
    run = RunFolder.start(out, command, job.config(), job.seed)
    for model in models:
        require_same_model(run, model)
    require_same_sessions(run, captured)
    first = cases[0]
    run.state |= {
        "threat_model": _threat_model(first, first.goals[models[0].card.name], models[0]),
        "models": [model_record(model) for model in models],
        "hashes": {name: value for case in cases for name, value in scene_hashes(case.scene).items()}
        | {name: value for one in captured for name, value in session_hash(one).items()},
    }
    run.save()
    clean = Artefact(
        "clean", first.scene.mesh.texture, artefact_details("clean", "the object as it is", first.scene.mesh.texture)
    )
    for artefact in (clean, *given.values()):
        run.save_artefact(artefact)
    sweep_sessions(run, cases, models, progress)
    hash_again(run, models)
    run.finish()
    write_report(run.path)
    return run


def read_filmed(path: Path) -> Captured:
    """A session with frames, of an object that has a scene. Raises SessionError."""
    captured = read_session(path)
    if not captured.rows:
        raise SessionError("the session has no frames", where=path, hint="take some with: rig capture")
    if captured.header.scene is None:
        raise SessionError(
            "the session does not say what its object is",
            where=path,
            expected="a scene with labels",
            hint="capture with --scene",
        )
    return captured


def _case(captured: Captured, given: dict[str, Artefact], models: list[DeployedModel], job: SessionJob) -> SessionCase:
    scene = rebuilt(captured.header.scene, job.texture_px)
    worn = dict.fromkeys(row.artefact for row in captured.rows)
    textures = {"clean": scene.mesh.texture} | {name: given[name].texture for name in worn if name in given}
    for name, texture in textures.items():
        if texture.shape != scene.mesh.texture.shape:
            got, expected = (f"{one.shape[1]} x {one.shape[0]}" for one in (texture, scene.mesh.texture))
            hint = "set the same --texture-px as the attack's"
            raise RunError(f"artefact {name} does not fit {scene.name}", got=got, expected=expected, hint=hint)
    return SessionCase(
        captured,
        scene,
        textures if job.twins else {},
        {model.card.name: goal_of(scene, job.target, model.labels) for model in models},
        _crops(job.crops),
        job.seed,
    )


def _crops(texts: tuple[str, ...]) -> tuple[Crop, ...]:
    """The whole frame first, always."""
    return tuple(dict.fromkeys([Crop("full"), *map(parse_crop, texts)]))


def _require_names(captured: list[Captured]) -> None:
    names = [one.name for one in captured]
    if len(set(names)) < len(names):
        raise SessionError("two sessions of one name", got=", ".join(names))


def session_hash(captured: Captured) -> dict[str, str]:
    """Of what the frames are: their numbers, artefacts and contents, undone ones left out."""
    lines = [f"{row.frame} {row.artefact} {row.hash}" for row in captured.rows]
    return {f"session {captured.name}": hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16]}


def require_same_sessions(run: RunFolder, captured: list[Captured]) -> None:
    """A resumed run must see the frames it began with."""
    known = run.state.get("hashes", {})
    for one in captured:
        if any(known.get(name, value) != value for name, value in session_hash(one).items()):
            hint = "frames were added or undone: choose another --out"
            raise RunError("the session changed since this run began", where=one.path, hint=hint)


def _threat_model(case: SessionCase, goal: Goal, model: DeployedModel) -> dict:
    worn = [name for name in dict.fromkeys(row.artefact for row in case.captured.rows) if name != "clean"]
    capability = f"the object wears {', '.join(worn)}" if worn else "choice of viewpoint only"
    budget = "as stated by the runs that made what it wears" if worn else "no change to the object"
    session = {"name": "camera session", "dimensions": {}}
    return measured_threat_model(goal, model, "the object before a camera", capability, budget, session)
