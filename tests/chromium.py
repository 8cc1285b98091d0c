"""A page in a real browser."""

import re
import shutil
import subprocess

import pytest

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="no chromium on PATH (Debian: apt-get install chromium)")
FLAGS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync --disable-dev-shm-usage --enable-logging=stderr --v=0 "
    "--virtual-time-budget=5000 --window-size=1440,3000 --dump-dom"
)


def open_page(path, profile) -> tuple[str, list[str]]:
    """The document after its scripts ran, and every line the page wrote to the console."""
    command = [CHROMIUM, *FLAGS.split(), f"--user-data-dir={profile}", path.as_uri()]
    found = subprocess.run(command, capture_output=True, text=True, timeout=90, check=True)
    return found.stdout, [line for line in found.stderr.splitlines() if "CONSOLE" in line]


def check_figures(report, folder, least: int) -> None:
    """The report opened with its details unfolded: a console without messages, `least` figures or more, all drawn."""
    path = folder / "unfolded.html"  # a figure in a closed detail is not drawn yet
    path.write_text(report.read_text(encoding="utf-8").replace("<details", "<details open"), encoding="utf-8")
    document, console = open_page(path, folder / "profile")
    assert console == []
    wanted = len(re.findall(r"data-figure=", document))
    assert wanted >= least
    assert len(re.findall(r'class="plot[^"]*js-plotly-plot', document)) == wanted
