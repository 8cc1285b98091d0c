"""Where a refined sweep spent its views, what precision it reached, and why it stopped; "" and [] for other runs."""

from rig.metrics.load import Refinement, Run
from rig.metrics.persistence import Cells
from rig.metrics.precision import views_for
from rig.metrics.rates import COUNTS
from rig.report import figures
from rig.report.words import percent

MOST_NUMBERS = 60  # cells with room for a number
RATES = {"accuracy": "recognised", "adversariality": "fooled", "other_wrong": "other wrong answer"}


def interval_words(run: Run) -> str:
    """What the intervals of rates are, as a reader should see it."""
    return "stratified score intervals of weighted views" if run.record.refinement else "Wilson intervals"


def refined_scenes(run: Run, metrics: dict, drawn: dict) -> list[dict]:
    """Of each scene: sentences, a map of how many views each cell has (its id in `drawn`), and the same as a table."""
    asked = run.record.config.get("sweep", {})
    return [
        _scene(name, record, [row for row in metrics["rates"] if row["object"] == name], asked, drawn)
        for name, record in run.record.refinement.items()
    ]


def _scene(name: str, record: Refinement, rates: list[dict], asked: dict, drawn: dict) -> dict:
    cells = Cells(record.bands, record.columns, record.azimuth_deg, record.elevation_deg)
    views = [list(of_rounds) for of_rounds in zip(*record.rounds, strict=True)]
    table = [cells.bounds(*divmod(i, cells.columns)) | {"n": sum(each), "rounds": each} for i, each in enumerate(views)]
    figure = f"figure-{len(drawn) + 1}"
    drawn[figure] = _map(cells, table)
    said = [_spent(record, table), _reached(record, rates, asked)]
    return {"object": name, "said": said, "figure": figure, "cells": table, "most": max(cell["n"] for cell in table)}


def _map(cells: Cells, table: list[dict]) -> dict:
    """Cells shaded by how many views they have."""
    most = max(cell["n"] for cell in table)
    spec = figures.sphere_map(cells, [cell | {"rate": cell["n"] / most} for cell in table], [], {})
    shaded = [trace | {"fillcolor": "--muted"} if trace.get("fill") else trace for trace in spec["data"]]
    numbers = [_numbers(cells, table)] if len(table) <= MOST_NUMBERS else []
    return spec | {"data": [*shaded, *numbers]}


def _numbers(cells: Cells, table: list[dict]) -> dict:
    """The counts in the middle of their cells."""
    centres = [cells.centre(*divmod(i, cells.columns)) for i in range(len(table))]
    middle = sum(cells.azimuth_deg) / 2
    x, y = figures.hammer([azimuth - middle for azimuth, _ in centres], [elevation for _, elevation in centres])
    return {
        "type": "scatter",
        "mode": "text",
        "x": x.round(3).tolist(),
        "y": y.round(3).tolist(),
        "text": [str(cell["n"]) for cell in table],
        "textfont": {"color": "--ink", "size": 12},
        "hoverinfo": "skip",
    }


def _spent(record: Refinement, table: list[dict]) -> str:
    sizes = [sum(views) for views in record.rounds]
    counts = [cell["n"] for cell in table]
    more = f", {' + '.join(map(str, sizes))}" if len(sizes) > 1 else ""
    each = f"{min(counts)} to {max(counts)}" if min(counts) < max(counts) else f"{counts[0]}"
    rounds = f"{len(sizes)} round{'s' * (len(sizes) > 1)}"
    return f"{sum(sizes)} views in {rounds}{more}, over {len(table)} cells of equal area: {each} in a cell."


def _reached(record: Refinement, rates: list[dict], asked: dict) -> str:
    """The widest interval, why no round followed, and what unrefined draws need for intervals no wider."""
    each = [(row, name, row[name]) for row in rates for name in COUNTS if row["target"] or name != "other_wrong"]
    row, name, widest = max(each, key=lambda one: one[2]["high"] - one[2]["low"])
    half = (widest["high"] - widest["low"]) / 2
    wanted, most = asked.get("refine", 0.0), asked.get("max_views", 0)
    plain = max(views_for(one["rate"], half) for *_, one in each)
    why = {
        "precision": "It stopped at the precision asked for, ",
        "budget": f"It stopped at its budget, {most:,} views, short of ",
        None: "It has not ended; asked for is ",
    }[record.stopped]
    return (
        f"{why}intervals that reach {percent(wanted)} to either side. The widest reaches {percent(half, 2)} "
        f"({row['artefact']} on {row['model']}, {RATES[name]}); views that are not placed need about {plain:,} for it."
    )
