"""Figures of a scene's pixel attack, as plain data."""

from rig.report.figures import axis, figure, rate_axis, with_bars
from rig.report.pixel_figures import look

TITLES = {
    "exposure_stops": "exposure (stops)",
    "noise_std": "noise (standard deviation)",
    "blur_px": "blur (px)",
    "jpeg_quality": "JPEG quality",
    "resolution_frac": "resolution (fraction)",
    "shift_right_px": "shift right (px)",
    "shift_down_px": "shift down (px)",
}


def title(condition: str) -> str:
    return TITLES.get(condition, condition)


def named(row: dict) -> str:
    dot = f", {row['dot_px']:g} px dot" if row["dot_px"] else ""
    return f"{row['attack']}, {row['reading']}{dot}"


def persistence(curves: list[dict]) -> dict:
    """Share of views fooled against the angle from the frame; angles are drawn evenly, they grow by doubling."""
    angles = sorted({point["angle_deg"] for curve in curves for point in curve["points"]})
    traces = [_curve(number, curve, angles) for number, curve in enumerate(curves)]
    ticks = {"tickvals": list(range(len(angles))), "ticktext": [f"{angle:g}" for angle in angles]}
    horizontal = axis("angle from the frame it was found on (°)", **ticks)
    return figure(traces, xaxis=horizontal, yaxis=rate_axis("views fooled"))


def _curve(number: int, curve: dict, angles: list[float]) -> dict:
    x = [angles.index(point["angle_deg"]) + 0.05 * number for point in curve["points"]]
    rows = [{"fooled": point} for point in curve["points"]]
    style = {"mode": "lines+markers", "marker": look(number), "line": {"color": look(number)["color"], "width": 1.5}}
    return with_bars(named(curve), x, rows, "fooled", **style)


def destruction(condition: str, rows: list[dict]) -> dict:
    """Destruction rate against a condition's strength."""
    series: dict[str, list[dict]] = {}
    for row in rows:
        series.setdefault(named(row), []).append(row)
    traces = []
    for number, (name, mine) in enumerate(series.items()):
        style = {
            "mode": "lines+markers",
            "marker": look(number),
            "line": {"color": look(number)["color"], "width": 1.5},
        }
        traces.append(with_bars(name, [row["value"] for row in mine], mine, "destroyed", **style))
    return figure(traces, xaxis=axis(title(condition)), yaxis=rate_axis("fooling destroyed"), showlegend=False)
