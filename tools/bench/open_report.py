"""How long a report takes to open: Chromium's main thread, from navigation until the figures in view are drawn.

    .venv/bin/python tools/bench/open_report.py runs/demo/report.html [--width 1440]

Wall time counts what else the machine does; CPU time of the page's main thread does not. Aim: below 3 s.
"""

import argparse
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "tests" / "capture"))
from browser import Browser  # noqa: E402

DRAWN = """window.Plotly && [...document.querySelectorAll("[data-figure]")]
    .every((node) => node.closest("details:not([open])") || node.classList.contains("js-plotly-plot"))"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pages", type=Path, nargs="+")
    parser.add_argument("--width", type=int, default=1440)
    asked = parser.parse_args()
    print("  MB   CPU s  of it scripts   wall s: read   drawn   page")
    with tempfile.TemporaryDirectory() as profile:
        browser = Browser(Path(profile))
        for page in asked.pages:
            print(_line(browser, page, asked.width), flush=True)
        browser.close()


def _line(browser: Browser, page: Path, width: int) -> str:
    tab = browser.page("about:blank", width=width)
    tab._ask("Performance.enable", timeDomain="threadTicks")
    tab._ask("Page.navigate", url=page.resolve().as_uri())
    tab.until("location.protocol === 'file:' && document.readyState === 'complete'")
    tab.until(DRAWN)
    now_s = tab.run("performance.now()") / 1000
    read_s = tab.run("performance.getEntriesByType('navigation')[0].domContentLoadedEventEnd") / 1000
    spent = {one["name"]: one["value"] for one in tab._ask("Performance.getMetrics")["metrics"]}
    size = page.stat().st_size / 1e6
    return (
        f"{size:4.1f} {spent['TaskDuration']:7.2f} {spent['ScriptDuration']:12.2f} {read_s:14.2f} {now_s:7.2f}   {page}"
    )


if __name__ == "__main__":
    main()
