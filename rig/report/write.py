"""report.html, report.json (report.schema.json beside this file) and metrics.json of a run, each whole or not at all."""

import json
import os
from collections.abc import Sequence
from pathlib import Path

from rig.audit import FAIL, Finding, audit, first_line
from rig.audit.parts import require_parts
from rig.errors import RunError
from rig.metrics.load import Run, read_history, read_run, read_trials
from rig.metrics.patch import PATCH_JOB, patch_metrics
from rig.metrics.pixel import pixel_metrics
from rig.metrics.pixel_load import read_pixel_trials
from rig.metrics.pixel_scene import pixel_scene_metrics
from rig.metrics.pixel_session import pixel_session_metrics
from rig.metrics.pose import POSE_JOB, pose_metrics
from rig.metrics.session import session_metrics
from rig.metrics.session_load import read_session_trials
from rig.metrics.summary import evaluation, summarise
from rig.report import (
    first_screen,
    headline,
    patch_page,
    pixel_page,
    pixel_scene,
    pixel_session,
    pixel_words,
    pose_page,
    session_page,
)
from rig.report.cells_csv import cells_csv, cells_path
from rig.report.page import render
from rig.report.textures import file_problems, texture_rows

SCHEMA = 1
PIXEL_SCENE_JOB = "attack pixel scene"
PIXEL_SESSION_JOB = "attack pixel session"
SESSION_JOB = "sweep session"
MAX_BYTES = 10_000_000


def write_report(run: Path, out: Path | None = None) -> Path:
    """Writes the page (default: report.html in the run), its JSON beside it and metrics.json in the run.

    Returns the page's path. Raises RunError for a run that is not usable or a place that cannot be written.
    """
    folder = read_run(run)
    if folder.record.config.get("job") == "attack pixel":
        return _write_pixel_report(folder, out)
    if folder.record.config.get("job") == PIXEL_SCENE_JOB:
        return _write_pixel_scene_report(folder, out)
    if folder.record.config.get("job") == PIXEL_SESSION_JOB:
        return _write_pixel_session_report(folder, out)
    if folder.record.config.get("job") == SESSION_JOB:
        return _write_session_report(folder, out)
    if folder.record.config.get("job") == POSE_JOB:
        return _write_pose_report(folder, out)
    if folder.record.config.get("job") == PATCH_JOB:
        return _write_patch_report(folder, out)
    trials, history = read_trials(folder), read_history(folder)
    metrics = summarise(folder, trials)
    evaluated = evaluation(trials, folder)
    problems = file_problems(folder, texture_rows(folder, evaluated["artefact"].unique().to_list()))
    notices = headline.notices(folder, metrics, problems)
    out = Path(out) if out else folder.path / "report.html"
    findings = audit(folder, metrics)
    page = render(folder, metrics, evaluated, history, notices, findings)
    record = report_record(folder, metrics, notices, findings)
    return _write_all(folder, out, page, metrics, record, metrics["persistence"])


def _write_pixel_report(folder: Run, out: Path | None) -> Path:
    trials = read_pixel_trials(folder)
    metrics = pixel_metrics(folder, trials)
    notices = pixel_words.notices(folder, metrics)
    findings = audit(folder, metrics)
    page = pixel_page.render(folder, metrics, trials, notices, findings)
    record = _record(folder, metrics, notices, pixel_words.sentences(metrics), findings)
    return _write_all(folder, Path(out) if out else folder.path / "report.html", page, metrics, record)


def _write_pixel_scene_report(folder: Run, out: Path | None) -> Path:
    require_parts(folder)
    metrics = pixel_scene_metrics(folder)
    page, said = pixel_scene.render(folder, metrics), pixel_scene.headline(folder, metrics)
    record = _record(folder, metrics, pixel_scene.notices(metrics), said)
    return _write_all(folder, Path(out) if out else folder.path / "report.html", page, metrics, record)


def _write_pixel_session_report(folder: Run, out: Path | None) -> Path:
    require_parts(folder)
    metrics = pixel_session_metrics(folder)
    page, said = pixel_session.render(folder, metrics), pixel_session.headline(folder, metrics)
    record = _record(folder, metrics, pixel_session.notices(metrics), said)
    return _write_all(folder, Path(out) if out else folder.path / "report.html", page, metrics, record)


def _write_session_report(folder: Run, out: Path | None) -> Path:
    trials = read_session_trials(folder)
    metrics = session_metrics(folder, trials)
    notices = session_page.notices(metrics)
    findings = audit(folder, metrics)
    page = session_page.render(folder, metrics, trials, notices, findings)
    record = _record(folder, metrics, notices, session_page.headline(folder, metrics), findings)
    return _write_all(folder, Path(out) if out else folder.path / "report.html", page, metrics, record, metrics["maps"])


def _write_pose_report(folder: Run, out: Path | None) -> Path:
    metrics, sample = pose_metrics(folder), evaluation(read_trials(folder), folder)
    notices, findings = pose_page.notices(metrics), audit(folder, metrics)
    page = pose_page.render(folder, metrics, sample, notices, findings)
    record = _record(folder, metrics, notices, pose_page.headline(folder, metrics), findings)
    return _write_all(folder, Path(out) if out else folder.path / "report.html", page, metrics, record)


def _write_patch_report(folder: Run, out: Path | None) -> Path:
    trials, history = read_trials(folder), read_history(folder)
    evaluated = evaluation(trials, folder)
    metrics = summarise(folder, trials)
    metrics["patch"] = patch_metrics(folder, evaluated)
    notices, findings = patch_page.notices(folder, metrics), audit(folder, metrics)
    page = patch_page.render(folder, metrics, evaluated, history, notices, findings)
    record = _record(folder, metrics, notices, patch_page.headline(folder, metrics), findings)
    return _write_all(
        folder, Path(out) if out else folder.path / "report.html", page, metrics, record, metrics["persistence"]
    )


def _write_all(folder: Run, out: Path, page: str, metrics: dict, record: dict, maps: Sequence[dict] = ()) -> Path:
    if len(page.encode()) > MAX_BYTES:
        raise RunError(
            "the report is too large",
            where=out,
            got=f"{len(page.encode())} bytes",
            expected=f"at most {MAX_BYTES}",
            hint="report fewer objects at once",
        )
    _write(folder.path / "metrics.json", _json(metrics))
    if table := cells_csv(maps):
        _write(cells_path(out), table)
    _write(out.with_suffix(".json"), _json(record))
    _write(out, page)
    return out


def audit_failed(page: Path) -> bool:
    """Whether the report that was just written says that a check failed."""
    findings = json.loads(page.with_suffix(".json").read_text(encoding="utf-8"))["audit"]
    return any(one["status"] == FAIL for one in findings)


def report_record(run: Run, metrics: dict, notices: list[dict], findings: list[Finding]) -> dict:
    """report.json: what the page says, for programs."""
    said = [text for group in metrics["groups"] for text in headline.sentences(run, metrics, group)]
    return _record(run, metrics, notices, said, findings) | {"summary": first_screen.lead(run, metrics)}


def _record(run: Run, metrics: dict, notices: list[dict], said: list[str], findings: list[Finding] = ()) -> dict:
    first = first_line(findings)
    return {
        "schema": SCHEMA,
        "job": run.record.config.get("job", ""),
        "run": run.name,
        "headline": [first, *said] if first else said,
        "notices": notices,
        "ok": not first and not any(notice["level"] == "error" for notice in notices),
        "audit": [finding.as_dict() for finding in findings],
        "threat_model": run.record.threat_model.model_dump(),
        "models": [model.model_dump(exclude={"card"}) for model in run.record.models],
        "artefacts": {name: record.model_dump() for name, record in run.artefacts.items()},
        "seed": run.record.seed,
        "command": run.record.command,
        "metrics": metrics,
    }


def _json(content: dict) -> str:
    """A line for each row or figure: read and compared as easily as indented text, and written many times faster."""
    return _lines(content, 3) + "\n"


def _lines(value, levels: int) -> str:
    """JSON; what lies within so many levels of lists and tables stands on lines of its own."""
    if levels and isinstance(value, dict) and value:
        return (
            "{\n"
            + ",\n".join(f"{_lines(str(key), 0)}: {_lines(one, levels - 1)}" for key, one in value.items())
            + "\n}"
        )
    if levels and isinstance(value, list | tuple) and value:
        return "[\n" + ",\n".join(_lines(one, levels - 1) for one in value) + "\n]"
    return json.dumps(value, ensure_ascii=False, allow_nan=False)


def _write(path: Path, text: str) -> None:
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        temporary.write_text(text, encoding="utf-8")
        os.replace(temporary, path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise RunError(f"cannot write the report ({error.strerror})", where=path) from error
