"""`rig attack texture`."""

from typing import Annotated

import typer

from rig.cli_options import JsonOption, OutOption, SeedOption, SetOption, ViewsOption
from rig.cli_run import command_line, print_run, with_progress
from rig.errors import RigError


def attack_texture_command(
    scene: Annotated[str, typer.Argument(help="A scene file, or the name of a built-in scene.")],
    models: Annotated[
        list[str],
        typer.Option("--model", help="An .onnx file, or a name from `rig models list`; several are attacked at once."),
    ],
    out: OutOption,
    target: Annotated[
        str | None, typer.Option("--target", help="Label to be taken for; without it, any wrong one.")
    ] = None,
    views: ViewsOption = 200,
    steps: Annotated[int | None, typer.Option("--steps", min=1)] = None,
    delta_e: Annotated[str | None, typer.Option("--delta-e", help='Mean Delta-E budget, or "none".')] = None,
    trade_off: Annotated[
        list[str], typer.Option("--trade-off", help='A further Delta-E budget, or "none". Repeatable.')
    ] = [],  # noqa: B006
    controls: Annotated[bool, typer.Option(help="Also make and score the controls.")] = True,
    settings: SetOption = [],  # noqa: B006
    seed: SeedOption = 0,
    as_json: JsonOption = False,
) -> None:
    """Paint a texture that fools a model over a scene's views; with controls, held-out sweep and report."""
    from rig.attack.settings import attack_settings
    from rig.campaign import TextureJob, attack_texture
    from rig.scene import load_config

    of_attack = [setting for setting in settings if setting.startswith("attack.")]
    of_scene = tuple(setting for setting in settings if not setting.startswith("attack."))
    given = {"target": target, "steps": steps} | ({"max_delta_e": _budget(delta_e)} if delta_e else {})
    attack = attack_settings(
        {key: value for key, value in given.items() if value is not None or key == "max_delta_e"}, of_attack
    )
    config = load_config(scene, of_scene).model_dump(mode="json")
    job = TextureJob(config, tuple(models), attack, views, seed, tuple(map(_budget, trade_off)), controls)
    print_run(with_progress(out, attack_texture, job, out, command_line()), as_json)


def _budget(text: str) -> float | None:
    if text == "none":
        return None
    try:
        return float(text)
    except ValueError as error:
        raise RigError("not a Delta-E budget", got=text, expected='a number or "none"') from error
