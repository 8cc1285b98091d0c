"""`rig lab`: a rendered desk behind a network camera."""

import contextlib
import json
import secrets
from pathlib import Path
from typing import Annotated

import typer

from rig.errors import RigError


def lab(
    scene: Annotated[str, typer.Argument(help="A scene file, or the name of a built-in scene: its object is shown.")],
    serve: Annotated[bool, typer.Option("--serve", help="Serve on 127.0.0.1 until Ctrl-C.")] = False,
    out: Annotated[
        Path | None, typer.Option("--out", help="Or write one photograph (.png) and print its truth.")
    ] = None,
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="0: any free one.")] = 0,
    token: Annotated[str | None, typer.Option("--token", help="Of the URLs; random without.")] = None,
    board: Annotated[
        Path | None, typer.Option("--board", help="Its file; default: what `rig calibrate board` makes.")
    ] = None,
    texture: Annotated[Path | None, typer.Option("--texture", help="PNG to show as the adversarial one.")] = None,
    run: Annotated[Path | None, typer.Option("--run", help="Or a run, whose --artefact is it.")] = None,
    artefact: Annotated[str, typer.Option("--artefact", help="Of the run.")] = "adversarial",
    chart: Annotated[Path | None, typer.Option("--chart", help="Picture that is shown as a printed chart.")] = None,
    radius_m: Annotated[float, typer.Option("--radius-m", help="Of the object's bounding sphere.")] = 0.05,
    camera: Annotated[
        Path | None, typer.Option("--camera", help="TOML of the lab's camera; see rig.lab.settings.")
    ] = None,
    seed: Annotated[int, typer.Option("--seed", min=0)] = 0,
) -> None:
    """A virtual lab: an object on a board on a turntable behind a network camera, every truth known."""
    from rig.lab.open import open_desk

    if serve == (out is not None):
        raise RigError("expected either --serve or --out", where="rig lab")
    desk = open_desk(scene, board, camera, texture, run, artefact, chart, radius_m, seed)
    if out is not None:
        _photograph(desk, out)
        return
    _serve(desk, port, token)


def _photograph(desk, out: Path) -> None:
    from rig.images import encode_png
    from rig.runs import write_atomically

    photo = desk.photograph()
    content = encode_png(photo.image)
    write_atomically(out, lambda partial: partial.write_bytes(content))
    print(json.dumps(photo.truth))


def _serve(desk, port: int, token: str | None) -> None:
    from rig.lab.feed import Feed
    from rig.lab.server import listening, require_token, server_of

    token = secrets.token_urlsafe(16) if token is None else require_token(token)
    with listening(port) as sock, contextlib.suppress(KeyboardInterrupt):
        address = "http://{}:{}".format(*sock.getsockname())
        for route in ("stream.mjpg", "frame.jpg", "truth", "control"):
            print(f"{address}/{route}?token={token}", flush=True)
        server_of(Feed(desk), token).run(sockets=[sock])
