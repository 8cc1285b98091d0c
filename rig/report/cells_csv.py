"""cells.csv: the rate of every cell of the view sphere, a row each, for spreadsheets and other programs."""

import csv
import io
from collections.abc import Sequence
from pathlib import Path

COLUMNS = {
    "object": "as in the trials",
    "model": "the network's name",
    "artefact": "what was on the object: clean, adversarial, control_...",
    "crop": "of a camera session's frames; empty for rendered runs",
    "source": "of a camera session: capture or render; empty for rendered runs",
    "azimuth_low_deg": "the cell's bounds; cells have equal areas",
    "azimuth_high_deg": "",
    "elevation_low_deg": "",
    "elevation_high_deg": "",
    "n": "views in the cell",
    "k": "of them fooled: target predicted or, untargeted, no true label",
    "rate": "k / n; where refinement placed the views, by their weights; empty without views",
    "low": "the ends of the rate's 95 % interval",
    "high": "",
    "method": "of the interval",
}
_FORMULA = ("=", "+", "-", "@", "\t", "\r")  # what a spreadsheet may take a text to be


def cells_csv(maps: Sequence[dict]) -> str:
    """A header and the COLUMNS of every cell of maps as metrics.json has them; "" without cells."""
    rows = [_row(one, cell) for one in maps for cell in one["cells"]]
    if not rows:
        return ""
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, list(COLUMNS))
    writer.writeheader()
    writer.writerows({name: _plain(value) for name, value in row.items()} for row in rows)
    return text.getvalue()


def cells_path(report: Path) -> Path:
    """cells.csv beside report.html; other pages of one folder keep theirs apart."""
    return report.with_name("cells.csv" if report.stem == "report" else f"{report.stem}-cells.csv")


def _row(one: dict, cell: dict) -> dict:
    named = {name: one.get(name, "") for name in ("object", "model", "artefact", "crop", "source")}
    bounds = {
        f"{angle}_{end}_deg": bound
        for angle in ("azimuth", "elevation")
        for end, bound in zip(("low", "high"), cell[f"{angle}_deg"], strict=True)
    }
    return named | bounds | {name: cell.get(name) for name in ("n", "k", "rate", "low", "high", "method")}


def _plain(value):
    """Numbers stay numbers; a text that a spreadsheet would run is marked as text by an apostrophe."""
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value
