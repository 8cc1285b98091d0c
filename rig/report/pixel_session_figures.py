"""Figures of a session's pixel attack, as plain data."""

from rig.report.figures import axis, figure, marker, rate_axis, safe, with_bars
from rig.report.pixel_figures import look
from rig.report.pixel_scene_figures import named

LOST = "lost"  # the frame is called wrong without the change, too
RESULTS = {
    "fooled": "fooled",
    "correct": "recognised",
    "other_wrong": "called something else",
    LOST: "wrong unchanged, too",
}


def over_angle(curves: list[dict]) -> dict:
    """Share of frames fooled against the angle from the frame that the change was found on."""
    horizontal = axis("angle from the frame it was found on (°)", rangemode="tozero")
    return figure(_lines(curves, "angle_deg"), xaxis=horizontal, yaxis=rate_axis("frames fooled"))


def over_time(curves: list[dict]) -> dict:
    """The same against the time, before the frame and after it."""
    horizontal = axis("seconds after the frame it was found on")
    return figure(_lines(curves, "offset_s"), xaxis=horizontal, yaxis=rate_axis("frames fooled"))


def _lines(curves: list[dict], x: str) -> list[dict]:
    traces = []
    for number, curve in enumerate(curves):
        line = {"color": look(number)["color"], "width": 1.5}
        style = {"mode": "lines+markers", "marker": look(number), "line": line}
        rows = [{"fooled": point} for point in curve["points"]]
        traces.append(with_bars(named(curve), [point[x] for point in curve["points"]], rows, "fooled", **style))
    return traces


def strips(items: list[tuple[str, list[dict]]]) -> dict:
    """Every frame that a change was carried to, a line an item; rows: offset_s, result, text. The frame itself is ringed."""
    traces = [_points(items, result, words) for result, words in RESULTS.items()]
    ring = {"symbol": "circle-open", "color": "--ink", "size": 15, "line": {"color": "--ink", "width": 1.5}}
    home = [line for line, (_, rows) in enumerate(items) if any(row["offset_s"] == 0 for row in rows)]
    traces.append(_trace("found here", [0.0] * len(home), home, ring) | {"hoverinfo": "skip"})
    ticks = {"tickvals": list(range(len(items))), "ticktext": [safe(name) for name, _ in items]}
    vertical = axis("", range=[len(items) - 0.5, -0.5], **ticks)
    return figure(traces, xaxis=axis("seconds after the frame it was found on"), yaxis=vertical)


def _points(items: list[tuple[str, list[dict]]], result: str, words: str) -> dict:
    mine = [(row, line) for line, (_, rows) in enumerate(items) for row in rows if row["result"] == result]
    x, y = [round(row["offset_s"], 2) for row, _ in mine], [line for _, line in mine]
    text = [safe(row["text"]) for row, _ in mine]
    grey = {"symbol": "x-thin", "color": "--muted", "size": 6, "line": {"color": "--muted", "width": 1}}
    look = grey if result == LOST else marker(result, 8)
    return _trace(words, x, y, look) | {"text": text, "hoverinfo": "text"}


def _trace(name: str, x: list, y: list, look: dict) -> dict:
    return {"type": "scatter", "mode": "markers", "name": safe(name), "x": x, "y": y, "marker": look}
