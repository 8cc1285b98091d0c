"""What `rig report` costs: CPU-seconds, peak memory and size of the page over runs of many trials.

    .venv/bin/python tools/bench/report.py [--trials 10000 --trials 200000] [--keep FOLDER]

Each run (three objects, three models, four artefacts, parts of 25 views as `rig sweep` writes them) is made by rule and
reported by a process of its own. Aims: 20 s on 2 cores and a page below 10 MB for 10,000 trials; memory that does not
grow with trials up to 200,000. Runs of more than 20,000 trials have no thumbnails.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from report_run import write_sweep

WITH_THUMBNAILS = 20_000  # trials, at most
MB, MIB = 1e6, 2**20


@dataclass(frozen=True)
class Cost:
    cpu_s: float
    wall_s: float
    peak_mib: float
    exit_code: int


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, action="append", help="repeatable; default 10000 and 200000")
    parser.add_argument("--keep", type=Path, help="write the runs here and leave them; existing ones are used again")
    asked = parser.parse_args()
    print("  trials   parts   CPU s   wall s   peak MiB   page MB   exit code")
    with tempfile.TemporaryDirectory() as temporary:
        for n_trials in asked.trials or (10_000, 200_000):
            run = (asked.keep or Path(temporary)) / f"sweep-{n_trials}"
            if not (run / "run.json").exists():
                write_sweep(run, n_trials, thumbnails=n_trials <= WITH_THUMBNAILS)
            print(_line(n_trials, run, report(run)), flush=True)


def report(run: Path) -> Cost:
    """`rig report` in a process of its own, as the kernel accounts for it."""
    began = time.perf_counter()
    process = subprocess.Popen([sys.executable, "-m", "rig", "report", str(run)], stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    wall_s = time.perf_counter() - began
    return Cost(used.ru_utime + used.ru_stime, wall_s, used.ru_maxrss * 1024 / MIB, process.returncode)


def _line(n_trials: int, run: Path, cost: Cost) -> str:
    n_parts, page = len(list(run.glob("trials/part-*.parquet"))), run / "report.html"
    size = f"{page.stat().st_size / MB:9.1f}" if page.exists() else "     none"
    figures = f"{n_trials:8d} {n_parts:7d} {cost.cpu_s:7.1f} {cost.wall_s:8.1f} {cost.peak_mib:10.0f}"
    return f"{figures} {size} {cost.exit_code:11d}"


if __name__ == "__main__":
    main()
