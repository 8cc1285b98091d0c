"""Rerun's own viewer on a recording, listening on this machine alone."""

import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from rig.errors import RigError
from rig.interop.recording import rerun

# not `python -m rerun_cli`, which ends with 0 whatever happened
RERUN = (sys.executable, "-c", "import sys; from rerun_cli.__main__ import main; sys.exit(main())")


def show(record: Callable[[Path], dict]) -> dict:
    """Make a recording in a temporary folder and wait until its viewer is closed. Raises RigError."""
    rerun()
    with tempfile.TemporaryDirectory(prefix="rig-view-") as folder:
        file = Path(folder) / "run.rrd"
        made = record(file)
        command = [*RERUN, str(file), "--bind", "127.0.0.1", "--port", "auto"]
        ended = subprocess.run(command, capture_output=True, text=True, check=False)
    if ended.returncode:
        raise RigError(
            "Rerun's viewer did not open", got=_reason(ended.stderr), hint="write a recording instead: --save run.rrd"
        )
    return made


def _reason(said: str) -> str:
    lines = said.strip().splitlines() or ["no reason"]
    return next((line for line in lines if line.startswith("Error")), lines[-1])[:300]
