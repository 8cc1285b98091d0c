"""`rig print`: what an attack painted, on paper at true scale and as files for 3D colour printing."""

from pathlib import Path
from typing import Annotated

import typer


def print_command(
    run: Annotated[Path, typer.Argument(help="A run of `rig attack texture` or `rig attack patch`.")],
    out: Annotated[Path, typer.Option("--out", help="Folder for PDF, GLB, OBJ and the board's file.")],
    artefact: Annotated[str, typer.Option("--artefact", help="Which of the run's textures.")] = "adversarial",
    paper: Annotated[str, typer.Option("--paper", help="a4, a3 or letter.")] = "a4",
    dpi: Annotated[int, typer.Option("--dpi", min=72, max=600, help="Of the pictures on the sheets.")] = 300,
    size_mm: Annotated[
        float | None,
        typer.Option("--size-mm", help="The object's longest side; default: as in the scene, or what fits the paper."),
    ] = None,
    board: Annotated[Path | None, typer.Option("--board", help="Another board than the usual one, its file.")] = None,
    response: Annotated[
        Path | None, typer.Option("--response", help="Of `rig calibrate color`, for what the printer can give.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print results as JSON on stdout.")] = False,
) -> None:
    """A run's texture or sticker as sheets to cut out at true scale, and a painted object as GLB and OBJ for 3D colour printing."""
    import json

    from rig.calibrate.board import read_board
    from rig.printing.job import Asked, print_run
    from rig.scene.response import read_response

    measured = None if response is None else read_response(response).response
    asked = Asked(artefact, paper, dpi, size_mm, None if board is None else read_board(board), measured)
    made = print_run(run, asked, out)
    print(json.dumps(made.record, ensure_ascii=False) if as_json else "\n".join(made.in_words()))
