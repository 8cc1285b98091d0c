"""Requirements held against a run's rows."""

from dataclasses import dataclass

from rig.errors import RigError
from rig.gate.requirement import ENDS, Requirement
from rig.gate.rows import Measured, Row
from rig.report.words import counted, interval, is_weighted, percent


@dataclass(frozen=True)
class Verdict:
    """Of one requirement on one row; or of the run itself, where `requirement` is None."""

    requirement: Requirement | None
    place: str
    holds: bool
    reason: str
    margin: float = 0.0  # by how much it holds, negative where it does not

    @property
    def name(self) -> str:
        return "sound run" if self.requirement is None else self.requirement.text


def judge(measured: Measured, requirements: list[Requirement]) -> list[Verdict]:
    """First whether the run is sound, then a verdict for each requirement and row.

    Raises RigError for a requirement that nothing in the run answers.
    """
    sound = [Verdict(None, measured.run.name, False, text) for text in measured.errors]
    sound = sound or [
        Verdict(None, measured.run.name, True, "finished, recounted from its trials, no failed check in its audit")
    ]
    return sound + [
        _verdict(requirement, row) for requirement in requirements for row in _about(requirement, measured.rows)
    ]


def worst_of_each(verdicts: list[Verdict]) -> list[tuple[Verdict, int, int]]:
    """For each requirement its narrowest verdict, how many rows fail, and how many there are."""
    grouped: dict[str, list[Verdict]] = {}
    for verdict in verdicts:
        grouped.setdefault(verdict.name, []).append(verdict)
    return [
        (min(group, key=lambda one: one.margin), sum(not one.holds for one in group), len(group))
        for group in grouped.values()
    ]


def _about(requirement: Requirement, rows: list[Row]) -> list[Row]:
    """The rows of the artefact asked for; without one, clean for accuracy and the attacked ones for all else."""
    if requirement.artefact is not None:
        chosen = [row for row in rows if row.artefact == requirement.artefact]
    elif requirement.figure == "accuracy":
        chosen = [row for row in rows if row.artefact == "clean"]
    else:
        chosen = [row for row in rows if row.is_attacked]
    where = f"--require {requirement.text}"
    if not chosen:
        there = ", ".join(dict.fromkeys(row.artefact for row in rows))
        hint = "name one: FIGURE[ARTEFACT]"
        raise RigError("the run has no such artefact", where=where, expected=f"one of {there}", hint=hint)
    _require_figure(requirement, chosen, where)
    return chosen


def _require_figure(requirement: Requirement, chosen: list[Row], where: str) -> None:
    for row in chosen:
        figure = row.figures.get(requirement.figure)
        if figure is None or figure["rate"] is None:
            hint = "cells need poses, persistence needs views whose clean twin is recognised"
            raise RigError(f"the run has no {requirement.figure} for {row.place}", where=where, hint=hint)
        if requirement.end is not None and ENDS[requirement.end] not in figure:
            raise RigError(f"{requirement.figure} has no interval", where=where, hint="leave @ out")


def _verdict(requirement: Requirement, row: Row) -> Verdict:
    figure = row.figures[requirement.figure]
    value = figure["rate"] if requirement.end is None else figure[ENDS[requirement.end]]
    difference = value - requirement.share
    margin = difference if requirement.at_least else -difference
    place = f"{row.place} / {row.artefact}"
    return Verdict(requirement, place, requirement.holds(value), f"{place}: {_words(figure)}", margin)


def _words(figure: dict) -> str:
    if "low" not in figure:
        return percent(figure["rate"])
    bounds = f"{interval(figure)}, {figure['method']}"
    if is_weighted(figure):
        return f"{percent(figure['rate'])} (n = {figure['n']}, {bounds})"
    return f"{counted(figure)}, {percent(figure['rate'])} ({bounds})"
