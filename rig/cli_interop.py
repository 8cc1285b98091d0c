"""`rig export` and `rig view`: a run for other people's tools."""

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from rig.cli_run import EXIT_INTERRUPTED, errors, with_progress


def export_command(
    run: Annotated[Path, typer.Argument(help="A sweep of scenes or sessions, an attack on a texture or on images.")],
    out: Annotated[Path, typer.Option("--out", help="Folder to make; it is there whole or not at all.")],
    layout: Annotated[str, typer.Option("--format", help="imagefolder or coco.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print results as JSON on stdout.")] = False,
) -> None:
    """Every frame of a run as PNG, exactly as the models saw it: rendered again, or read again, and its hash compared."""
    from rig.interop.export import export

    made = _whole_or_not(out, export, run, layout, out)
    said = f"{made['frames']} frames of {made['trials']} trials: {made['out']}"
    print(json.dumps(made, ensure_ascii=False) if as_json else said)


def view_command(
    run: Annotated[Path, typer.Argument(help="A sweep, an attack on a texture, or a sweep of a camera session.")],
    save: Annotated[Path | None, typer.Option("--save", help="Write a recording (.rrd) instead of opening it.")] = None,
    views: Annotated[int | None, typer.Option("--views", min=1, help="At most so many of each object.")] = None,
) -> None:
    """Object, cameras, frames and answers in space, in Rerun's viewer (pip install 'physical-rig[rerun]')."""
    from rig.interop.recording import record
    from rig.interop.viewer import show

    def recorded(file: Path) -> dict:
        return _whole_or_not(file, record, run, file, views)

    made = show(recorded) if save is None else recorded(save)
    without = f"; {made['without_pose']} trials without a pose left out" if made["without_pose"] else ""
    print(f"{made['cameras']} cameras{without}" + (f": {made['out']}" if save else ""))


def _whole_or_not(out: Path, job, *arguments) -> dict:
    """As with_progress; what is interrupted here is begun again, not resumed."""

    def run(*arguments) -> dict:
        try:
            return job(*arguments)
        except KeyboardInterrupt:
            errors.print(f"rig: interrupted; {out} was not made, repeat the command")
            sys.exit(EXIT_INTERRUPTED)

    return with_progress(out, run, *arguments)
