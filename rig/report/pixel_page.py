"""The page of a pixel attack: its sections as plain data into the template."""

import json
import shlex

import polars as pl

from rig.audit import Finding
from rig.metrics.load import Run
from rig.report import pixel_figures, pixel_words
from rig.report.gallery import galleries
from rig.report.page import audit_section, embedded, environment
from rig.report.sections import keep
from rig.report.words import OUTCOMES

MAX_POINTS = 1500  # of the confidence figure, for each network


def render(run: Run, metrics: dict, trials: pl.DataFrame, notices: list[dict], findings: list[Finding] = ()) -> str:
    """trials: as `read_pixel_trials` gives them."""
    drawn: dict[str, dict] = {}
    networks, searches = pixel_words.names(metrics)
    own = trials.filter(pl.col("model") == pl.col("found_on"))
    context = {
        "record": run.record,
        "metrics": metrics,
        "notices": notices,
        "audit": audit_section(findings),
        "title": _title(metrics),
        "sentences": pixel_words.sentences(metrics),
        "cards": pixel_words.cards(metrics),
        "searches": searches,
        "networks": [_network(run, metrics, own, name, searches, drawn) for name in networks],
        "transfer": _transfer(metrics, networks, searches[0]),
        "labels": [step for step in metrics["steps"] if step["labels"] and step["labels"]["n"]],
        "aim": pixel_words.aim(metrics),
        "skipped": getattr(run.record, "skipped", []),
        "glossary": pixel_words.GLOSSARY,
        "outcomes": OUTCOMES,
        "command": shlex.join(run.record.command),
        "settings": json.dumps(run.record.config, indent=2, ensure_ascii=False),
    }
    jinja = environment(queries=pixel_words.queries, pixels=pixel_words.pixels)
    return jinja.get_template("pixel.html.j2").render(**context, **embedded(), figures=drawn)


def _title(metrics: dict) -> str:
    counts = sorted({step["pixels"] for step in metrics["steps"]})
    wanted = f" → {metrics['target']}" if metrics["target"] is not None else ""
    return f"Attack with {', '.join(map(str, counts))} {'pixel' if counts == [1] else 'pixels'}{wanted}"


def _network(run: Run, metrics: dict, own: pl.DataFrame, name: str, searches: list[str], drawn: dict) -> dict:
    steps = {search: pixel_words.steps_of(metrics, name, search) for search in searches}
    counts = sorted({step["pixels"] for of_one in steps.values() for step in of_one})
    return {
        "name": name,
        "steps": steps,
        "by_pixels": keep(drawn, pixel_figures.by_pixels(steps)),
        "curves": [_curves(metrics, name, searches, n, drawn) for n in counts],
        "confidence": _confidence(own, name, searches[0], drawn),
        "compared": [row for row in metrics["searches"] if row["found_on"] == name],
        "galleries": galleries(run, own, name, searches[0]),
        "reference": [row for row in metrics["reference"] if row["found_on"] == name],
    }


def _curves(metrics: dict, network: str, searches: list[str], n_pixels: int, drawn: dict) -> dict:
    found = {
        row["search"]: row["points"]
        for row in metrics["curves"]
        if (row["found_on"], row["pixels"]) == (network, n_pixels)
    }
    series = {search: found[search] for search in searches if search in found}
    marks = [100, 500, 1000, 2000, 4000, 8000, 20000, 40400]
    most = max(points[-1]["queries"] for points in series.values())
    table = [
        {"queries": mark, "of": {search: _at(points, mark) for search, points in series.items()}}
        for mark in [*(mark for mark in marks if mark < most), most]
    ]
    return {"pixels": n_pixels, "figure": keep(drawn, pixel_figures.by_queries(series)), "table": table}


def _at(points: list[dict], mark: int) -> dict:
    return [point for point in points if point["queries"] <= mark][-1]


def _confidence(own: pl.DataFrame, network: str, search: str, drawn: dict) -> list[dict]:
    mine = own.filter((pl.col("found_on") == network) & (pl.col("search") == search))
    found = []
    for (n_pixels,), group in mine.sort("pixels").partition_by("pixels", as_dict=True, maintain_order=True).items():
        rows = [
            {
                "before": round(row["clean_prob"], 4),
                "after": round(row["predicted_prob"], 4),
                "fooled": row["fooled"],
                "text": f"{row['object']}: {row['true_label']} → {row['predicted']}",
            }
            for row in group.head(MAX_POINTS).iter_rows(named=True)
        ]
        found.append({"pixels": n_pixels, "figure": keep(drawn, pixel_figures.confidence(rows))})
    return found


def _transfer(metrics: dict, networks: list[str], search: str) -> list[dict]:
    """One matrix a number of pixels: rows found on, columns tried on."""
    if len(networks) < 2:
        return []
    rates = {
        (row["pixels"], row["found_on"], row["model"]): row["rate"]
        for row in metrics["transfer"]
        if row["search"] == search
    }
    return [
        {
            "pixels": n,
            "networks": networks,
            "rows": [{"found_on": a, "rates": [rates.get((n, a, b)) for b in networks]} for a in networks],
            "fool_all": next(r for r in metrics["fool_all"] if (r["search"], r["pixels"]) == (search, n)),
            "compared": [r for r in metrics["networks"] if (r["search"], r["pixels"]) == (search, n)],
        }
        for n in sorted({key[0] for key in rates})
    ]
