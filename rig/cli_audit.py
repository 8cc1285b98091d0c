"""`rig audit`: the 25 checks of a run, on the terminal or as JSON."""

import json
from pathlib import Path
from typing import Annotated

import typer

EXIT_CHECK_FAILED = 1


def audit_command(
    run: Annotated[Path, typer.Argument(help="A run folder.")],
    deep: Annotated[
        bool,
        typer.Option(
            "--deep",
            help="Also make the extra runs that some checks need: the attack some 13 times again, on few views.",
        ),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print results as JSON on stdout.")] = False,
) -> None:
    """Ask 25 questions of a run's stored trials and files. Exit code 1 where a check that counts fails."""
    from rig.audit import audit, failed
    from rig.metrics.load import read_run

    folder = read_run(run)
    if deep:
        _deepen(run)
    findings = audit(folder)
    if as_json:
        record = {"run": str(run), "ok": not failed(findings), "findings": [one.as_dict() for one in findings]}
        print(json.dumps(record, ensure_ascii=False))
    else:
        _print(folder.name, findings)
    if failed(findings):
        raise typer.Exit(EXIT_CHECK_FAILED)


def _deepen(run: Path) -> None:
    from rig.audit.deep import deepen
    from rig.campaign import resume
    from rig.cli_run import with_progress

    with_progress(run, deepen, run, resume)


def _print(name: str, findings: list) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from rig.audit import failed, first_line

    if failed(findings):
        print(first_line(findings))
    table = Table("", "check", "", "result", "what was found", title=Text(f"Audit of {name}"), title_justify="left")
    for one in findings:
        table.add_row(str(one.number), one.name, one.level, Text(one.status), Text(one.sentence))
    Console(highlight=False).print(table)
