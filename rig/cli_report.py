"""`rig report`: a run's page again, from what it stored."""

from pathlib import Path
from typing import Annotated

import typer

EXIT_AUDIT_FAILED = 1


def report_command(
    run: Path, out: Annotated[Path | None, typer.Option("--out", help="HTML file to write.")] = None
) -> None:
    """Write a run's report again, from its stored trials. Exit code 1 where its audit fails."""
    from rig.report import write_report
    from rig.report.write import audit_failed

    page = write_report(run, out)
    print(page)
    if audit_failed(page):
        raise typer.Exit(EXIT_AUDIT_FAILED)
