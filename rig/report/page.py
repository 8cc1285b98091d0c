"""The page: sections into the template, everything it needs inside one file."""

import base64
import gzip
import hashlib
import json
import shlex
from collections import Counter
from functools import cache
from importlib import resources

import polars as pl
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from plotly.offline import get_plotlyjs

from rig.audit import Finding, first_line
from rig.metrics.load import Run
from rig.metrics.persistence import VIEWS_PER_CELL
from rig.report import behind, extremes, first_screen, frames, headline, overview, refined, sections, words
from rig.report.behind import Album
from rig.report.textures import texture_rows

FILTERS = (
    "percent",
    "interval",
    "sentence_rate",
    "counted",
    "angle",
    "span",
    "number",
    "condition",
    "duration",
    "unbroken",
)


def render(
    run: Run,
    metrics: dict,
    trials: pl.DataFrame,
    history: pl.DataFrame | None,
    notices: list[dict],
    findings: list[Finding] = (),
) -> str:
    """trials: the evaluated ones with `result` (rig.metrics.summary.evaluation)."""
    drawn: dict[str, dict] = {}
    album = Album(run.path / "frames")
    groups = [_group(run, metrics, i, trials, drawn, album) for i in range(len(metrics["groups"]))]
    album.fill(behind.MAX_BYTES - len(json.dumps(drawn)))
    names = list(dict.fromkeys(name for group in metrics["groups"] for name in group["artefacts"]))
    context = {
        "run": run,
        "record": run.record,
        "metrics": metrics,
        "notices": notices,
        "audit": audit_section(findings),
        "lead": first_screen.lead(run, metrics),
        "threat": first_screen.threat(run),
        "groups": groups,
        "overview": overview.overview(run, metrics),
        "transfer": overview.transfer_rows(run, metrics),
        "cells": album.as_dict(),
        "pooled": metrics["pooled"],
        "title": _title(metrics["groups"]),
        "textures": texture_rows(run, names),
        "main": headline.main_attack(names),
        "controls": [(name, headline.human(run, name), words.CONTROLS.get(name, "")) for name in _controls(names)],
        "histories": sections.histories(run, history, headline.main_attack(names), drawn),
        "refined": refined.refined_scenes(run, metrics, drawn),
        "interval_words": refined.interval_words(run),
        "views_per_cell": VIEWS_PER_CELL,
        "glossary": words.GLOSSARY,
        "outcomes": words.OUTCOMES,
        "command": shlex.join(run.record.command),
        "settings": json.dumps(run.record.config, indent=2, ensure_ascii=False),
    }
    return environment().get_template("report.html.j2").render(**context, **embedded(), figures=drawn)


def _controls(names: list[str]) -> list[str]:
    return [name for name in names if headline.is_control(name)]


def _title(groups: list[dict]) -> str:
    objects = list(dict.fromkeys(group["object"] for group in groups))
    targets = list(dict.fromkeys(group["target"] for group in groups))
    named = ", ".join(objects[:3]) + (" …" if len(objects) > 3 else "")
    aim = targets[0] if len(targets) == 1 else "their targets"
    return f"{named} → {aim}" if aim else named


def _group(run: Run, metrics: dict, i: int, trials: pl.DataFrame, drawn: dict, album: Album) -> dict:
    group, n = metrics["groups"][i], len(metrics["groups"])
    mine = trials.filter((pl.col("object") == group["object"]) & (pl.col("model") == group["model"]))
    first, rest = sections.curves(metrics, group, drawn)
    maps = sections.maps(metrics, group, mine, drawn)
    grid = sections.frames(run, group, mine, frames.MAX_BYTES // n)
    ends = sections.worst_and_best(run, group, mine, extremes.MAX_BYTES // n)
    album.show([*(cell for row in grid["rows"] for cell in row["cells"] if cell), *_pairs(ends)])
    return group | {
        "id": f"group-{i + 1}",
        "open": i == overview.most_important(metrics),
        "words": words.goal(group["target"]),
        "region": headline.region_words(group),
        "sentences": headline.sentences(run, metrics, group),
        "main_figure": first_screen.main_figure(metrics, group),
        "to_halve": first_screen.to_halve(first_screen.main_figure(metrics, group)),
        "cards": headline.cards(run, metrics, group),
        "legend": sections.legend(group["target"]),
        "grid": grid,
        "extremes": ends,
        "shown": [sections.short(name) for name in sections.shown_artefacts(group)],
        "maps": maps,
        "behind": sections.frames_behind(album, metrics, group, mine, maps),
        "rates": sections.rates_table(run, metrics, group),
        "tradeoff": sections.tradeoff(run, metrics, group, drawn),
        "persistence": sections.persistence_rows(run, metrics, group),
        "wrong": sections.wrong_rows(run, metrics, group),
        "curves": first,
        "more_curves": rest,
    }


def _pairs(ends: dict | None) -> list[dict]:
    return [*ends["worst"], *ends["best"]] if ends else []


def audit_section(findings: list[Finding]) -> dict:
    """What the template's audit needs: the page's first line, counts by status, all findings."""
    counts = Counter(finding.status for finding in findings)
    return {
        "first_line": first_line(findings),
        "counts": counts,
        "findings": findings,
        "worst": first_screen.audit_worst(findings),
        "marks": words.AUDIT_MARKS,
    }


@cache
def environment(**filters) -> Environment:
    """Made once a process: its templates take longer to compile than a page to fill. `filters` are a page's own."""
    loader = PackageLoader("rig.report", "templates")
    jinja = Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    jinja.filters |= {name: getattr(words, name) for name in FILTERS} | filters
    return jinja


@cache
def embedded() -> dict:
    """Style and scripts, and a policy under which a browser runs these scripts and fetches nothing at all.

    The same in every page: packed once a process. Not to be changed.
    """
    folder = resources.files("rig.report") / "templates"
    style, unpack, *own = (
        (folder / name).read_text("utf-8") for name in ("style.css", "plotly.js", "report.js", "cells.js")
    )
    scripts = [unpack.replace("PACKED", _packed(get_plotlyjs())), *own]
    allowed = " ".join(f"'sha256-{_digest(script)}'" for script in (get_plotlyjs(), *scripts))
    policy = (
        f"default-src 'none'; script-src {allowed}; style-src 'unsafe-inline'; img-src data: blob:; base-uri 'none'"
    )
    return {"style": Markup(style), "scripts": [Markup(script) for script in scripts], "policy": policy}


def _packed(script: str) -> str:
    return base64.b64encode(gzip.compress(script.encode(), mtime=0)).decode()


def _digest(script: str) -> str:
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
