"""The page's section on natural corruptions: an attack beside fog, snow and rain on the same frames."""

from rig.metrics.load import Run
from rig.report.figures import axis, figure, rate_axis, safe, with_bars
from rig.report.headline import human, is_control, rates_of
from rig.report.pixel_figures import look
from rig.report.sections import keep
from rig.report.words import goal, percent, sentence_rate

TITLES = {"jpeg_compression": "JPEG"}


def title(name: str) -> str:
    return TITLES.get(name, name.replace("_", " "))


def section(run: Run, metrics: dict, drawn: dict) -> list[dict]:
    """One entry for each object x model, empty without corrupted frames. `metrics["corruptions"]`: the figures."""
    found = metrics.get("corruptions")
    return [_group(run, metrics, group, found["rows"], drawn) for group in metrics["groups"]] if found else []


def _group(run: Run, metrics: dict, group: dict, rows: list[dict], drawn: dict) -> dict:
    mine = [row for row in rows if (row["object"], row["model"]) == (group["object"], group["model"])]
    clean = [row for row in mine if row["artefact"] == "clean"]
    plain = rates_of(metrics, group)
    attacks = [name for name in group["artefacts"] if name != "clean" and not is_control(name)]
    levels = [("clean", plain["clean"]["accuracy"])] + [(human(run, name), plain[name]["accuracy"]) for name in attacks]
    return {
        "object": group["object"],
        "model": group["model"],
        "words": goal(group["target"]),
        "sentences": _sentences(run, clean, plain, attacks),
        "figure": keep(drawn, _figure(clean, levels)),
        "severities": sorted({row["severity"] for row in mine}),
        "plain": plain["clean"]["accuracy"],
        "clean": _table(clean, "accuracy"),
        "attacks": [
            {
                "name": human(run, name),
                "plain": plain[name]["adversariality"],
                "rows": _table([row for row in mine if row["artefact"] == name], "adversariality"),
            }
            for name in attacks
        ],
    }


def _table(rows: list[dict], rate: str) -> list[dict]:
    """A line for each corruption, its rates by severity, and their mean."""
    found: dict[str, dict] = {}
    for row in rows:
        found.setdefault(row["corruption"], {})[row["severity"]] = row[rate]
    return [
        {"title": title(name), "rates": rates, "mean": sum(one["rate"] for one in rates.values()) / len(rates)}
        for name, rates in found.items()
    ]


def _sentences(run: Run, clean: list[dict], plain: dict, attacks: list[str]) -> list[str]:
    worst = min(clean, key=lambda row: row["accuracy"]["rate"])
    mean = sum(row["accuracy"]["rate"] for row in clean) / len(clean)
    said = [
        f"Unchanged, the object is recognised on {sentence_rate(plain['clean']['accuracy'])} of these frames as they are; "
        f"over all {len(clean)} corruptions on {percent(mean)} on average, under the worst, {title(worst['corruption'])} at "
        f"severity {worst['severity']}, on {sentence_rate(worst['accuracy'])}."
    ]
    for name in attacks:
        fair = plain[name]["accuracy"]
        n_as_strong = sum(row["accuracy"]["rate"] <= fair["rate"] for row in clean)
        said.append(
            f"With {human(run, name)}, in fair weather: recognised on {sentence_rate(fair)}; {n_as_strong} of "
            f"{len(clean)} corruptions do as much to the unchanged object."
        )
    return said


def _figure(clean: list[dict], levels: list[tuple[str, dict]]) -> dict:
    """Accuracy of the unchanged object against severity; dashed: frames as they are, unchanged and attacked."""
    severities = sorted({row["severity"] for row in clean})
    traces = []
    for number, name in enumerate(dict.fromkeys(row["corruption"] for row in clean)):
        rows = [row for row in clean if row["corruption"] == name]
        style = {
            "mode": "lines+markers",
            "marker": look(number),
            "line": {"color": look(number)["color"], "width": 1.5},
        }
        style["line"]["dash"] = "solid" if number < 5 else "dash"  # colours and symbols come again after five
        x = [row["severity"] + 0.04 * number for row in rows]
        traces.append(with_bars(title(name), x, rows, "accuracy", **style))
    ends = [min(severities) - 0.3, max(severities) + 0.6]
    for name, level in levels:
        traces.append(
            {
                "type": "scatter",
                "mode": "lines+text",
                "x": ends,
                "y": [level["rate"]] * 2,
                "text": ["", safe(name)],
                "textposition": "top left",
                "line": {"color": "--ink", "width": 1, "dash": "dot"},
                "hoverinfo": "skip",
                "showlegend": False,
            }
        )
    return figure(traces, xaxis=axis("severity", tickvals=severities, range=ends), yaxis=rate_axis("recognised"))
