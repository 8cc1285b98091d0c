"""The page in a real browser: no console message, every figure drawn."""

import pytest
from chromium import check_figures, needs_chromium, open_page
from synthetic_run import write_run

from rig.report import write_report

pytestmark = needs_chromium


def test_the_report_draws_its_figures_without_a_console_message(tmp_path):
    evil = "<img src=x onerror=\"console.error('planted')\">"
    path = write_report(write_run(tmp_path / "run", 60, objects=(evil,), target=evil + "!", label=evil + "?"))
    check_figures(path, tmp_path, least=19)  # 2 maps, 1 trade-off, 6 of steps, 10 conditions


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
