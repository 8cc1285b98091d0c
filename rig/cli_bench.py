"""`rig bench`: studies over many objects, each reproducible by one command."""

from pathlib import Path
from typing import Annotated

import typer

from rig.cli_run import command_line, print_run, with_progress
from rig.errors import RigError

bench_app = typer.Typer(no_args_is_help=True, help="Studies over many objects and targets, resumable.")
# the paper keeps 90 % of held-out draws; kept shares fall a little on fresh views, so more is asked for
STUDY_DEFAULTS = {"keep_success": 0.95, "validation_views": 100, "max_delta_e": 40.0}


@bench_app.command("eot")
def bench_eot(
    scenes: Annotated[list[str], typer.Argument(help="Scene files, or names of built-in scenes.")],
    models: Annotated[
        list[str],
        typer.Option("--model", help="The attacked network, an .onnx file or a fetched name; several: at once."),
    ],
    out: Annotated[Path, typer.Option("--out", help="Folder of the study, or to go on with.")],
    transfer: Annotated[
        list[str], typer.Option("--transfer", help="Also judged by this network, which is not attacked. Repeatable.")
    ] = [],  # noqa: B006
    targets: Annotated[int, typer.Option("--targets", min=1, help="Random targets for each object.")] = 2,
    named: Annotated[
        list[str], typer.Option("--target", help="OBJECT=LABEL instead of random ones for that object. Repeatable.")
    ] = [],  # noqa: B006
    views: Annotated[int, typer.Option("--views", min=1, help="Fresh views of each item.")] = 100,
    controls: Annotated[bool, typer.Option(help="Also make and score each item's controls.")] = True,
    settings: Annotated[
        list[str], typer.Option("--set", help="Of every scene or attack: preset=eot-physical, attack.steps=400.")
    ] = [],  # noqa: B006
    seed: Annotated[int, typer.Option("--seed", min=0)] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print results as JSON on stdout.")] = False,
) -> None:
    """Objects x targets by the protocol of Athalye et al. 2018: least distance kept, unseen views, controls, transfer."""
    from rig.attack.settings import attack_settings
    from rig.campaign.eot_study import EotStudyJob, study_eot
    from rig.scene import load_config

    of_scene = tuple(setting for setting in settings if not setting.startswith("attack."))
    configs = tuple(load_config(scene, of_scene).model_dump(mode="json") for scene in scenes)
    attack = attack_settings(STUDY_DEFAULTS, [setting for setting in settings if setting.startswith("attack.")])
    job = EotStudyJob(
        configs, tuple(models), tuple(transfer), _by_object(named), targets, attack, views, controls, seed
    )
    print_run(with_progress(out, study_eot, job, out, command_line()), as_json)


def _by_object(named: list[str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for text in named:
        name, equals, label = text.partition("=")
        if not (name and equals and label):
            raise RigError("not a target", where="--target", got=text, expected="OBJECT=LABEL")
        found.setdefault(name, []).append(label)
    return found
