"""Figures of a pixel attack's page, as plain data."""

from rig.report.figures import axis, figure, rate_axis, safe, with_bars

COLORS = ("--fooled", "--correct", "--other-wrong", "--muted", "--ink")
SYMBOLS = ("triangle-up", "circle", "square", "diamond-open", "x")
SPREAD = 0.06  # of K between neighbouring searches, so that bars do not hide each other


def look(number: int) -> dict:
    """The colour and symbol of the n-th search."""
    line = {"color": "--page", "width": 1}
    return {"symbol": SYMBOLS[number % len(SYMBOLS)], "color": COLORS[number % len(COLORS)], "size": 10, "line": line}


def by_pixels(series: dict[str, list[dict]]) -> dict:
    """Success against K; series: a search's steps."""
    traces = []
    for number, (name, steps) in enumerate(series.items()):
        x = [step["pixels"] + SPREAD * (number - (len(series) - 1) / 2) for step in steps]
        style = {
            "mode": "lines+markers",
            "marker": look(number),
            "line": {"color": look(number)["color"], "width": 1.5},
        }
        traces.append(with_bars(name, x, steps, "success", **style))
    ticks = sorted({step["pixels"] for steps in series.values() for step in steps})
    return figure(traces, xaxis=axis("pixels that may change", tickvals=ticks), yaxis=rate_axis("images fooled"))


def by_queries(series: dict[str, list[dict]]) -> dict:
    """Success within so many queries; series: a search's curve."""
    traces = [
        {
            "type": "scatter",
            "mode": "lines",
            "name": safe(name),
            "x": [point["queries"] for point in points],
            "y": [point["rate"] for point in points],
            "text": [f"{safe(name)}: {point['k']} of {point['n']} within {point['queries']:,}" for point in points],
            "hovertemplate": "%{text}<extra></extra>",
            "line": {
                "color": look(number)["color"],
                "width": 2,
                "shape": "hv",
                "dash": "solid" if not number else "dot",
            },
        }
        for number, (name, points) in enumerate(series.items())
    ]
    return figure(
        traces,
        xaxis=axis("queries an image", type="log", dtick=1, exponentformat="none"),
        yaxis=rate_axis("images fooled"),
    )


def confidence(rows: list[dict]) -> dict:
    """The right answer's probability before against the first answer's after. rows: before, after, fooled, text."""
    traces = []
    for fooled, name, number in ((True, "fooled: of the wrong answer", 0), (False, "not fooled: of the right one", 1)):
        mine = [row for row in rows if row["fooled"] is fooled]
        traces.append(
            {
                "type": "scatter",
                "mode": "markers",
                "name": name,
                "x": [row["before"] for row in mine],
                "y": [row["after"] for row in mine],
                "text": [safe(row["text"]) for row in mine],
                "hoverinfo": "text",
                "marker": look(number) | {"size": 8},
            }
        )
    horizontal = rate_axis("probability of the right answer before")
    return figure(traces, xaxis=horizontal, yaxis=rate_axis("of the first answer after"))
