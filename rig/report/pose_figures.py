"""Figures of a viewpoint search, as plain data."""

import numpy as np

from rig.metrics.persistence import Cells
from rig.report.figures import axis, figure, hammer, rate_axis, sphere_map, with_bars
from rig.report.pixel_figures import look


def by_queries(searches: list[dict]) -> dict:
    """Share of runs with a failure by then; dotted: what independent draws of the sample's failing share would give."""
    traces = [_search(number, one) for number, one in enumerate(searches)]
    longest = max(searches, key=lambda one: one["longest"])["points"]
    expected = {
        "type": "scatter",
        "mode": "lines",
        "name": "expected of random draws",
        "x": [point["queries"] for point in longest],
        "y": [point["expected"] for point in longest],
        "line": {"color": "--muted", "width": 1.5, "dash": "dot"},
        "hovertemplate": "expected: %{y:.1%} within %{x}<extra></extra>",
    }
    horizontal = axis("queries of a run", type="log", dtick=1, exponentformat="none")
    return figure([*traces, expected], xaxis=horizontal, yaxis=rate_axis("runs with a failure found"))


def _search(number: int, one: dict) -> dict:
    style = {"mode": "lines+markers", "marker": look(number), "line": {"color": look(number)["color"], "width": 2}}
    x = [point["queries"] * 1.04**number for point in one["points"]]  # so that bars do not hide each other
    return with_bars(one["title"], x, [{"success": point} for point in one["points"]], "success", **style)


def around(failures: list[dict]) -> dict:
    """The failing share within growing radii of each failure."""
    traces = []
    for number, one in enumerate(failures):
        style = {
            "mode": "lines+markers",
            "marker": look(number),
            "line": {"color": look(number)["color"], "width": 1.5},
        }
        x = [point["radius_deg"] * 1.02**number for point in one["radii"]]
        rows = [{"fooled": point} for point in one["radii"]]
        traces.append(with_bars(f"failure {one['number']}", x, rows, "fooled", **style))
    ticks = [point["radius_deg"] for point in failures[0]["radii"]]
    labels = {"tickvals": ticks, "ticktext": [f"{tick:g}" for tick in ticks]}
    return figure(traces, xaxis=axis("radius (°)", type="log", **labels), yaxis=rate_axis("views failing"))


def failure_map(cells: Cells, table: list[dict], views: list[dict], names: dict, failures: list[dict]) -> dict:
    """The sphere's map of the unbiased sample, the failures found on top by number."""
    drawn, middle = sphere_map(cells, table, views, names), sum(cells.azimuth_deg) / 2
    turned = (np.array([one["azimuth_deg"] for one in failures]) - middle + 180) % 360 - 180
    x, y = hammer(turned, np.array([one["elevation_deg"] for one in failures]))
    numbers = {
        "type": "scatter",
        "mode": "markers+text",
        "x": np.round(x, 3).tolist(),
        "y": np.round(y, 3).tolist(),
        "text": [f"<b>{one['number']}</b>" for one in failures],
        "hoverinfo": "skip",
        "textfont": {"color": "--page", "size": 11},
        "marker": {"symbol": "circle", "color": "--ink", "size": 18, "line": {"color": "--page", "width": 1}},
        "showlegend": False,
    }
    return drawn | {"data": [*drawn["data"], numbers]}
