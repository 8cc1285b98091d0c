"""Figures of a comparison: differences with their intervals, and where on the view sphere they lie."""

from rig.metrics.persistence import Cells
from rig.report import figures
from rig.report.compare_words import better, points, points_interval
from rig.report.figures import _joined, _points, _tick, _trace, axis, figure, outline, safe
from rig.report.words import angle

COLORS = {"better": "--correct", "worse": "--fooled", "": "--muted"}
SYMBOLS = {"better": "circle", "worse": "triangle-up", "": "line-ns-open"}
RESULTS = {"better": "correct", "worse": "fooled"}  # the outcome whose colour and symbol a changed view has
STEPS = 8  # of opacity
MAX_LETTERS = 13


def differences(rows: list[dict]) -> dict:
    """One line a row, the first on top. rows: those of compare.json with `name`."""
    groups = {verdict: [(i, row) for i, row in enumerate(rows) if better(row) == verdict] for verdict in COLORS}
    zero = {"type": "line", "x0": 0, "x1": 0, "yref": "paper", "y0": 0, "y1": 1, "line": {"color": "--ink", "width": 1}}
    ticks = {"tickvals": list(range(len(rows))), "ticktext": [_short(row) for row in rows]}
    reach = max((max(abs(row["low"]), abs(row["high"])) for row in rows), default=1.0)
    return figure(
        [_differences(verdict, group) for verdict, group in groups.items() if group],
        xaxis=axis("percentage points", range=[-105 * reach, 105 * reach], ticksuffix=""),
        yaxis=axis(range=[len(rows) - 0.4, -0.6], tickfont={"size": 11}, **ticks),
        showlegend=False,
        shapes=[zero],
        height=60 + 34 * len(rows),
    )


def _short(row: dict) -> str:
    """Few letters, so that a narrow screen leaves room for the figure; the whole name is in the hover and the table."""
    place = "" if row["object"] is None else f"{_cut(row['object'])} "
    return safe(f"{place}{_cut(row['artefact'])}: {_cut(row['rate_name'])}")


def _cut(text: str) -> str:
    return text if len(text) <= MAX_LETTERS else f"{text[: MAX_LETTERS - 1]}…"


def _differences(verdict: str, group: list[tuple[int, dict]]) -> dict:
    rows = [row for _, row in group]
    bars = {
        "type": "data",
        "symmetric": False,
        "array": [100 * (row["high"] - row["difference"]) for row in rows],
        "arrayminus": [100 * (row["difference"] - row["low"]) for row in rows],
        "color": COLORS[verdict],
        "thickness": 1.5,
    }
    return {
        "type": "scatter",
        "mode": "markers",
        "x": [100 * row["difference"] for row in rows],
        "y": [place for place, _ in group],
        "error_x": bars,
        "text": [f"{safe(row['name'])}: {points(row['difference'])} ({points_interval(row)})" for row in rows],
        "hoverinfo": "text",
        "marker": {"color": COLORS[verdict], "symbol": SYMBOLS[verdict], "size": 10, "line": {"width": 2}},
    }


def difference_map(one: dict, views: list[dict]) -> dict:
    """Cells tinted by their difference, blue better and orange worse; framed where it is established.

    one: a map of compare.json. views: azimuth_deg, elevation_deg, result (of RESULTS), text.
    """
    cells = Cells(one["bands"], one["columns"], **one["region"])
    middle = sum(cells.azimuth_deg) / 2
    shaded = [_shade(color, level, group, middle) for (color, level), group in _by_level(one).items()]
    edges = _trace(*_joined([outline(cell, middle) for cell in one["cells"]]), line={"color": "--rule", "width": 1})
    sure = [outline(cell, middle) for cell in one["cells"] if cell["verdict"]]
    frames = [_trace(*_joined(sure), line={"color": "--ink", "width": 2.5})] if sure else []
    dots = [_points(result, verdict, views, middle) for verdict, result in RESULTS.items()]
    hidden = {"visible": False, "fixedrange": True}
    return figure(
        [*shaded, edges, *frames, *dots, _labels(one, middle)],
        xaxis=hidden | {"range": [-2.95, 2.95]},
        yaxis=hidden | {"range": [-1.5, 1.5], "scaleanchor": "x"},
        margin={"l": 4, "r": 4, "t": 4, "b": 4},
        showlegend=False,
        annotations=[_tick(degrees, middle) for degrees in (-90, 0, 90)],
    )


def _by_level(one: dict) -> dict[tuple[str, int], list[dict]]:
    levels: dict[tuple[str, int], list[dict]] = {}
    for cell in one["cells"]:
        level = round(abs(cell["difference"] or 0) * STEPS)
        if level:
            rose = (cell["difference"] > 0) == (one["rate"] == "accuracy")
            levels.setdefault(("--correct" if rose else "--fooled", level), []).append(cell)
    return levels


def _shade(color: str, level: int, group: list[dict], middle: float) -> dict:
    look = {"fill": "toself", "fillcolor": color, "opacity": 0.1 + 0.5 * level / STEPS, "line": {"width": 0}}
    return _trace(*_joined([outline(cell, middle) for cell in group]), **look)


def _labels(one: dict, middle: float) -> dict:
    """The difference of each cell as a number in it."""
    places = [_centre(cell, middle) for cell in one["cells"]]
    return {
        "type": "scatter",
        "mode": "text",
        "textposition": "top center",
        "x": [float(x) for x, _ in places],
        "y": [float(y) for _, y in places],
        "text": [points(cell["difference"]) for cell in one["cells"]],
        "textfont": {"size": 12, "color": "--ink"},
        "hoverinfo": "skip",
        "showlegend": False,
    }


def _centre(cell: dict, middle: float):
    return figures.hammer(sum(cell["azimuth_deg"]) / 2 - middle, sum(cell["elevation_deg"]) / 2)


def place_of(row: dict) -> str:
    return f"azimuth {angle(row['azimuth_deg'])}, elevation {angle(row['elevation_deg'])}"
