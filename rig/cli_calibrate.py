"""`rig calibrate`: boards and charts to print, and what photographs of them tell of a camera and a printer."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from rig.errors import RigError

calibrate_app = typer.Typer(no_args_is_help=True, help="Boards to print, and what a camera's photographs of one tell.")


@calibrate_app.command("board")
def calibrate_board(
    out: Annotated[Path, typer.Option("--out", help="Files to make: OUT.pdf, OUT.png, OUT.toml.")],
    squares: Annotated[str, typer.Option("--squares", help="Columns x rows.")] = "8x11",
    square_mm: Annotated[float, typer.Option("--square-mm", help="Side of a square.")] = 25.0,
    marker_mm: Annotated[float, typer.Option("--marker-mm", help="Side of a marker.")] = 18.0,
    dictionary: Annotated[str, typer.Option("--dictionary", help="Of the ArUco markers: 5X5_100.")] = "5X5_100",
    legacy: Annotated[bool, typer.Option("--legacy", help="The layout of OpenCV before 4.6.")] = False,
    paper: Annotated[str, typer.Option("--paper", help="a4 or letter.")] = "a4",
) -> None:
    """Make a ChArUco board to print at true scale, with a ruler to check it by, and the file that describes it."""
    from rig.calibrate.board import make_board, parse_grid
    from rig.calibrate.sheet import write_board

    board = make_board(
        "rig calibrate board",
        squares=parse_grid(squares, "--squares"),
        square_mm=square_mm,
        marker_mm=marker_mm,
        dictionary=dictionary,
        legacy=legacy,
    )
    print("\n".join(map(str, write_board(board, paper, out))))


@calibrate_app.command("camera")
def calibrate_camera_command(
    out: Annotated[Path, typer.Option("--out", help="Camera profile to write (.toml), with a picture beside it.")],
    photographs: Annotated[
        list[Path] | None, typer.Argument(help="Image files, folders of them, or a video; or --live.")
    ] = None,
    live: Annotated[
        str | None, typer.Option("--live", help="Photograph the board with this camera: index or URL.")
    ] = None,
    views: Annotated[int, typer.Option("--views", min=6, help="Live: end with so many.")] = 25,
    board: Annotated[Path | None, typer.Option("--board", help="Its file, from `rig calibrate board`.")] = None,
    chessboard: Annotated[str | None, typer.Option("--chessboard", help="Inner corners of a plain one: 9x6.")] = None,
    square_mm: Annotated[float | None, typer.Option("--square-mm", help="Of the chessboard.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print results as JSON on stdout.")] = False,
) -> None:
    """A camera's intrinsics and distortion from photographs of a board, and how sure they are."""
    from rig.calibrate.board import chosen_board
    from rig.calibrate.camera import calibrate_camera

    chosen = chosen_board(board, chessboard, square_mm)
    if (live is None) == (not photographs):
        raise RigError("which photographs?", expected="either files or --live CAMERA")
    if live is not None:
        from rig.capture.calibrating import photograph_board

        photographs = [photograph_board(live, chosen, Path(f"{out.with_suffix('')}-photographs"), views, _tell)]
    profile = calibrate_camera(photographs, chosen, out)
    if as_json:
        print(profile.model_dump_json(by_alias=True))
        return
    print("\n".join(profile.in_words()))


@calibrate_app.command("color")
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


def _tell(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
