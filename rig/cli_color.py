"""`rig calibrate color`: a chart to print, and what printer and camera make of its colours."""

from pathlib import Path
from typing import Annotated

import typer

from rig.errors import RigError


def calibrate_color_command(
    out: Annotated[Path, typer.Option("--out", help="Response to write (.toml), or with --chart-only a folder.")],
    photographs: Annotated[
        list[Path] | None, typer.Argument(help="Of the printed chart: files, folders, a video.")
    ] = None,
    chart: Annotated[Path | None, typer.Option("--chart", help="chart.toml that was made with the print.")] = None,
    chart_only: Annotated[bool, typer.Option("--chart-only", help="Make the chart to print.")] = False,
    paper: Annotated[str, typer.Option("--paper", help="a4, letter or a3; for --chart-only.")] = "a4",
    camera: Annotated[
        Path | None, typer.Option("--camera", help="Profile of `rig calibrate camera`, for a lens that distorts.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print results as JSON on stdout.")] = False,
) -> None:
    """What becomes of a colour that is printed and photographed, for a scene's [print] response = "FILE"."""
    from rig.calibrate.color import calibrate_color, write_chart
    from rig.calibrate.color_chart import read_chart
    from rig.calibrate.profile import read_profile

    if chart_only:
        if photographs or chart or camera:
            raise RigError("--chart-only makes a chart, it reads none", hint="leave out photographs, --chart, --camera")
        print("\n".join(map(str, write_chart(paper, out))))
        return
    if chart is None or not photographs:
        expected = "photographs and --chart FILE, or --chart-only"
        raise RigError("what is to be read?", where="rig calibrate color", expected=expected)
    profile = None if camera is None else read_profile(camera)
    found = calibrate_color(photographs, read_chart(chart), out, profile)
    print(found.model_dump_json(by_alias=True) if as_json else "\n".join(found.in_words()))
