"""The page's sections as plain data, one function each; figures are collected by id for the page's script."""

import json

import polars as pl

from rig.metrics.curves import BRIGHTNESS
from rig.metrics.load import Run
from rig.metrics.persistence import Cells
from rig.metrics.summary import region
from rig.report import figures
from rig.report.behind import Album, add_sphere
from rig.report.extremes import extremes
from rig.report.frames import frame_grid
from rig.report.headline import human, is_control, main_attack, persistence_of, rates_of
from rig.report.overview import at_once
from rig.report.words import OUTCOMES, angle, condition, goal, percent, sentence_rate

FIRST_CONDITIONS = ("distance_m", "elevation_deg", BRIGHTNESS)
SMOOTHED_STEPS = 15
MAX_MAP_POINTS = 12_000  # of all maps of a page; cells count every view


def result_names(target: str) -> dict[str, str]:
    names = {"correct": "recognised", "fooled": goal(target), "other_wrong": "other wrong answer"}
    return names if target else {name: names[name] for name in ("correct", "fooled")}


def legend(target: str) -> list[dict]:
    return [{"result": key, "symbol": OUTCOMES[key], "words": words} for key, words in result_names(target).items()]


def short(artefact: str) -> str:
    return "clean" if artefact == "clean" else "painted"


def shown_artefacts(group: dict) -> list[str]:
    """The pair that maps and frames show."""
    return [name for name in ("clean", main_attack(group["artefacts"])) if name in group["artefacts"]]


def frames(run: Run, group: dict, trials: pl.DataFrame, budget: int) -> dict:
    return frame_grid(trials, region(run), shown_artefacts(group), run.path / "frames", budget)


def worst_and_best(run: Run, group: dict, trials: pl.DataFrame, budget: int) -> dict | None:
    return extremes(trials, shown_artefacts(group), run.path / "frames", budget)


def maps(metrics: dict, group: dict, trials: pl.DataFrame, drawn: dict) -> list[dict]:
    """Clean and attacked view-sphere maps with the table of their cells."""
    held, cells, found = persistence_of(metrics, group), cells_of(group), []
    most = max(1, MAX_MAP_POINTS // (2 * len(metrics["groups"])))
    for artefact in shown_artefacts(group):
        if artefact in held:
            table = held[artefact]["cells"]
            posed = trials.filter(pl.col("artefact") == artefact).drop_nulls(["azimuth_deg", "elevation_deg"])
            stride = -(-len(posed) // most)
            views = map_views(posed.gather_every(stride))
            spec = figures.sphere_map(cells, table, views, result_names(group["target"]))
            counts = {"n": len(posed), "n_drawn": len(views), "stride": stride}
            found.append({"title": short(artefact), "figure": keep(drawn, spec), "cells": table} | counts)
    return found


def frames_behind(album: Album, metrics: dict, group: dict, trials: pl.DataFrame, maps: list[dict]) -> dict | None:
    """What lets a reader go from a cell of the maps to its frames; None without maps."""
    if not maps:
        return None
    shown = shown_artefacts(group)
    sphere = add_sphere(album, trials, shown, cells_of(group), len(metrics["groups"]))
    words = goal(group["target"])
    said = [
        "; ".join(f"{one['title']}: {words} on {_said(one['cells'][i])}" for one in maps)
        for i in range(len(maps[0]["cells"]))
    ]
    return {"sphere": sphere, "names": json.dumps([short(name) for name in shown]), "said": said}


def _said(cell: dict) -> str:
    return sentence_rate(cell) if cell["n"] else "no views"


def cells_of(group: dict) -> Cells:
    return Cells(**{name: group["cells"][name] for name in ("bands", "columns", "azimuth_deg", "elevation_deg")})


def map_views(posed: pl.DataFrame) -> list[dict]:
    return [
        {
            "azimuth_deg": row["azimuth_deg"],
            "elevation_deg": row["elevation_deg"],
            "result": row["result"],
            "text": f"{row['predicted']} ({percent(row['predicted_prob'], 0)}) at azimuth {angle(row['azimuth_deg'])}, "
            f"elevation {angle(row['elevation_deg'])}, {row['view']}",
        }
        for row in posed.iter_rows(named=True)
    ]


def keep(drawn: dict, spec: dict) -> str:
    name = f"figure-{len(drawn) + 1}"
    drawn[name] = spec
    return name


def rates_table(run: Run, metrics: dict, group: dict) -> list[dict]:
    rows = rates_of(metrics, group).values()
    return [row | {"words": human(run, row["artefact"]), "record": run.artefacts.get(row["artefact"])} for row in rows]


def tradeoff(run: Run, metrics: dict, group: dict, drawn: dict) -> dict | None:
    """Rates against distance over all budgets of the run; None with fewer than two painted textures."""
    rows = [
        row for row in rates_table(run, metrics, group) if row["artefact"] != "clean" and _distance(row) is not None
    ]
    points = [
        {
            "name": row["words"],
            "delta_e": _distance(row),
            "control": is_control(row["artefact"]),
            "adversariality": row["adversariality"],
            "accuracy": row["accuracy"],
        }
        for row in sorted(rows, key=_distance)
    ]
    if sum(not point["control"] for point in points) < 2:
        return None
    return {"figure": keep(drawn, figures.tradeoff(points, goal(group["target"]))), "points": points}


def _distance(row: dict) -> float | None:
    return row["record"].delta_e_mean if row["record"] else None


def persistence_rows(run: Run, metrics: dict, group: dict) -> list[dict]:
    rows = persistence_of(metrics, group)
    return [row | {"words": human(run, name), "at_once": at_once(row)} for name, row in rows.items()]


def wrong_rows(run: Run, metrics: dict, group: dict) -> list[dict]:
    place = (group["object"], group["model"])
    rows = [row for row in metrics["wrong_answers"] if (row["object"], row["model"]) == place and row["n"]]
    return [row | {"words": human(run, row["artefact"])} for row in rows]


def curves(metrics: dict, group: dict, drawn: dict) -> tuple[list[dict], list[dict]]:
    """Conditions everyone asks for, and all others."""
    place, attacked = (group["object"], group["model"]), main_attack(group["artefacts"])
    mine = {row["condition"]: row for row in metrics["curves"] if (row["object"], row["model"]) == place}
    order = [name for name in FIRST_CONDITIONS if name in mine]
    order += [name for name in mine if name not in order]
    found = [_curve(mine[name], attacked, group["target"], drawn) for name in order]
    return found[: len(FIRST_CONDITIONS)], found[len(FIRST_CONDITIONS) :]


def _curve(row: dict, attacked: str | None, target: str, drawn: dict) -> dict:
    spec = figures.curve(row["condition"], row["bins"], attacked, goal(target))
    title = condition(row["condition"])
    return {"title": title, "figure": keep(drawn, spec), "bins": row["bins"], "attacked": attacked}


def histories(run: Run, table: pl.DataFrame | None, main: str | None, drawn: dict) -> list[dict]:
    """Figures and some steps of each attack of the run, the main one first; [] without a history."""
    if table is None or not {"step", "phase"} <= set(table.columns):
        return []
    phases = table.drop_nulls("phase").partition_by("phase", as_dict=True, maintain_order=True)
    order = sorted(phases, key=lambda key: key[0] != main)
    return [
        {"title": human(run, name), "figures": _history(phases[name,], drawn), "steps": _history_steps(phases[name,])}
        for (name,) in order
    ]


def _history(table: pl.DataFrame, drawn: dict) -> list[dict]:
    """Loss, success and distance over the steps of one attack."""
    losses = [_series(table, "cross_entropy", "cross-entropy", "--correct"), _series(table, "loss", "loss", "--muted")]
    success = [
        _series(table, "success_batch", "batch of the step", "--fooled", mode="markers", opacity=0.35),
        _smoothed(table),
        _series(
            table, "validation_success", "validation views", "--ink", mode="markers", size=9, symbol="diamond-open"
        ),
    ]
    distance = [_series(table, "delta_e", "mean Delta-E of the step", "--other-wrong")]
    specs = {"Loss": (losses, False), "Success": (success, True), "Distance (Delta-E)": (distance, False)}
    found = []
    for title, (series, rate) in specs.items():
        present = [one for one in series if one["x"]]
        if present:
            found.append({"title": title, "figure": keep(drawn, figures.over_steps(present, rate))})
    return found


def _series(table: pl.DataFrame, column: str, name: str, color: str, **look) -> dict:
    """Every k-th value so that no line has more than MAX_POINTS points; empty where the column is missing."""
    if column not in table.columns:
        return {"x": [], "y": []}
    rows = table.select("step", column).drop_nulls()
    rows = rows.gather_every(max(1, -(-len(rows) // figures.MAX_POINTS)))
    y = [round(value, 5) for value in rows[column].cast(pl.Float64).to_list()]
    return {"x": rows["step"].to_list(), "y": y, "name": name, "color": color} | look


def _smoothed(table: pl.DataFrame) -> dict:
    """Mean of the batches of the last SMOOTHED_STEPS steps."""
    if "success_batch" not in table.columns:
        return {"x": [], "y": []}
    rows = table.select("step", "success_batch").drop_nulls()
    mean = pl.col("success_batch").rolling_mean(SMOOTHED_STEPS, min_samples=1)
    return _series(rows.with_columns(mean), "success_batch", f"mean of {SMOOTHED_STEPS} steps", "--fooled")


def _history_steps(rows: pl.DataFrame, n: int = 12) -> list[dict]:
    """Some rows for the table under the figures, the last one included."""
    step = max(1, len(rows) // n)
    return (
        pl.concat([rows.gather_every(step), rows.tail(1)]).unique("step", keep="first", maintain_order=True).to_dicts()
    )
