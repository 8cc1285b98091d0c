"""Verdicts for pipelines: JUnit XML, and a summary in Markdown for a pull request."""

import re
from xml.etree import ElementTree

from rig.gate.judge import Verdict, worst_of_each
from rig.gate.rows import Measured, Row
from rig.report.words import interval, percent

_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")  # XML 1.0, section 2.2
_MARKUP = re.compile(r"([\\`*_{}\[\]()<>#+\-!|~&])")
SHOWN = ("accuracy", "adversariality", "persistence")


def lines(verdicts: list[Verdict]) -> list[str]:
    """One a requirement: the row that decides it, and on how many it fails."""
    found = []
    for worst, n_failed, n in worst_of_each(verdicts):
        several = f" (fails on {n_failed} of {n})" if n > 1 and n_failed else ""
        found.append(f"{'ok  ' if worst.holds else 'FAIL'} {worst.name}: {worst.reason}{several}")
    return found


def junit(measured: Measured, verdicts: list[Verdict]) -> bytes:
    """A test case for each requirement and row."""
    failed = sum(not verdict.holds for verdict in verdicts)
    counts = {"tests": str(len(verdicts)), "failures": str(failed)}
    suites = ElementTree.Element("testsuites", counts)
    suite = ElementTree.SubElement(suites, "testsuite", {"name": _clean(f"rig gate {measured.run.name}"), **counts})
    for verdict in verdicts:
        names = {"name": _clean(verdict.name), "classname": _clean(verdict.place)}
        case = ElementTree.SubElement(suite, "testcase", names)
        if verdict.holds:
            ElementTree.SubElement(case, "system-out").text = _clean(verdict.reason)
        else:
            ElementTree.SubElement(case, "failure", {"message": _clean(verdict.reason)})
    ElementTree.indent(suites)
    return ElementTree.tostring(suites, encoding="utf-8", xml_declaration=True) + b"\n"


def _clean(text: str) -> str:
    return _NOT_XML.sub("\N{REPLACEMENT CHARACTER}", text)


def markdown(measured: Measured, verdicts: list[Verdict]) -> str:
    """Verdict first, then the headline, the requirements and the rates; every name escaped."""
    failed = sum(not holds.holds for holds, _, _ in worst_of_each(verdicts))
    title = f"{failed} of {len(worst_of_each(verdicts))} requirements fail" if failed else "All requirements hold"
    parts = [f"### rig gate: {title}", "\n".join(f"- {escaped(text)}" for text in measured.said)]
    required = [
        [("ok" if worst.holds else "**FAIL**"), escaped(worst.name), escaped(worst.reason), f"{n - n_failed} of {n}"]
        for worst, n_failed, n in worst_of_each(verdicts)
    ]
    parts.append(_table(["", "required", "decided by", "holds on"], required))
    rows = [[escaped(row.place), escaped(row.artefact), *_rates(row)] for row in measured.rows]
    parts.append(_table(["object / model", "artefact", *SHOWN], rows))
    return "\n\n".join(part for part in parts if part) + "\n"


def _rates(row: Row) -> list[str]:
    shown = [row.figures[name] for name in SHOWN]
    return [f"{percent(one['rate'])} ({interval(one)}; n = {one['n']})" for one in shown]


def _table(head: list[str], rows: list[list[str]]) -> str:
    return "\n".join("| " + " | ".join(cells) + " |" for cells in [head, ["---"] * len(head), *rows])


def escaped(text: str) -> str:
    """Nothing in it is Markdown or HTML any more.

    >>> escaped("a|b <script>")
    'a\\\\|b \\\\<script\\\\>'
    """
    return _MARKUP.sub(r"\\\1", " ".join(text.split()))
