"""How long a report takes to open: until it can be read, and until the last unfolded figure is drawn, one after another.

    .venv/bin/python tools/bench/open_report.py runs/demo/report.html [--width 1440]

Wall time counts what else the machine does; CPU time of the page's main thread hardly does. Aim: below 3 s.
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
    print("  MB   CPU s: read   drawn   wall s: read   drawn   page")
    with tempfile.TemporaryDirectory() as profile:
        browser = Browser(Path(profile))
        for page in asked.pages:
            print(_line(browser, page, asked.width), flush=True)
        browser.close()


def _line(browser: Browser, page: Path, width: int) -> str:
    tab = browser.page("about:blank", width=width)
    tab._ask("Performance.enable", timeDomain="threadTicks")
    tab._ask("Page.navigate", url=page.resolve().as_uri())
    tab.until("location.protocol === 'file:' && document.readyState !== 'loading'")
    read_cpu_s = _cpu_s(tab)
    tab.until(DRAWN)
    drawn_cpu_s, drawn_s = _cpu_s(tab), tab.run("performance.now()") / 1000
    read_s = tab.run("performance.getEntriesByType('navigation')[0].domContentLoadedEventEnd") / 1000
    size = page.stat().st_size / 1e6
    return f"{size:4.1f} {read_cpu_s:13.2f} {drawn_cpu_s:7.2f} {read_s:14.2f} {drawn_s:7.2f}   {page}"


def _cpu_s(tab) -> float:
    return next(one["value"] for one in tab._ask("Performance.getMetrics")["metrics"] if one["name"] == "TaskDuration")


if __name__ == "__main__":
    main()
