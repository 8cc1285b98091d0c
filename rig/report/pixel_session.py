"""The page of a session's pixel attack: pixels found on one frame of a camera, seen by the rest of its pass."""

import base64
import json
import shlex

import cv2
import numpy as np
import polars as pl

from rig.attack.pixel.change import PixelChange
from rig.images import encode_jpeg, encode_png, read_image
from rig.metrics.intervals import MIN_CLUSTERS
from rig.metrics.load import Run
from rig.metrics.pixel_session import CARRIED
from rig.report import pixel_session_figures as figures
from rig.report.page import embedded, environment
from rig.report.pixel_scene import SHOWN, degrees, destruction_tables, name_of
from rig.report.sections import keep
from rig.report.words import OUTCOMES, duration, interval, percent

WORDS = {"clean": "clean", "single-frame": "changed", "printed": "printed"}  # of the folders of whole frames
SMALL_PX, RING_FRAC = 320, 0.035  # a crop up to so large is shown pixel by pixel; a ring's radius over the crop's side


def notices(metrics: dict) -> list[dict]:
    found, n_held = [{"level": "error", "text": text} for text in metrics["mismatches"]], metrics["fooled"]["k"]
    if 0 < n_held < MIN_CLUSTERS:
        items = f"{n_held} item{'' if n_held == 1 else 's'}"
        text = f"Figures of other frames rest on {items}: their intervals, which draw items again, are too narrow."
        found.append({"level": "warning", "text": text})
    return found


def headline(run: Run, metrics: dict) -> list[str]:
    n_pixels, fooled, clean = run.record.config["pixels"][0], metrics["fooled"], metrics["clean"]
    what = "One pixel fools" if n_pixels == 1 else f"{n_pixels} pixels fool"
    place = f"{run.record.models[0].name} on {fooled['k']} of {fooled['n']} frames that a camera took"
    right = f"It is right on {clean['k']} of the {clean['n']} clean frames"
    found = f"{what} {place} ({percent(fooled['rate'])}, 95 % CI {interval(fooled)} %)."
    return [found, f"{right} ({percent(clean['rate'])}); attacked are {fooled['n']} of those."] + [
        _carried(metrics, row) for row in metrics["elsewhere"]
    ]


def _carried(metrics: dict, row: dict) -> str:
    """One reading: where it was found, elsewhere in the pass, how far and for how long."""
    parts = [f"{_reading(row).capitalize()}: fools {row['home']['k']} of {row['home']['n']} where it was found"]
    others = row["others"]
    if others["n"]:
        share = f"{percent(others['rate'])}, 95 % CI {interval(others)} %"
        parts.append(f"and {others['k']} of {others['n']} other frames of the same pass ({share})")
    said = " ".join(parts)
    curve, spell = (_same(metrics[table], row) for table in ("curves", "spells"))
    width = f"; half of the frames still fooled up to {degrees(curve['half_width'])}" if curve else ""
    return f"{said}{width}; median run about the frame {run_words(spell)}."


def _reading(row: dict) -> str:
    """In words; there is one attack only."""
    return name_of({name: value for name, value in row.items() if name != "attack"})


def _same(table: list[dict], row: dict) -> dict | None:
    key = ("attack", "reading", "dot_px", "n_pixels")
    return next((one for one in table if all(one[name] == row[name] for name in key)), None)


def run_words(spell: dict) -> str:
    frames, seconds = spell["frames"], spell["seconds"]
    count = f"{frames['median']:g} frame{'' if frames['median'] == 1 else 's'}"
    bounds = "one item" if frames["low"] is None else f"95 % CI {frames['low']:g} to {frames['high']:g}"
    return f"{count} ({bounds}), {duration(seconds['median'])}"


def render(run: Run, metrics: dict) -> str:
    drawn: dict[str, dict] = {}
    config = run.record.config
    context = {
        "record": run.record,
        "metrics": metrics,
        "title": f"{config['session'].rstrip('/').split('/')[-1]}: {config['pixels'][0]} px before the camera",
        "sentences": headline(run, metrics),
        "notices": notices(metrics),
        "gallery": _gallery(run),
        "outcomes": OUTCOMES,
        "elsewhere": [row | {"name": _reading(row)} for row in metrics["elsewhere"]],
        "angle": keep(drawn, figures.over_angle(metrics["curves"])) if metrics["curves"] else None,
        "curves": _named(metrics["curves"]),
        "time": keep(drawn, figures.over_time(metrics["times"])) if metrics["times"] else None,
        "times": _named(metrics["times"]),
        "spells": [row | {"name": _reading(row), "words": run_words(row)} for row in metrics["spells"]],
        "strips": _strips(run, drawn),
        "destruction": destruction_tables(metrics["destruction"], drawn),
        "command": shlex.join(run.record.command),
        "settings": json.dumps(config, indent=2, ensure_ascii=False),
    }
    template = environment().get_template("pixel_session.html.j2")
    return template.render(**context, **embedded(), figures=drawn)


def _named(curves: list[dict]) -> list[dict]:
    """A curve's points by where they lie, so that a table has a cell or a gap for each."""
    x = "angle_deg" if curves and "half_width" in curves[0] else "offset_s"
    places = sorted({point[x] for curve in curves for point in curve["points"]})
    return [
        curve
        | {"name": _reading(curve), "words": degrees(curve["half_width"]) if "half_width" in curve else ""}
        | {"cells": [next((point for point in curve["points"] if point[x] == place), None) for place in places]}
        | {"places": [_place(curves, x, place) for place in places]}
        for curve in curves
    ]


def _place(curves: list[dict], x: str, place: float) -> str:
    if x == "offset_s":
        return f"{place:+g} s" if place else "0 s"
    point = next(point for curve in curves for point in curve["points"] if point[x] == place)
    return f"{point['low_deg']:g} to {point['high_deg']:g}°" if point["high_deg"] else "0°"


def _strips(run: Run, drawn: dict) -> list[dict]:
    """Of each reading: what became of every frame of the pass, of the items that were fooled."""
    rows = pl.read_parquet(run.path / "pixel" / "persistence.parquet")
    rows = rows.filter("reached", pl.col("condition") == CARRIED)
    key = ("attack", "reading", "dot_px")
    found = []
    for values, group in rows.partition_by(key, as_dict=True, maintain_order=True).items():
        items = [
            (f"frame {int(_home(part)['frame'])}", [_strip(row) for row in part.iter_rows(named=True)])
            for part in group.partition_by("item", maintain_order=True)
        ]
        name = _reading(dict(zip(key, values, strict=True)))
        found.append({"name": name, "figure": keep(drawn, figures.strips(items)), "n": len(group)})
    return found


def _home(part: pl.DataFrame) -> dict:
    return part.row(by_predicate=pl.col("view") == pl.col("item"), named=True)


def _strip(row: dict) -> dict:
    turned = "" if row["angle_deg"] is None else f", {row['angle_deg']:.0f}° off"
    seen = "" if row["seen_px"] else ", none of it in sight"
    twin = "" if row["clean_correct"] else f"; clean, too, {row['clean_predicted']}"
    text = f"frame {row['frame']:.0f}{turned}: {row['predicted']}{seen}{twin}"
    result = _result(row) if row["clean_correct"] else figures.LOST
    return {"offset_s": row["offset_s"], "result": result, "text": text}


def _result(row: dict) -> str:
    return "fooled" if row["fooled"] else "correct" if row["correct"] else "other_wrong"


def _gallery(run: Run) -> list[dict]:
    """The first items, whatever became of them."""
    rows = pl.read_parquet(run.path / "pixel" / "persistence.parquet")
    home = rows.filter(pl.col("condition") == CARRIED, pl.col("view") == pl.col("item"))
    items = pl.read_parquet(run.path / "pixel" / "items.parquet").head(SHOWN).to_dicts()
    return [_item(run, row, home.filter(pl.col("item") == row["item"]).to_dicts()) for row in items]


def _item(run: Run, row: dict, home: list[dict]) -> dict:
    """`home`: what each reading of the change made of the item's own frame; the sensor's first, the largest dot last."""
    folder, name = run.path / "artefacts", row["item"]
    change = PixelChange.from_json((folder / "single-frame" / f"{name}.pixels.json").read_text(encoding="utf-8"))
    rings = [(column - row["left"] + 0.5, place - row["top"] + 0.5) for place, column in change.pixels[:, :2].tolist()]
    clean = {"result": "correct", "predicted": row["clean_predicted"], "rings": []}
    shown = {"clean": clean, "single-frame": _shown(home[0], rings)}
    if row["printed"]:
        shown["printed"] = _shown(home[-1], rings)
    pictures = [
        one | {"words": WORDS[kind], "src": _crop(folder / kind / f"{name}.png", row)} for kind, one in shown.items()
    ]
    side = min(row["height"], row["width"])
    return row | {"pictures": pictures, "ring_px": RING_FRAC * side, "small": side <= SMALL_PX}


def _shown(row: dict, rings: list[tuple]) -> dict:
    return {"result": _result(row), "predicted": row["predicted"], "rings": rings}


def _crop(path, row: dict) -> str:
    """What the model is given of a saved frame; a large one is made smaller for the page."""
    rows, columns = (slice(row[low], row[low] + row[size]) for low, size in (("top", "height"), ("left", "width")))
    image = np.ascontiguousarray(read_image(path)[rows, columns])
    factor = 2 * SMALL_PX / max(image.shape[:2])
    if max(image.shape[:2]) <= SMALL_PX:
        kind, encoded = "png", encode_png(image)
    else:
        size = tuple(max(1, round(min(1.0, factor) * one)) for one in image.shape[1::-1])
        kind, encoded = "jpeg", encode_jpeg(cv2.resize(image, size, interpolation=cv2.INTER_AREA), 90)
    return f"data:image/{kind};base64,{base64.b64encode(encoded).decode()}"
