"""What is wrong with each of the runs that are compared, by the checks that its own report makes."""

from rig.audit import Finding, audit, first_line
from rig.metrics.compare_load import IMAGES, SESSION, Side
from rig.metrics.pixel import pixel_metrics
from rig.metrics.session import session_metrics
from rig.metrics.summary import evaluation, summarise
from rig.report import headline, pixel_words, session_page
from rig.report.textures import file_problems, texture_rows


def audited(side: Side) -> dict:
    """letter, name, first_line ("" where no check failed), findings, and the notices of the run's own report."""
    metrics, notices = _of_kind(side)
    findings = audit(side.run, metrics)
    return {
        "letter": side.letter,
        "name": side.run.name,
        "first_line": _first_line(side, findings),
        "findings": findings,
        "notices": [notice | {"text": f"{side.letter}: {notice['text']}"} for notice in notices],
    }


def _first_line(side: Side, findings: list[Finding]) -> str:
    said = first_line(findings)
    return f"Run {side.letter}: {said[0].lower()}{said[1:]}" if said else ""


def _of_kind(side: Side) -> tuple[dict, list[dict]]:
    if side.kind == SESSION:
        metrics = session_metrics(side.run, side.trials)
        return metrics, session_page.notices(metrics)
    if side.kind == IMAGES:
        metrics = pixel_metrics(side.run, side.trials)
        return metrics, pixel_words.notices(side.run, metrics)
    metrics = summarise(side.run, side.trials)
    names = evaluation(side.trials, side.run)["artefact"].unique().to_list()
    return metrics, headline.notices(side.run, metrics, file_problems(side.run, texture_rows(side.run, names)))
