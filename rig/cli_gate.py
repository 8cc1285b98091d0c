"""`rig gate`: exit code 0, 1 or 2 for a pipeline."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

EXIT_FAILED = 1


def gate_command(
    run: Annotated[Path, typer.Argument(help="A sweep, an attack on a texture, or a sweep of a camera session.")],
    require: Annotated[
        list[str], typer.Option("--require", help="Such as accuracy>=0.9 or persistence<=0.1@upper. Repeatable.")
    ],
    crop: Annotated[str | None, typer.Option("--crop", help="Of a camera session, this crop alone: board.")] = None,
    junit: Annotated[Path | None, typer.Option("--junit", help="Write JUnit XML there.")] = None,
    summary: Annotated[Path | None, typer.Option("--summary", help="Write Markdown for a pull request there.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print results as JSON on stdout.")] = False,
) -> None:
    """Hold a run against requirements: exit code 0 if all hold, 1 if one does not, 2 if it cannot be told."""
    from rig.gate import formats, judge, parse_requirement
    from rig.gate.rows import measure
    from rig.metrics.load import read_run
    from rig.runs import write_atomically

    requirements = [parse_requirement(text) for text in require]
    measured = measure(read_run(run), crop)
    verdicts = judge(measured, requirements)
    if junit is not None:
        write_atomically(junit, lambda path: path.write_bytes(formats.junit(measured, verdicts)))
    if summary is not None:
        write_atomically(summary, lambda path: path.write_text(formats.markdown(measured, verdicts), encoding="utf-8"))
    if as_json:
        print(json.dumps([asdict(verdict) for verdict in verdicts], ensure_ascii=False))
    else:
        print("\n".join(formats.lines(verdicts)))
    if not all(verdict.holds for verdict in verdicts):
        raise typer.Exit(EXIT_FAILED)
