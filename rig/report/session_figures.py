"""Figures of a session sweep, as plain data."""

from rig.report.figures import SYMBOLS, axis, figure, marker, rate_axis, safe, with_bars
from rig.report.pixel_figures import look
from rig.report.words import angle


def by_azimuth(rows: list[dict], words: str) -> dict:
    """Share fooled in sectors of azimuth, captured beside rendered."""
    middles = [sum(row["azimuth_deg"]) / 2 for row in rows]
    traces = []
    for number, name in enumerate(("captured", "rendered")):
        kept = [(x, row) for x, row in zip(middles, rows, strict=True) if row["n"]]
        style = {
            "mode": "lines+markers",
            "marker": look(number),
            "line": {"color": look(number)["color"], "width": 1.5},
        }
        x, mine = [x + 2 * number for x, _ in kept], [row for _, row in kept]
        traces.append(with_bars(name, x, mine, name, **style))
    ticks = {"tickvals": [-180, -90, 0, 90, 180], "ticktext": [angle(tick) for tick in (-180, -90, 0, 90, 180)]}
    return figure(traces, xaxis=axis("azimuth", range=[-185, 185], **ticks), yaxis=rate_axis(words))


def over_time(passes: list[tuple[str, list[dict]]], names: dict[str, str]) -> dict:
    """Every frame of every pass by its result; rows: time_s since the pass began, result, text."""
    lines = [name for name, _ in passes]
    traces = []
    for result, label in names.items():
        points = [(row, line) for line, (_, rows) in enumerate(passes) for row in rows if row["result"] == result]
        traces.append(
            {
                "type": "scatter",
                "mode": "markers",
                "x": [round(row["time_s"], 2) for row, _ in points],
                "y": [line for _, line in points],
                "text": [safe(row["text"]) for row, _ in points],
                "hoverinfo": "text",
                "name": safe(label),
                "marker": marker(result, 8) | {"symbol": SYMBOLS[result]},
            }
        )
    ticks = {"tickvals": list(range(len(lines))), "ticktext": [safe(name) for name in lines]}
    vertical = axis("", range=[len(lines) - 0.5, -0.5], **ticks)
    return figure(traces, xaxis=axis("seconds since the pass began"), yaxis=vertical)
