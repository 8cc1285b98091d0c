"""The page in a real browser: no console message, every figure drawn."""

import re
import shutil
import subprocess

import pytest
from synthetic_run import write_run

from rig.report import write_report

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no chromium on PATH (Debian: apt-get install chromium)")
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


def test_the_report_draws_its_figures_without_a_console_message(tmp_path):
    evil = "<img src=x onerror=\"console.error('planted')\">"
    path = write_report(write_run(tmp_path / "run", 60, objects=(evil,), target=evil + "!", label=evil + "?"))
    path.write_text(path.read_text().replace("<details", "<details open"))  # a figure in a closed one is not drawn yet
    document, console = open_page(path, tmp_path / "profile")
    assert console == []
    wanted = len(re.findall(r"data-figure=", document))
    assert wanted >= 19  # 2 maps, 1 trade-off, 6 of steps, 10 conditions
    assert len(re.findall(r'class="plot[^"]*js-plotly-plot', document)) == wanted


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("<script>missing_function()</script>", "missing_function is not defined"),
        ('<img src="https://example.invalid/x.png">', "Content Security Policy"),
    ],
)
def test_the_browser_check_notices_a_fault(tmp_path, fault, said):
    """A script error on an ordinary page, and a fetch on a page under the report's own policy."""
    head = "<meta http-equiv='Content-Security-Policy' content=\"default-src 'none'; script-src 'unsafe-inline'\">"
    path = tmp_path / "page.html"
    path.write_text(f"<!doctype html><html><head>{head}</head><body>{fault}</body></html>")
    console = open_page(path, tmp_path / "profile")[1]
    assert any(said in line for line in console)
