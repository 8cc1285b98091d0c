"""Options that several commands share."""

from pathlib import Path
from typing import Annotated

import typer

OutOption = Annotated[Path, typer.Option("--out", help="Run folder to make, or to go on with.")]
SetOption = Annotated[list[str], typer.Option("--set", help="Override a setting: views.distance_m=[2,4]. Repeatable.")]
SeedOption = Annotated[int, typer.Option("--seed", min=0)]
ViewsOption = Annotated[int, typer.Option("--views", min=1, help="Held-out views.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print results as JSON on stdout.")]
