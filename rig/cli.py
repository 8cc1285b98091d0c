"""The `rig` command: parse, call one function, print. The only place that catches RigError."""

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text
from typer.core import TyperGroup

from rig.cli_audit import audit_command
from rig.cli_bench import bench_app
from rig.cli_calibrate import calibrate_app
from rig.cli_capture import capture
from rig.cli_corruptions import natural_corruptions, refuse_corruptions
from rig.cli_gate import gate_command
from rig.cli_interop import export_command, view_command
from rig.cli_lab import lab
from rig.cli_options import JsonOption, OutOption, SeedOption, SetOption, ViewsOption
from rig.cli_patch import attack_patch_command
from rig.cli_pixel import attack_pixel_command
from rig.cli_pose import attack_pose_command
from rig.cli_print import print_command
from rig.cli_report import report_command
from rig.cli_run import command_line, errors, print_run, with_progress
from rig.cli_scene import scene_check_command, scene_unwrap_command
from rig.cli_texture import attack_texture_command
from rig.errors import RigError


class InOrderOfWork(TyperGroup):
    """Commands and groups together, in the order a user meets them."""

    ORDER = (
        "demo",
        "models",
        "scene",
        "sweep",
        "attack",
        "bench",
        "calibrate",
        "lab",
        "capture",
        "print",
        "report",
        "audit",
        "gate",
        "export",
        "view",
        "resume",
    )

    def list_commands(self, ctx):
        return sorted(super().list_commands(ctx), key=self.ORDER.index)


app = typer.Typer(
    cls=InOrderOfWork,
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="Does this fooling survive the physical world? Robustness of deployed ONNX image models.",
)
models_app = typer.Typer(no_args_is_help=True, help="Deployed models: list, fetch, inspect, check.")
scene_app = typer.Typer(no_args_is_help=True, help="Scenes: list, check, preview, unwrap.")
attack_app = typer.Typer(
    no_args_is_help=True, help="Find what fools a model: a texture from most views, or a few pixels."
)

EXIT_CHECK_FAILED, EXIT_BAD_INPUT = 1, 2


def main() -> None:
    """Entry point. Bad input is one line and exit code 2."""
    try:
        app()
    except RigError as error:
        errors.print(f"rig: {error}")
        sys.exit(EXIT_BAD_INPUT)


@app.command()
def demo(
    out: OutOption = Path("runs/demo"),
    quick: Annotated[bool, typer.Option("--quick", help="A smaller honest run, under two minutes.")] = False,
    as_json: JsonOption = False,
) -> None:
    """The whole job: a turtle that a real ImageNet network calls a rifle, proven on views the attack never saw."""
    from rig.campaign import attack_texture
    from rig.campaign.demo import demo_job

    print_run(with_progress(out, attack_texture, demo_job(quick), out, command_line()), as_json)


@models_app.command("list")
def models_list() -> None:
    """Models that `rig models fetch` can make from installed packages."""
    from rig.model import names

    print("\n".join(names()))


@models_app.command("fetch")
def models_fetch(name: str) -> None:
    """Turn a package's real weights into an .onnx file with a card beside it, in the user's cache."""
    from rig.model import fetch

    print(fetch(name))


@models_app.command("inspect")
def models_inspect(model: Annotated[str, typer.Argument(help="An .onnx file, or a fetched name.")]) -> None:
    """Print a model's card; for a foreign file, guess one and say what was guessed."""
    from rig.model import resolve
    from rig.model.detect import open_model

    deployed = open_model(resolve(model))
    card = deployed.card.model_dump(mode="json")
    if card.get("labels"):
        card["labels"] = f"{len(card['labels'])}: {', '.join(label.split(',')[0] for label in card['labels'][:3])}, ..."
    print(json.dumps(card | {"file": str(deployed.path), "provider": deployed.provider}, indent=1, ensure_ascii=False))


@models_app.command("check")
def models_check(
    model: Annotated[str, typer.Argument(help="An .onnx file, or a fetched name.")], as_json: JsonOption = False
) -> None:
    """Try a model's gradients: parity, slopes and scale, determinism, cost. Exit code 1 when a check fails."""
    from rig.campaign.check import check, is_trusted

    deployed, findings = check(model)
    rows = [asdict(finding) for finding in findings]
    if as_json:
        print(json.dumps({"model": str(deployed.path), "sha256": deployed.sha256, "findings": rows}))
    else:
        _print_table(str(deployed.path), rows)
    if not is_trusted(findings):
        raise typer.Exit(EXIT_CHECK_FAILED)


@scene_app.command("list")
def scene_list() -> None:
    """Built-in scenes."""
    from rig.scene import builtin_scenes

    print("\n".join(builtin_scenes()))


scene_app.command("check")(scene_check_command)


@scene_app.command("preview")
def scene_preview(
    scene: str,
    out: Annotated[Path, typer.Option("--out", help="PNG to write.")] = Path("preview.png"),
    views: Annotated[int, typer.Option("--views", min=1, max=400)] = 32,
    size: Annotated[int, typer.Option("--size", min=16, max=2048, help="Pixels a view.")] = 224,
    settings: SetOption = [],  # noqa: B006
    seed: SeedOption = 0,
) -> None:
    """Draw random views of a scene into one picture."""
    from rig.campaign.preview import write_preview

    print(write_preview(scene, tuple(settings), out, views, size, seed))


scene_app.command("unwrap")(scene_unwrap_command)


@app.command("sweep")
def sweep_command(
    scenes: Annotated[
        list[str], typer.Argument(help="Scene files, or names of built-in scenes; or camera sessions, all of them.")
    ],
    models: Annotated[list[str], typer.Option("--model", help="An .onnx file or a fetched name. Repeatable.")],
    out: OutOption,
    artefacts: Annotated[
        list[Path], typer.Option("--artefact", help="RUN/artefacts/NAME of an attack. Repeatable.")
    ] = [],  # noqa: B006
    target: Annotated[str | None, typer.Option("--target", help="Label to count as the attack's target.")] = None,
    views: ViewsOption = 200,
    policy: Annotated[str, typer.Option("--policy", help="random or sobol.")] = "random",
    texture_px: Annotated[int, typer.Option("--texture-px", min=16, max=8192)] = 512,
    crops: Annotated[
        list[str],
        typer.Option("--crop", help="Of camera frames, besides the whole: board, or fixed=SHARE. Repeatable."),
    ] = ["board"],  # noqa: B006
    corruptions: Annotated[
        bool, typer.Option("--corruptions", help="Also in fog, snow, rain, blur, noise and JPEG, severities 1 to 5.")
    ] = False,
    corruption: Annotated[
        list[str], typer.Option("--corruption", help="Also in this one of ImageNet-C: fog, or fog-3. Repeatable.")
    ] = [],  # noqa: B006
    twins: Annotated[bool, typer.Option(help="Of camera frames: also render each from its recovered pose.")] = True,
    refine: Annotated[
        float | None, typer.Option("--refine", help="Go on where least is known, to this half-width of all intervals.")
    ] = None,
    max_views: Annotated[
        int | None, typer.Option("--max-views", help="Of each object, with --refine (default: 10 x --views).")
    ] = None,
    settings: SetOption = [],  # noqa: B006
    seed: SeedOption = 0,
    as_json: JsonOption = False,
) -> None:
    """Measure, nothing optimised: every scene and artefact from the same views by every model; or a camera's frames."""
    from rig.campaign import SessionJob, SweepJob, sweep_camera_sessions, sweep_scenes
    from rig.campaign.refine import precision, refuse_refinement
    from rig.scene import load_config

    if any((Path(scene) / "session.json").is_file() for scene in scenes):
        refuse_corruptions(corruptions, corruption)
        refuse_refinement(refine, max_views)
        sessions, given = (tuple(str(Path(one).absolute()) for one in many) for many in (scenes, artefacts))
        job = SessionJob(sessions, tuple(models), given, tuple(crops), target, twins, texture_px, seed)
        print_run(with_progress(out, sweep_camera_sessions, job, out, command_line()), as_json)
        return
    configs = tuple(load_config(scene, tuple(settings)).model_dump(mode="json") for scene in scenes)
    folders = tuple(str(folder.absolute()) for folder in artefacts)
    natural, asked = natural_corruptions(corruptions, corruption), precision(refine, max_views, views, policy)
    job = SweepJob(configs, tuple(models), folders, target, views, policy, texture_px, seed, natural, asked)
    print_run(with_progress(out, sweep_scenes, job, out, command_line()), as_json)


attack_app.command("texture")(attack_texture_command)
attack_app.command("pixel")(attack_pixel_command)
attack_app.command("pose")(attack_pose_command)
attack_app.command("patch")(attack_patch_command)
app.command("capture")(capture)


@app.command("resume")
def resume_command(run: Path, as_json: JsonOption = False) -> None:
    """Go on with an interrupted run."""
    from rig.campaign import resume

    print_run(with_progress(run, resume, run), as_json)


for sub, name in (
    (models_app, "models"),
    (scene_app, "scene"),
    (attack_app, "attack"),
    (bench_app, "bench"),
    (calibrate_app, "calibrate"),
):
    app.add_typer(sub, name=name)
app.command("lab")(lab)
app.command("print")(print_command)
app.command("report")(report_command)
app.command("audit")(audit_command)
app.command("gate")(gate_command)
app.command("export")(export_command)
app.command("view")(view_command)


def _print_table(title: str, rows: list[dict]) -> None:
    """One row a record, one column a key; words are shown as they are."""
    table = Table(*rows[0], title=Text(title), title_justify="left")
    for row in rows:
        table.add_row(*map(Text, row.values()))
    Console(highlight=False).print(table)
