"""What can be required of a run: its figures, a row for each object, model and artefact."""

from dataclasses import dataclass, field

from rig.audit import audit, failed
from rig.errors import RunError
from rig.metrics.load import Run, read_trials
from rig.metrics.precision import worst_cell
from rig.metrics.session import session_metrics
from rig.metrics.session_load import read_session_trials
from rig.metrics.summary import evaluation, summarise
from rig.report import headline, session_page
from rig.report.textures import file_problems, texture_rows
from rig.report.write import SESSION_JOB


@dataclass(frozen=True)
class Row:
    """Figures are proportions (k, n, rate, low, high, method), or {"rate": x} where there is no interval."""

    place: str
    artefact: str
    figures: dict[str, dict]

    @property
    def is_attacked(self) -> bool:
        return self.artefact != "clean" and not headline.is_control(self.artefact)


@dataclass(frozen=True)
class Measured:
    """`errors`: what makes the figures worthless, in words; `said`: the headline."""

    run: Run
    rows: list[Row]
    errors: list[str] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    metrics: dict = field(default_factory=dict)


def measure(run: Run, crop: str | None = None) -> Measured:
    """Computed from the stored trials, whatever a report on disk says; of a session all crops, or one.

    Raises RunError for a run without such figures.
    """
    job = run.record.config.get("job")
    if job == SESSION_JOB:
        return _of_session(run, crop)
    if crop is not None:
        raise RunError("only camera sessions have crops", where="--crop", got=crop)
    if str(job).startswith("attack pixel"):
        hint = "give a sweep of views, an attack on a texture or a sweep of a camera session"
        raise RunError("pixel attacks have no rates over views", where=run.path, got=job, hint=hint)
    return _of_views(run)


def _of_views(run: Run) -> Measured:
    trials = read_trials(run)
    metrics, evaluated = summarise(run, trials), evaluation(trials, run)
    problems = file_problems(run, texture_rows(run, evaluated["artefact"].unique().to_list()))
    cells = {(one["object"], one["artefact"], one["model"]): one for one in metrics["persistence"]}
    rows = [
        Row(
            f"{row['object']} / {row['model']}",
            row["artefact"],
            _figures(row, cells.get((row["object"], row["artefact"], row["model"]))),
        )
        for row in metrics["rates"]
    ]
    said = [text for group in metrics["groups"] for text in headline.sentences(run, metrics, group)]
    return Measured(run, rows, _errors(run, metrics, headline.notices(run, metrics, problems)), said, metrics)


def _of_session(run: Run, crop: str | None) -> Measured:
    """What the camera saw: renders are the twins, not the result.

    A cell holds a pass or two of frames that resemble each other: its rate stands without an interval.
    """
    metrics = session_metrics(run, read_session_trials(run))
    crops = list(dict.fromkeys(row["crop"] for row in metrics["rates"]))
    if crop not in (None, *crops):
        raise RunError("the run has no such crop", where="--crop", got=crop, expected=", ".join(crops))
    key = ("object", "model", "crop", "source", "artefact")
    cells = {tuple(one[name] for name in key): one for one in metrics["maps"]}
    rows = [
        Row(
            f"{row['object']} / {row['model']} / {row['crop']} crop",
            row["artefact"],
            _without_interval(_figures(row, cells.get(tuple(row[name] for name in key))), "worst_cell"),
        )
        for row in metrics["rates"]
        if row["source"] == "capture" and crop in (None, row["crop"])
    ]
    errors = _errors(run, metrics, session_page.notices(metrics))
    return Measured(run, rows, errors, session_page.headline(run, metrics), metrics)


def _errors(run: Run, metrics: dict, notices: list[dict]) -> list[str]:
    unfinished = [] if run.record.status == "done" else ["The run is not finished."]
    told = [notice["text"] for notice in notices if notice["level"] == "error"]
    checks = [f"Check {one.number}, {one.name}: {one.sentence}" for one in failed(audit(run, metrics))]
    return unfinished + told + checks


def _figures(row: dict, cells: dict | None) -> dict[str, dict]:
    figures = {name: row[name] for name in ("accuracy", "adversariality", "other_wrong")}
    figures["persistence"] = row["clean_correct"]["adversariality"]
    if cells is None:
        return figures
    figures["worst_cell"] = worst_cell([cell for cell in cells["cells"] if cell["n"]])
    figures["cvar"] = {"rate": cells["cvar_most_fooled"]}
    return figures | {"contiguous": {"rate": cells["contiguous_frac"]}}


def _without_interval(figures: dict[str, dict], name: str) -> dict[str, dict]:
    return figures | {name: {"rate": figures[name]["rate"]}} if name in figures else figures
