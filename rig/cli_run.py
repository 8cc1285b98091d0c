"""What every command that works on a run folder shares: progress on stderr, Ctrl-C, and the last words."""

import json
import os
import shlex
import sys
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

EXIT_INTERRUPTED = 130
errors = Console(stderr=True, highlight=False, soft_wrap=True, markup=False)


def command_line() -> list[str]:
    return ["rig", *sys.argv[1:]]


def with_progress(folder: Path, job, *arguments):
    """Run a job on a run folder with its progress on stderr: a bar on a terminal, a line now and then elsewhere."""
    try:
        if not errors.is_terminal:
            return job(*arguments, _log_progress())
        columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.completed}/{task.total}"))
        with Progress(*columns, TimeElapsedColumn(), TimeRemainingColumn(), console=errors) as bars:
            task = bars.add_task("starting", total=None)
            return job(
                *arguments, lambda done, total, what: bars.update(task, completed=done, total=total, description=what)
            )
    except KeyboardInterrupt:
        errors.print(f"rig: interrupted; the run folder is whole, go on with: rig resume {shlex.quote(str(folder))}")
        sys.exit(EXIT_INTERRUPTED)


def _log_progress():
    """A line for every tenth of a stage."""
    last = {"tenth": None}

    def tick(done: int, total: int, what: str) -> None:
        tenth = (total, 10 * done // total)
        if tenth != last["tenth"]:
            last["tenth"] = tenth
            errors.print(f"{done}/{total} {what}")

    return tick


def print_run(run, as_json: bool) -> None:
    record = json.loads((run.path / "report.json").read_text(encoding="utf-8"))
    if as_json:
        print(json.dumps(record, ensure_ascii=False))
        return
    for note in run.state.get("scene_notes", ()):
        errors.print(f"note: {note}")
    console = Console(highlight=False, soft_wrap=True, markup=False)
    for sentence in record["headline"]:
        console.print(sentence)
    console.print(f"report: {os.path.relpath(run.path / 'report.html')}")
