"""`rig attack pose`: what was asked, as a job."""

from pathlib import Path
from typing import Annotated

import typer


def attack_pose_command(
    scene: Annotated[str, typer.Argument(help="A scene file, or the name of a built-in scene.")],
    model: Annotated[str, typer.Option("--model", help="An .onnx file, or a name from `rig models list`.")],
    out: Annotated[Path, typer.Option("--out", help="Run folder to make, or to go on with.")],
    target: Annotated[
        str | None, typer.Option("--target", help="Label to be taken for; without it, any wrong one.")
    ] = None,
    search: Annotated[
        str, typer.Option("--search", help="cmaes, bayes or random; random draws always run beside it.")
    ] = "cmaes",
    over: Annotated[
        str,
        typer.Option(
            "--over", help="Dimensions to search, such as azimuth_deg,elevation_deg; or all. Default: pose and light."
        ),
    ] = "",
    max_queries: Annotated[
        int, typer.Option("--max-queries", min=1, help="Of each search, all its runs together.")
    ] = 1000,
    runs: Annotated[int, typer.Option("--runs", min=1, help="Independent runs that share the queries.")] = 10,
    views: Annotated[int, typer.Option("--views", min=1, help="Fresh views for the failing share.")] = 200,
    regions: Annotated[int, typer.Option("--regions", min=0, help="Distinct failures to measure, the deepest.")] = 6,
    around: Annotated[int, typer.Option("--around", min=1, help="Fresh views at each radius about a failure.")] = 24,
    threads: Annotated[int | None, typer.Option("--threads", min=1, help="ONNX Runtime's; default: its own.")] = None,
    settings: Annotated[
        list[str], typer.Option("--set", help="Override a setting: views.distance_m=[2,4]. Repeatable.")
    ] = [],  # noqa: B006
    seed: Annotated[int, typer.Option("--seed", min=0)] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print results as JSON on stdout.")] = False,
) -> None:
    """Change nothing: find the views and lights that fool a model, and measure how large the failing regions are."""
    from rig.campaign.pose import attack_pose
    from rig.campaign.pose_job import PoseJob
    from rig.cli_run import command_line, print_run, with_progress
    from rig.scene import load_config

    job = PoseJob(
        scene=load_config(scene, tuple(settings)).model_dump(mode="json"),
        model=model,
        target=target,
        search=search,
        over=tuple(name.strip() for name in over.split(",") if name.strip()),
        max_queries=max_queries,
        runs=runs,
        views=views,
        regions=regions,
        around=around,
        threads=threads,
        seed=seed,
    )
    print_run(with_progress(out, attack_pose, job, out, command_line()), as_json)
