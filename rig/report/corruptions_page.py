"""corruptions.html and corruptions.json of a sweep whose frames were also corrupted, beside its report."""

import json
import shlex
from pathlib import Path

from rig.metrics.corruptions import corruption_metrics
from rig.metrics.load import Run, read_run, read_trials
from rig.metrics.summary import summarise
from rig.report.corruptions import section
from rig.report.page import embedded, environment
from rig.runs import write_atomically


def write_corruptions(path: Path) -> Path | None:
    """The page's path; None for a run without corrupted frames. Raises RunError."""
    run = read_run(path)
    trials = read_trials(run)
    found = corruption_metrics(run, trials)
    if found is None:
        return None
    _write(run.path / "corruptions.json", json.dumps(found, indent=1, ensure_ascii=False, allow_nan=False) + "\n")
    return _write(run.path / "corruptions.html", render(run, summarise(run, trials) | {"corruptions": found}))


def render(run: Run, metrics: dict) -> str:
    drawn: dict[str, dict] = {}
    context = {
        "record": run.record,
        "metrics": metrics,
        "title": f"{', '.join(run.record.config['scenes'])}: beside natural corruptions",
        "notices": [{"level": "error", "text": text} for text in metrics["corruptions"]["mismatches"]],
        "corruptions": section(run, metrics, drawn),
        "command": shlex.join(run.record.command),
        "settings": json.dumps(run.record.config, indent=2, ensure_ascii=False),
    }
    return environment().get_template("corruptions_page.html.j2").render(**context, **embedded(), figures=drawn)


def _write(path: Path, text: str) -> Path:
    return write_atomically(path, lambda partial: partial.write_text(text, encoding="utf-8"))
