"""`rig report`: a run's page again, from what it stored; or several runs side by side."""

import json
from pathlib import Path
from typing import Annotated

import typer

EXIT_AUDIT_FAILED = 1


def report_command(
    runs: Annotated[
        list[Path], typer.Argument(metavar="RUN", help="A run folder; or several: each is compared with the first.")
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            help="HTML file to write, its JSON beside it. Default: report.html in the run; of several runs, compare.html "
            "beside the first run's folder.",
        ),
    ] = None,
    pdf: Annotated[
        bool, typer.Option("--pdf", help="Print the page into a PDF beside it, too; needs a Chromium.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print results as JSON on stdout.")] = False,
) -> None:
    """Write a run's report again, from its stored trials; or compare runs on one page: same views, paired differences.

    Exit code 1 where an audit fails.
    """
    from rig.report.pdf import find_browser, write_pdf

    browser = find_browser() if pdf else None
    page, record, failed = _one(runs[0], out) if len(runs) == 1 else _several(runs, out)
    printed = write_pdf(page, browser) if browser else None
    print(json.dumps(record, ensure_ascii=False) if as_json else page)
    if printed and not as_json:
        print(printed)
    if failed:
        raise typer.Exit(EXIT_AUDIT_FAILED)


def _one(run: Path, out: Path | None) -> tuple[Path, dict, bool]:
    from rig.report import write_report
    from rig.report.write import audit_failed

    page = write_report(run, out)
    return page, json.loads(page.with_suffix(".json").read_text(encoding="utf-8")), audit_failed(page)


def _several(runs: list[Path], out: Path | None) -> tuple[Path, dict, bool]:
    from rig.report.compare import audits_failed, write_comparison

    page, record = write_comparison(runs, out)
    return page, record, audits_failed(record)
