"""Several runs on one page: compare.html, and compare.json beside it, each written whole or not at all."""

import json
import os
from pathlib import Path
from string import ascii_uppercase

from rig.audit import failed
from rig.errors import RunError
from rig.metrics.compare import compare
from rig.metrics.compare_load import read_side
from rig.report.compare_audit import audited
from rig.report.compare_page import headline, render
from rig.report.write import MAX_BYTES
from rig.runs import write_atomically

PAGE = "compare.html"


def write_comparison(runs: list[Path], out: Path | None = None) -> tuple[Path, dict]:
    """Compares every run with the first; writes the page (default: compare.html beside the first run's folder).

    Returns its path and what stands in the JSON beside it: `rig.metrics.compare`, and `headline`, `ok`, `audits`.
    Raises RunError where runs cannot be read, cannot be compared, or the page cannot be written.
    """
    _require_several(runs)
    sides = [read_side(letter, Path(path)) for letter, path in zip(ascii_uppercase, runs, strict=False)]
    out = Path(out) if out else Path(os.path.abspath(sides[0].run.path)).parent / PAGE
    if out.suffix == ".json":
        raise RunError("the page would overwrite its own JSON", where=out, expected="a name such as compare.html")
    compared, views = compare(sides)
    audits = [audited(side) for side in sides]
    record = _record(compared, audits, [text for said in headline(compared, sides) for text in said])
    page = render(record, audits, sides, views).encode()
    if len(page) > MAX_BYTES:
        raise RunError("the page is too large", where=out, got=f"{len(page)} bytes", hint="compare fewer runs at once")
    text = json.dumps(record, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    write_atomically(out.with_suffix(".json"), lambda partial: partial.write_text(text, encoding="utf-8"))
    return write_atomically(out, lambda partial: partial.write_bytes(page)), record


def _require_several(runs: list[Path]) -> None:
    if not 2 <= len(runs) <= len(ascii_uppercase):
        raise RunError("cannot compare so many runs", got=len(runs), expected=f"2 to {len(ascii_uppercase)}")
    seen: dict[Path, Path] = {}
    for run in runs:
        place = Path(run).resolve()
        if place in seen:
            raise RunError("the same run is named twice", where=run, hint="give different runs")
        seen[place] = run


def _record(compared: dict, audits: list[dict], said: list[str]) -> dict:
    first_lines = [one["first_line"] for one in audits if one["first_line"]]
    errors = [notice for one in audits for notice in one["notices"] if notice["level"] == "error"]
    return compared | {
        "headline": [*first_lines, *said],
        "ok": not first_lines and not errors,
        "audits": [
            {
                "letter": one["letter"],
                "ok": not failed(one["findings"]),
                "notices": one["notices"],
                "findings": [finding.as_dict() for finding in one["findings"]],
            }
            for one in audits
        ],
    }


def audits_failed(record: dict) -> bool:
    """Whether a check of any of the runs failed."""
    return not all(one["ok"] for one in record["audits"])
