"""The first screen: three sentences for whoever decides, the threat model in brief, the audit in one line."""

from collections.abc import Iterable

from rig.audit import FAIL, WARN, Finding
from rig.metrics.load import Run
from rig.metrics.precision import more_views_to_halve
from rig.metrics.transfer import OTHER, OWN
from rig.report import headline
from rig.report.words import goal, interval, of_views, percent, sentence_rate

MOST_NAMED = 3  # networks that a sentence names one by one


def lead(run: Run, metrics: dict) -> list[str]:
    """Three sentences at most, each with its numbers: of one object on one model, or over all of them."""
    groups = metrics["groups"]
    said = _of_one(run, metrics, groups[0]) if len(groups) == 1 else _of_many(run, metrics)
    return said[:3]


def _of_one(run: Run, metrics: dict, group: dict) -> list[str]:
    said = headline.kinds_of_sentences(run, metrics, group)
    first = [said[kind] for kind in ("attack", "clean", "controls", "others") if kind in said]
    return first + _wrong(metrics, group) + _precision(metrics, group)


def _wrong(metrics: dict, group: dict) -> list[str]:
    """Of the clean object: what it is taken for."""
    place = {"object": group["object"], "model": group["model"], "artefact": "clean"}
    row = next((one for one in metrics["wrong_answers"] if place.items() <= one.items()), None)
    if row is None or not row["n"]:
        return []
    most = ", ".join(f"{one['label']} ({one['n']})" for one in row["most_frequent"])
    return [f"The most frequent of its {row['n']} wrong answers: {most}."]


def _precision(metrics: dict, group: dict) -> list[str]:
    said = to_halve(main_figure(metrics, group))
    return [said] if said else []


def main_figure(metrics: dict, group: dict) -> dict | None:
    """The rate that a group is about: the main attack's, or how often the clean object is recognised."""
    rows, attacked = headline.rates_of(metrics, group), headline.main_attack(group["artefacts"])
    if attacked:
        return rows[attacked]["adversariality"]
    return rows["clean"]["accuracy"] if "clean" in rows else None


def to_halve(figure: dict | None) -> str:
    if figure is None or figure["method"] != "Wilson" or not figure["n"]:
        return ""
    more = more_views_to_halve(figure["k"], figure["n"])
    return f"{more} more views would make the interval of {percent(figure['rate'])} half as wide."


def _of_many(run: Run, metrics: dict) -> list[str]:
    attacked = [row for row in metrics["rates"] if row["artefact"] != "clean" and not _is_control(row)]
    clean = _clean(metrics, [row for row in metrics["rates"] if row["artefact"] == "clean"])
    if not attacked:
        return [*clean, *_pooled(run, metrics, "clean", "accuracy", "recognised")]
    top = max(attacked, key=lambda row: _rate(row["adversariality"]))
    over = _elsewhere(metrics, top) or _pooled(run, metrics, top["artefact"], "adversariality", goal(top["target"]))
    return [_most_fooled(run, metrics, top, len(attacked)), *over[:1], " ".join(clean)]


def _is_control(row: dict) -> bool:
    return headline.is_control(row["artefact"])


def _rate(figure: dict) -> float:
    return -1.0 if figure["rate"] is None else figure["rate"]


def _most_fooled(run: Run, metrics: dict, top: dict, n_rates: int) -> str:
    reached = top["adversariality"]
    controls = [row["adversariality"] for row in metrics["rates"] if _is_control(row)]
    beside = f"; the strongest control reaches {sentence_rate(max(controls, key=_rate))}" if controls else ""
    return (
        f"Most fooled: {top['object']} with {headline.human(run, top['artefact'])}, {goal(top['target'])} by "
        f"{top['model']} on {of_views(reached, 'unseen views')}, the highest of {n_rates} such rates{beside}."
    )


def _elsewhere(metrics: dict, top: dict) -> list[str]:
    """The same texture on networks that it was not made on; [] where that is not known."""
    place = {"object": top["object"], "artefact": top["artefact"]}
    row = next((one for one in metrics["transfer"] if place.items() <= one.items()), None)
    if row is None or not any(cell["made"] == OWN for cell in row["cells"]):
        return []
    others = sorted((cell for cell in row["cells"] if cell["made"] == OTHER), key=_rate)
    if not others:
        return []
    named = others if len(others) <= MOST_NAMED else [others[0], others[-1]]
    rates = [f"{sentence_rate(cell)} by {cell['model']}" for cell in named]
    how = " and ".join(rates) if len(others) <= MOST_NAMED else f"between {' and '.join(rates)}"
    return [f"The same texture on networks that it was not made on: {goal(row['target'])} on {how}."]


def _clean(metrics: dict, rows: list[dict]) -> list[str]:
    """Where clean objects are recognised least and most often."""
    if not rows:
        return []
    least, most = (pick(rows, key=lambda row: _rate(row["accuracy"])) for pick in (min, max))
    said = [f"{one['object']} by {one['model']}, {sentence_rate(one['accuracy'])}" for one in (least, most)]
    return [f"Clean objects are recognised least often: {said[0]}.", f"Most often: {said[1]}."]


def _pooled(run: Run, metrics: dict, artefact: str, rate: str, words: str) -> list[str]:
    rows = [row for row in metrics["pooled"] if row["artefact"] == artefact]
    if not rows:
        return []
    each = [f"{percent(row[rate]['rate'])} of views by {row['model']} ({interval(row[rate])})" for row in rows]
    name = "the clean objects" if artefact == "clean" else headline.human(run, artefact)
    by = f"Over all {rows[0]['n_objects']} objects, {name} {'are' if artefact == 'clean' else 'is'} {words} on "
    return [f"{by}{', on '.join(each[:MOST_NAMED])} (95 % CI, cluster bootstrap by object)."]


def threat(run: Run) -> list[tuple[str, str]]:
    """The threat model in a few lines, for the first screen; all of it stands further down."""
    said = run.record.threat_model
    fields = {"Goal": said.goal, "Knows": said.knowledge, "May change": said.capability, "Budget": said.budget}
    fields |= {"Success": said.success, "Views": said.distribution.name}
    return [(name, "not stated" if value in (None, "") else str(value)) for name, value in fields.items()]


def audit_worst(findings: Iterable[Finding]) -> list[Finding]:
    """What did not pass, worst first: failed checks, then warnings, those of level F before those of level W."""
    order = {FAIL: 0, WARN: 1}
    bad = [finding for finding in findings if finding.status in order]
    return sorted(bad, key=lambda one: (order[one.status], one.level, one.number))
