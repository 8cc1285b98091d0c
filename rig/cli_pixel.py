"""`rig attack pixel`: on images, on a scene's frames and on a camera's."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from rig.cli_options import JsonOption, OutOption, SeedOption
from rig.cli_run import command_line, print_run, with_progress
from rig.errors import RigError

CROP = "board"


def attack_pixel_command(
    images: Annotated[
        Path,
        typer.Argument(
            help="8-bit RGB images of the model's size: a folder with a subfolder for each class, or with labels.csv "
            "(file,label); or an .npz with images (N, H, W, 3) uint8 and labels (N,). Or a scene or a camera session, "
            "whose frames are attacked, and the pixels carried to other views and conditions."
        ),
    ],
    models: Annotated[list[str], typer.Option("--model", help="An .onnx file or a fetched name. Repeatable.")],
    out: OutOption,
    pixels: Annotated[str, typer.Option("--pixels", help="How many may change, from few to more: 1,3,5.")] = "1",
    searches: Annotated[
        list[str],
        typer.Option(
            "--search", help="su2019, rig, random, white-box or exhaustive. Repeatable; the first is the main one."
        ),
    ] = ["rig"],  # noqa: B006
    target: Annotated[
        str | None, typer.Option("--target", help="Label to be taken for; without, any wrong one.")
    ] = None,
    any_target: Annotated[
        bool, typer.Option("--any-target", help="Try every wrong label as the target, one after the other.")
    ] = False,
    max_queries: Annotated[
        int | None, typer.Option("--max-queries", min=1, help="For each image, search and number of pixels.")
    ] = None,
    limit: Annotated[
        int | None,
        typer.Option("--limit", min=1, help="Attack N images, drawn by --seed from those every model gets right."),
    ] = None,
    skip_bad: Annotated[bool, typer.Option("--skip-bad", help="Leave corrupt files out, and list them.")] = False,
    resize: Annotated[bool, typer.Option("--resize", help="Bring images to the (first) model's size before.")] = False,
    crop: Annotated[
        str | None, typer.Option("--crop", help="Of a session's frames: board (default), full, or fixed=SHARE.")
    ] = None,
    threads: Annotated[int | None, typer.Option("--threads", min=1, help="ONNX Runtime's; default: its own.")] = None,
    settings: Annotated[
        list[str], typer.Option("--set", help="Of every search: search.max_seconds=60. Repeatable.")
    ] = [],  # noqa: B006
    seed: SeedOption = 0,
    as_json: JsonOption = False,
) -> None:
    """Change a few pixels of each image until it is called something else; with baselines, transfer and report."""
    from rig.attack.pixel.settings import search_settings
    from rig.campaign import PixelJob, attack_pixels, attack_scene_pixels, attack_session_pixels
    from rig.campaign.pixel_scene_settings import is_scene
    from rig.campaign.pixel_session_job import is_session

    if target is not None and any_target:
        raise RigError("--target and --any-target exclude each other")
    if (is_scene(images) or is_session(images)) and (any_target or skip_bad or resize):
        raise RigError("--any-target, --skip-bad and --resize are for images", got=images)
    if crop is not None and not is_session(images):
        raise RigError("--crop is for camera sessions", got=images)
    asked = (images, models, _ascending(pixels), searches, target, max_queries, limit)
    if is_session(images):
        session_job = _session_job(*asked, crop, threads, settings, seed)
        print_run(with_progress(out, attack_session_pixels, session_job, out, command_line()), as_json)
        return
    if is_scene(images):
        scene_job = _scene_job(*asked, threads, settings, seed)
        print_run(with_progress(out, attack_scene_pixels, scene_job, out, command_line()), as_json)
        return
    given = {} if max_queries is None else {"max_queries": max_queries}
    job = PixelJob(
        str(images.absolute()),
        tuple(models),
        _ascending(pixels),
        {name: search_settings(name, given, settings) for name in searches},
        target,
        any_target,
        limit,
        skip_bad,
        resize,
        threads,
        seed,
    )
    print_run(with_progress(out, attack_pixels, job, out, command_line()), as_json)


def _ascending(text: str) -> tuple[int, ...]:
    """1,3,5 as numbers, fewest first."""
    try:
        return tuple(sorted({int(part) for part in text.split(",")}))
    except ValueError as error:
        raise RigError("not numbers of pixels", where="--pixels", got=text, expected="such as 1,3,5") from error


def _scene_job(
    scene: Path, models: Sequence[str], pixels: Sequence[int], searches: Sequence[str], target: str | None,
    max_queries: int | None, limit: int | None, threads: int | None, settings: Sequence[str], seed: int,
):  # fmt: skip
    """Settings of the search and of what follows by their prefix; all others are the scene's."""
    from rig.attack.pixel.settings import search_settings
    from rig.campaign import PixelSceneJob
    from rig.campaign.pixel_scene_settings import ITEMS, MAX_QUERIES, only, persistence_settings
    from rig.scene import load_config

    by_prefix = {prefix: [one for one in settings if one.startswith(prefix)] for prefix in ("search.", "persistence.")}
    of_scene = tuple(one for one in settings if not one.startswith(tuple(by_prefix)))
    return PixelSceneJob(
        scene=load_config(scene, of_scene).model_dump(mode="json"),
        model=only(models, "--model"),
        n_pixels=only(pixels, "--pixels"),
        search=search_settings(
            only(searches, "--search"), {"max_queries": max_queries or MAX_QUERIES}, by_prefix["search."]
        ),
        target=target,
        items=limit or ITEMS,
        persistence=persistence_settings(by_prefix["persistence."]),
        threads=threads,
        seed=seed,
    )


def _session_job(
    session: Path, models: Sequence[str], pixels: Sequence[int], searches: Sequence[str], target: str | None,
    max_queries: int | None, limit: int | None, crop: str | None, threads: int | None, settings: Sequence[str], seed: int,
):  # fmt: skip
    """Settings by their prefix: search. and persistence. are known; the scene is the session's own."""
    from rig.attack.pixel.settings import search_settings
    from rig.campaign import PixelSessionJob
    from rig.campaign.pixel_scene_settings import ITEMS, MAX_QUERIES, only, persistence_settings
    from rig.campaign.pixel_session_job import DotSettings

    by_prefix = {prefix: [one for one in settings if one.startswith(prefix)] for prefix in ("search.", "persistence.")}
    strange = [one for one in settings if not one.startswith(tuple(by_prefix))]
    if strange:
        expected = "search.key=value or persistence.dots_px=[1,3]; the scene is the one that was captured"
        raise RigError("not a setting of a session's pixel attack", where="--set", got=strange[0], expected=expected)
    return PixelSessionJob(
        session=str(session.absolute()),
        model=only(models, "--model", "session"),
        n_pixels=only(pixels, "--pixels", "session"),
        search=search_settings(
            only(searches, "--search", "session"), {"max_queries": max_queries or MAX_QUERIES}, by_prefix["search."]
        ),
        target=target,
        items=limit or ITEMS,
        crop=crop or CROP,
        persistence=persistence_settings(by_prefix["persistence."], DotSettings),
        threads=threads,
        seed=seed,
    )
