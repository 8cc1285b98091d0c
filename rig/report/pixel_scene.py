"""The page of a scene's pixel attack: does it fool from elsewhere, in another light, after JPEG?"""

import base64
import json
import shlex
from pathlib import Path

import polars as pl

from rig.metrics.load import Run
from rig.report import pixel_scene_figures as figures
from rig.report.page import embedded, environment
from rig.report.sections import keep
from rig.report.words import interval, percent

SHOWN = 6  # frames of the gallery: the first ones, whatever became of them


def notices(metrics: dict) -> list[dict]:
    return [{"level": "error", "text": text} for text in metrics["mismatches"]]


def headline(run: Run, metrics: dict) -> list[str]:
    n_pixels, fooled = run.record.config["pixels"][0], metrics["fooled"]
    what = "One pixel fools" if n_pixels == 1 else f"{n_pixels} pixels fool"
    place = f"{run.record.models[0].name} on {fooled['k']} of {fooled['n']} rendered frames"
    sentences = [f"{what} {place} ({percent(fooled['rate'])}, 95 % CI {interval(fooled)} %)."]
    sentences += [_half_width(curve) for curve in metrics["curves"]]
    return sentences + [_gain(row) for row in metrics["gains"]]


def name_of(row: dict) -> str:
    """The attack and reading in words."""
    dot = f", dot of {row['dot_px']:g} px" if row.get("dot_px") else ""
    return f"{row['attack']}, {row['reading']}{dot}" if "attack" in row else f"{row['reading']}{dot}"


def degrees(width: dict) -> str:
    bounds = [
        f"> {width['widest_deg']:g}" if bound is None else f"{bound:.2g}" for bound in (width["low"], width["high"])
    ]
    middle = f"beyond {width['widest_deg']:g}" if width["deg"] is None else f"{width['deg']:.2g}"
    return f"{middle}° (95 % CI {bounds[0]} to {bounds[1]}°)"


def _half_width(curve: dict) -> str:
    start = curve["points"][0]
    there = f"{start['k']} of {start['n']} where it was found"
    return f"{name_of(curve)}: fools on {there}; half of the views still fooled up to {degrees(curve['half_width'])}."


def _gain(row: dict) -> str:
    over = f"views within {row['reach_deg']:g}°" if row["over"] == "views" else "conditions of the same frame"
    rates = f"{percent(row['rate'])} against {percent(row['other'])}"
    bounds = f"{100 * row['low']:+.1f} to {100 * row['high']:+.1f}"
    against = f"{rates} for the single-frame search at equal queries (95 % CI of the gain {bounds} points)"
    return f"EOT pixels, {name_of(row)}, over {over}: {against}."


def render(run: Run, metrics: dict) -> str:
    drawn: dict[str, dict] = {}
    context = {
        "record": run.record,
        "metrics": metrics,
        "title": f"{', '.join(run.record.config['scenes'])}: {run.record.config['pixels'][0]} px",
        "sentences": headline(run, metrics),
        "notices": notices(metrics),
        "persistence": keep(drawn, figures.persistence(metrics["curves"])) if metrics["curves"] else None,
        "curves": [
            curve | {"name": name_of(curve), "words": degrees(curve["half_width"])} for curve in metrics["curves"]
        ],
        "destruction": destruction_tables(metrics["destruction"], drawn),
        "gains": [row | {"name": name_of(row)} for row in metrics["gains"]],
        "maps": [_map(run, name, one) for name, one in metrics["maps"].items()],
        "gallery": _gallery(run),
        "command": shlex.join(run.record.command),
        "settings": json.dumps(run.record.config, indent=2, ensure_ascii=False),
    }
    template = environment().get_template("pixel_scene.html.j2")
    return template.render(**context, **embedded(), figures=drawn)


def destruction_tables(table: list[dict], drawn: dict) -> list[dict]:
    """One figure and table a condition."""
    found: dict[str, list[dict]] = {}
    for row in table:
        found.setdefault(row["condition"], []).append(row | {"name": name_of(row)})
    return [
        {
            "condition": name,
            "title": figures.title(name),
            "figure": keep(drawn, figures.destruction(name, rows)),
            "rows": rows,
        }
        for name, rows in found.items()
    ]


def _map(run: Run, name: str, described: dict) -> dict:
    return described | {"name": name, "src": _picture(run.path / "pixel" / "maps" / f"{name}.png")}


def _gallery(run: Run) -> list[dict]:
    rows = pl.read_parquet(run.path / "pixel" / "items.parquet").head(SHOWN).to_dicts()
    names = ("clean", "single-frame")
    return [
        row | {"src": [_picture(run.path / "artefacts" / name / f"{row['item']}.png") for name in names]}
        for row in rows
    ]


def _picture(path: Path) -> str:
    return f"data:image/png;base64,{base64.b64encode(path.read_bytes()).decode()}"
