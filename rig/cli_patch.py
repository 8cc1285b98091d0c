"""`rig attack patch`: a sticker on one object, or the same one on several."""

from pathlib import Path
from typing import Annotated

import typer

from rig.errors import RigError


def attack_patch_command(
    scenes: Annotated[
        list[str],
        typer.Argument(help="A scene file or built-in scene; several wear the same patch."),
    ],
    models: Annotated[
        list[str],
        typer.Option("--model", help="An .onnx file, or a name from `rig models list`; several are attacked at once."),
    ],
    out: Annotated[Path, typer.Option("--out", help="Run folder to make, or to go on with.")],
    size_mm: Annotated[str, typer.Option("--size-mm", help="Width x height of the sticker: 300x200.")],
    target: Annotated[
        str | None, typer.Option("--target", help="Label to be taken for; without it, any wrong one.")
    ] = None,
    at: Annotated[
        str, typer.Option("--at", help="AZ,EL in degrees: where a ray from there to the object's centre meets it.")
    ] = "0,45",
    roll_deg: Annotated[float, typer.Option("--roll", help="Turn the sticker, counter-clockwise from outside.")] = 0.0,
    shape: Annotated[
        str, typer.Option("--shape", help="rectangle, ellipse, or a black and white image; white is sticker.")
    ] = "rectangle",
    curved: Annotated[bool, typer.Option("--curved/--planar", help="Wrapped around the surface, or projected.")] = True,
    object_mm: Annotated[
        float | None, typer.Option("--object-mm", help="The object's longest side; default: as the scene says.")
    ] = None,
    patch_px: Annotated[
        int | None, typer.Option("--patch-px", min=1, help="Of its longer side; default: as fine as the texture.")
    ] = None,
    target_picture: Annotated[
        Path | None, typer.Option("--target-picture", help="A photograph of the target class, for the control.")
    ] = None,
    views: Annotated[int, typer.Option("--views", min=1, help="Held-out views.")] = 200,
    steps: Annotated[int | None, typer.Option("--steps", min=1)] = None,
    controls: Annotated[bool, typer.Option(help="Also make and score the controls.")] = True,
    settings: Annotated[
        list[str], typer.Option("--set", help="Override a setting: views.elevation_deg=[20,70]. Repeatable.")
    ] = [],  # noqa: B006 - typer reads the default
    seed: Annotated[int, typer.Option("--seed", min=0)] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print results as JSON on stdout.")] = False,
) -> None:
    """A printed patch on an object that fools a model from most views; with controls, held-out sweep and report."""
    from rig.campaign.patch import attack_patch
    from rig.campaign.patch_job import PatchJob, patch_settings
    from rig.cli_run import command_line, print_run, with_progress
    from rig.images import read_image
    from rig.scene import load_config
    from rig.scene.sticker import StickerSettings
    from rig.settings import validated

    of_attack = [setting for setting in settings if setting.startswith("attack.")]
    of_scene = tuple(setting for setting in settings if not setting.startswith("attack."))
    given = {name: value for name, value in {"target": target, "steps": steps}.items() if value is not None}
    asked = {
        "size_mm": _pair(size_mm, "x", "--size-mm", "300x200"),
        "at_deg": _pair(at, ",", "--at", "0,45"),
        "shape": shape if shape in ("rectangle", "ellipse") else str(Path(shape).absolute()),
        "roll_deg": roll_deg,
        "lies": "curved" if curved else "planar",
        "object_mm": object_mm,
        "patch_px": patch_px,
    }
    if target_picture is not None:
        read_image(target_picture)  # before hours of work, not after
    job = PatchJob(
        scenes=tuple(load_config(scene, of_scene).model_dump(mode="json") for scene in scenes),
        models=tuple(models),
        sticker=validated(StickerSettings, asked, "the patch"),
        attack=patch_settings(given, of_attack),
        views=views,
        seed=seed,
        controls=controls,
        target_picture=None if target_picture is None else str(target_picture.absolute()),
    )
    print_run(with_progress(out, attack_patch, job, out, command_line()), as_json)


def _pair(text: str, between: str, where: str, example: str) -> tuple[float, float]:
    try:
        first, second = (float(part) for part in text.lower().split(between))
    except ValueError as error:
        raise RigError("not two numbers", where=where, got=text, expected=f"such as {example}") from error
    return first, second
