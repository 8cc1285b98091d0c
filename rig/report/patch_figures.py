"""Figures of a patch run, as plain data."""

from rig.report.figures import axis, figure, rate_axis, with_bars
from rig.report.pixel_figures import look


def share_words(low: float, high: float) -> str:
    """A step of the patch's share of the frame."""
    return f"{100 * low:g} % and more" if high >= 1 else f"{100 * low:g} to {100 * high:g} %"


def by_share(bins: list[dict], artefacts: list[tuple[str, str]], words: str) -> dict:
    """Views at the goal against how much of the frame the patch fills. artefacts: names with their words."""
    traces = []
    for number, (name, title) in enumerate(artefacts):
        mine = [one for one in bins if name in one["artefacts"]]
        style = {"mode": "lines+markers", "marker": look(number), "line": {"color": look(number)["color"], "width": 2}}
        x = [bins.index(one) + 0.05 * number for one in mine]  # so that bars do not hide each other
        traces.append(with_bars(title, x, [one["artefacts"][name] for one in mine], **style))
    ticks = {"tickvals": list(range(len(bins))), "ticktext": [share_words(one["low"], one["high"]) for one in bins]}
    return figure(
        traces, xaxis=axis("share of the frame that shows the sticker", **ticks), yaxis=rate_axis(f"views {words}")
    )
