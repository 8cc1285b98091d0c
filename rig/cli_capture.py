"""`rig capture`: a camera, a board and an object become a session."""

import signal
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from rig.errors import RigError

EXIT_INTERRUPTED = 130
errors = Console(stderr=True, highlight=False, soft_wrap=True, markup=False)


def capture(
    camera: Annotated[str, typer.Option("--camera", help="Index, URL (MJPEG, RTSP), video file or folder of images.")],
    board: Annotated[Path, typer.Option("--board", help="Its file, from `rig calibrate board`.")],
    profile: Annotated[Path, typer.Option("--profile", help="The camera's, from `rig calibrate camera`.")],
    object_name: Annotated[str, typer.Option("--object", help="What stands on the board.")],
    out: Annotated[Path, typer.Option("--out", help="Session folder to make, or to go on with.")],
    scene: Annotated[
        str | None, typer.Option("--scene", help="The object's scene: outline, labels, digital twin.")
    ] = None,
    settings: Annotated[
        list[str], typer.Option("--set", help="Override the scene: object.radius_m=0.07. Repeatable.")
    ] = [],  # noqa: B006
    artefact: Annotated[str, typer.Option("--artefact", help="What is painted on it.")] = "clean",
    pass_name: Annotated[str | None, typer.Option("--pass", help="Name of this go round; default: ARTEFACT-1.")] = None,
    object_at: Annotated[
        str | None,
        typer.Option("--object-at", help="x,y[,z[,turn]] in mm and degrees on the board; default: its middle."),
    ] = None,
    trigger: Annotated[str, typer.Option("--trigger", help="turntable, continuous or key.")] = "turntable",
    every: Annotated[int, typer.Option("--every", min=1, help="Continuous: every n-th good frame.")] = 1,
    step_deg: Annotated[float, typer.Option("--step-deg", help="Side of a cell of the view sphere.")] = 15.0,
    models: Annotated[list[str], typer.Option("--model", help="Live prediction by an .onnx file. Repeatable.")] = [],  # noqa: B006
    target: Annotated[
        str | None, typer.Option("--target", help="Label that counts as fooled; default: any wrong.")
    ] = None,
    camera_settings: Annotated[
        list[str], typer.Option("--camera-set", help="Of a camera by index: exposure=-6. Repeatable.")
    ] = [],  # noqa: B006
    headless: Annotated[bool, typer.Option("--headless", "--no-page", help="No page: record at once.")] = False,
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="Of the page; 0: any free one.")] = 0,
    max_frames: Annotated[
        int | None, typer.Option("--max-frames", min=1, help="End when the pass has so many.")
    ] = None,
) -> None:
    """Photograph an object on its board: a session of frames, each with its pose, sharpness and exposure; kills lose none."""
    from rig.capture.open import Wanted, camera_words, opened

    if headless and trigger == "key":
        raise RigError("--trigger key needs the page", hint="leave --headless out")
    wanted = Wanted(
        camera=camera,
        board=board,
        profile=profile,
        object=object_name,
        out=out,
        scene=scene,
        scene_settings=tuple(settings),
        artefact=artefact,
        pass_name=pass_name,
        object_at=object_at,
        trigger=trigger,
        every=every,
        step_deg=step_deg,
        models=tuple(models),
        target=target,
        camera_settings=_camera_settings(camera_settings),
    )
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # told to end, it ends as by Ctrl-C
    try:
        with opened(wanted) as (station, loaded):
            for words in camera_words(station):
                errors.print(f"camera: {words}")
            if headless:
                station.start_recording()
                station.run(max_frames, give_up=True)
            else:
                from rig.capture.page.serve import serve

                serve(station, loaded, port, max_frames)
    except KeyboardInterrupt:
        errors.print("rig: interrupted; the session is whole, the same command goes on with it")
        raise typer.Exit(EXIT_INTERRUPTED) from None
    if station.feed.n_bad:
        errors.print(f"{station.feed.n_bad} frames were none; the last: {station.feed.last_bad}")
    print(f"{out}: {station.n_kept} frames in pass {station.one.name}, {len(station.covered)} cells of the view sphere")


def _camera_settings(texts: list[str]) -> dict[str, float]:
    from rig.capture.opencv import PROPERTIES

    asked = {}
    for text in texts:
        name, _, value = text.partition("=")
        try:
            asked[name] = float(value)
        except ValueError as error:
            raise RigError("not a setting", where="--camera-set", got=text, expected="name=number") from error
        if name not in PROPERTIES:
            raise RigError("unknown setting", where="--camera-set", got=name, expected=", ".join(PROPERTIES))
    return asked
