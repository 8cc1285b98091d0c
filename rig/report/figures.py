"""Plotly figures as plain dictionaries. A colour such as "--fooled" is a CSS variable; the page resolves it."""

import html

import numpy as np

from rig.metrics.persistence import Cells
from rig.report.words import angle, condition, counted

SYMBOLS = {"correct": "circle", "fooled": "triangle-up", "other_wrong": "square"}
SHADES = 10  # fooled rates are drawn in this many steps of opacity, so that a map has few traces
OUTLINE_DEG = 5  # between the points of a cell's curved outline
MAX_POINTS = 800  # of a curve over steps


def safe(text: str) -> str:
    """Plotly reads some HTML in labels; names from a run must not be read as such."""
    return html.escape(str(text), quote=False)


def figure(data: list[dict], **layout) -> dict:
    margin = {"l": 48, "r": 12, "t": 12, "b": 44}
    font = {"family": "system-ui, sans-serif", "size": 12, "color": "--muted"}
    legend = {"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom", "font": {"color": "--ink"}}
    hover = {"bgcolor": "--surface", "bordercolor": "--rule", "font": {"color": "--ink"}}
    base = {
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "margin": margin,
        "font": font,
        "legend": legend,
        "hoverlabel": hover,
        "dragmode": False,
        "hovermode": "closest",
    }
    return {"data": data, "layout": base | layout}


def axis(title: str = "", **more) -> dict:
    base = {"gridcolor": "--rule", "linecolor": "--rule", "zeroline": False, "fixedrange": True, "automargin": True}
    return base | ({"title": {"text": safe(title)}} if title else {}) | more


def rate_axis(title: str = "") -> dict:
    return axis(title, range=[-0.03, 1.03], tickformat=".0%", tickvals=[0, 0.25, 0.5, 0.75, 1])


def hammer(azimuth_deg, elevation_deg) -> tuple[np.ndarray, np.ndarray]:
    """Equal-area projection of the sphere into an ellipse, x in +-2 sqrt 2, y in +- sqrt 2 (Hammer 1892)."""
    azimuth, elevation = np.radians(azimuth_deg) / 2, np.radians(elevation_deg)
    scale = np.sqrt(2 / (1 + np.cos(elevation) * np.cos(azimuth)))
    return 2 * scale * np.cos(elevation) * np.sin(azimuth), scale * np.sin(elevation)


def sphere_map(cells: Cells, table: list[dict], views: list[dict], names: dict[str, str]) -> dict:
    """Cells shaded by fooled rate, views on top by result.

    views: azimuth_deg, elevation_deg, result, text; names: a result's words in the legend.
    """
    middle = sum(cells.azimuth_deg) / 2
    shaded = [_shade(level, group, middle) for level, group in _by_level(table).items()]
    edges = _trace(*_joined([outline(cell, middle) for cell in table]), line={"color": "--rule", "width": 1})
    chosen = _trace([], [], line={"color": "--ink", "width": 2.5}, meta="chosen")  # the page's script fills it
    points = [_points(name, label, views, middle) for name, label in names.items()]
    hidden = {"visible": False, "fixedrange": True}
    return figure(
        [*shaded, edges | {"meta": "edges"}, *points, chosen],
        xaxis=hidden | {"range": [-2.95, 2.95]},
        yaxis=hidden | {"range": [-1.5, 1.5], "scaleanchor": "x"},
        margin={"l": 4, "r": 4, "t": 4, "b": 4},
        showlegend=False,
        annotations=[_tick(degrees, middle) for degrees in (-90, 0, 90)],
    )


def _trace(x, y, **more) -> dict:
    base = {"type": "scatter", "mode": "lines", "x": x, "y": y, "hoverinfo": "skip", "showlegend": False}
    return base | more


def _by_level(table: list[dict]) -> dict[int, list[dict]]:
    levels: dict[int, list[dict]] = {}
    for cell in table:
        if cell["n"] and round(cell["rate"] * SHADES):
            levels.setdefault(round(cell["rate"] * SHADES), []).append(cell)
    return levels


def _shade(level: int, group: list[dict], middle: float) -> dict:
    x, y = _joined([outline(cell, middle) for cell in group])
    look = {"fill": "toself", "fillcolor": "--fooled", "opacity": 0.45 * level / SHADES, "line": {"width": 0}}
    return _trace(x, y, **look)


def outline(cell: dict, middle: float) -> tuple[np.ndarray, np.ndarray]:
    """A cell's edge on the map, closed, counter-clockwise; `middle` is the azimuth of the map's centre."""
    (left, right), (low, high) = cell["azimuth_deg"], cell["elevation_deg"]
    steps = 2 + int(max(right - left, high - low) / OUTLINE_DEG)
    across, up = np.linspace(left, right, steps) - middle, np.linspace(low, high, steps)
    flat = np.ones(steps)
    azimuths = np.concatenate([across, flat * across[-1], across[::-1], flat * across[0]])
    elevations = np.concatenate([flat * low, up, flat * high, up[::-1]])
    return hammer(azimuths, elevations)


def _joined(outlines: list[tuple[np.ndarray, np.ndarray]]) -> tuple[list, list]:
    """Several closed lines in one trace, a gap (None) between them."""
    x, y = [], []
    for xs, ys in outlines:
        x += [*np.round(xs, 3).tolist(), None]
        y += [*np.round(ys, 3).tolist(), None]
    return x, y


def _points(result: str, label: str, views: list[dict], middle: float) -> dict:
    mine = [view for view in views if view["result"] == result]
    turned = (np.array([view["azimuth_deg"] for view in mine]) - middle + 180) % 360 - 180
    x, y = hammer(turned, np.array([view["elevation_deg"] for view in mine]))
    return {
        "type": "scatter",
        "mode": "markers",
        "x": np.round(x, 3).tolist(),
        "y": np.round(y, 3).tolist(),
        "name": safe(label),
        "text": [safe(view["text"]) for view in mine],
        "hoverinfo": "text",
        "marker": marker(result, size=8),
    }


def marker(result: str, size: int = 9) -> dict:
    line = {"color": "--page", "width": 1}
    return {"symbol": SYMBOLS[result], "color": f"--{result.replace('_', '-')}", "size": size, "line": line}


def _tick(degrees: float, middle: float) -> dict:
    x, y = hammer(degrees, 0)
    text = angle((degrees + middle + 180) % 360 - 180)
    look = {"showarrow": False, "font": {"size": 11, "color": "--muted"}, "bgcolor": "--page", "opacity": 0.85}
    return {"x": float(x), "y": float(y), "text": text, **look}


def tradeoff(rows: list[dict], words: str) -> dict:
    """Adversariality against distance. rows: name, delta_e, control (bool), adversariality."""
    painted = sorted((row for row in rows if not row["control"]), key=lambda row: row["delta_e"])
    controls = [row for row in rows if row["control"]]
    look = {"mode": "lines+markers", "line": {"color": "--fooled", "width": 2}, "marker": marker("fooled", 11)}
    grey = {"mode": "markers", "marker": {"symbol": "diamond-open", "color": "--muted", "size": 11}}
    groups = [("painted textures", painted, look), ("controls", controls, grey)]
    traces = [with_bars(name, [r["delta_e"] for r in group], group, **style) for name, group, style in groups if group]
    return figure(
        traces,
        xaxis=axis("mean Delta-E (CIE76) over object pixels", rangemode="tozero"),
        yaxis=rate_axis(f"views {words}"),
    )


def with_bars(name: str, x: list, rows: list[dict], rate: str = "adversariality", **look) -> dict:
    figures = [row[rate] for row in rows]
    y = [one["rate"] for one in figures]
    up = [one["high"] - one["rate"] for one in figures]
    down = [one["rate"] - one["low"] for one in figures]
    color = look["marker"]["color"]
    bars = {"type": "data", "symmetric": False, "array": up, "arrayminus": down, "color": color, "thickness": 1.2}
    text = [f"{safe(row.get('name', name))}: {counted(one)}" for row, one in zip(rows, figures, strict=True)]
    common = {"type": "scatter", "x": x, "y": y, "name": safe(name), "text": text, "error_y": bars}
    return common | {"hovertemplate": "%{text}<br>%{y:.1%}<extra></extra>"} | look


def curve(condition_name: str, bins: list[dict], attacked: str | None, words: str) -> dict:
    """Clean accuracy and, where there is an attack, its adversariality against one condition."""
    series = [("clean: recognised", "clean", "accuracy", "correct")]
    series += [(f"painted: {words}", attacked, "adversariality", "fooled")] if attacked else []
    return figure(
        [_bin_trace(bins, *one) for one in series],
        xaxis=axis(condition(condition_name), nticks=6),
        yaxis=rate_axis(),
        showlegend=False,
    )


def _bin_trace(bins: list[dict], name: str, artefact: str, rate: str, result: str) -> dict:
    mine = [one for one in bins if artefact in one["artefacts"]]
    middles = [(one["low"] + one["high"]) / 2 for one in mine]
    look = {"mode": "lines+markers", "marker": marker(result), "line": {"color": f"--{result}", "width": 1.5}}
    return with_bars(name, middles, [one["artefacts"][artefact] for one in mine], rate, **look)


def over_steps(series: list[dict], rate: bool = False) -> dict:
    """Lines over optimisation steps. series: name, x, y, color, and optionally mode, opacity, width, symbol."""
    traces = [
        {
            "type": "scatter",
            "mode": one.get("mode", "lines"),
            "x": one["x"],
            "y": one["y"],
            "name": safe(one["name"]),
            "opacity": one.get("opacity", 1),
            "line": {"color": one["color"], "width": 1.8},
            "marker": {"color": one["color"], "size": one.get("size", 4), "symbol": one.get("symbol", "circle")},
        }
        for one in series
    ]
    vertical = rate_axis() if rate else axis(rangemode="tozero")
    return figure(traces, xaxis=axis("step"), yaxis=vertical, showlegend=len(series) > 1)
