"""The page: sections into the template, everything it needs inside one file."""

import base64
import hashlib
import json
import shlex
from collections import Counter
from importlib import resources

import polars as pl
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from plotly.offline import get_plotlyjs

from rig.audit import Finding, first_line
from rig.metrics.load import Run
from rig.metrics.persistence import VIEWS_PER_CELL
from rig.report import behind, headline, refined, sections, words
from rig.report.behind import Album
from rig.report.frames import MAX_BYTES, RULE
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
    groups = [_group(run, metrics, group, trials, drawn, album) for group in metrics["groups"]]
    album.fill(behind.MAX_BYTES - len(json.dumps(drawn)))
    names = list(dict.fromkeys(name for group in metrics["groups"] for name in group["artefacts"]))
    context = {
        "run": run,
        "record": run.record,
        "metrics": metrics,
        "notices": notices,
        "audit": audit_section(findings),
        "groups": groups,
        "cells": album.as_dict(),
        "pooled": metrics["pooled"],
        "title": _title(metrics["groups"]),
        "textures": texture_rows(run, names),
        "main": headline.main_attack(names),
        "controls": [(name, headline.human(run, name), words.CONTROLS.get(name, "")) for name in _controls(names)],
        "histories": sections.histories(run, history, headline.main_attack(names), drawn),
        "refined": refined.refined_scenes(run, metrics, drawn),
        "interval_words": refined.interval_words(run),
        "frame_rule": RULE,
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
    parts = [f"{group['object']} → {group['target']}" if group["target"] else group["object"] for group in groups]
    parts = list(dict.fromkeys(parts))
    return ", ".join(parts[:3]) + (" …" if len(parts) > 3 else "")


def _group(run: Run, metrics: dict, group: dict, trials: pl.DataFrame, drawn: dict, album: Album) -> dict:
    mine = trials.filter((pl.col("object") == group["object"]) & (pl.col("model") == group["model"]))
    first, rest = sections.curves(metrics, group, drawn)
    maps = sections.maps(metrics, group, mine, drawn)
    rows = sections.frames(run, group, mine, MAX_BYTES // len(metrics["groups"]))
    album.shown |= {
        frame["hash"]: frame["src"] for row in rows for cell in row["cells"] if cell for frame in cell["frames"]
    }
    return group | {
        "words": words.goal(group["target"]),
        "region": headline.region_words(group),
        "sentences": headline.sentences(run, metrics, group),
        "cards": headline.cards(run, metrics, group),
        "legend": sections.legend(group["target"]),
        "frame_rows": rows,
        "shown": [sections.short(name) for name in sections.shown_artefacts(group)],
        "maps": maps,
        "behind": sections.frames_behind(album, metrics, group, mine, maps),
        "rates": sections.rates_table(run, metrics, group),
        "tradeoff": sections.tradeoff(run, metrics, group, drawn),
        "persistence": sections.persistence_rows(run, metrics, group),
        "curves": first,
        "more_curves": rest,
    }


def audit_section(findings: list[Finding]) -> dict:
    """What the template's audit needs: the page's first line, counts by status, all findings."""
    counts = Counter(finding.status for finding in findings)
    return {"first_line": first_line(findings), "counts": counts, "findings": findings, "marks": words.AUDIT_MARKS}


def environment() -> Environment:
    loader = PackageLoader("rig.report", "templates")
    jinja = Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    jinja.filters |= {name: getattr(words, name) for name in FILTERS}
    return jinja


def embedded() -> dict:
    """Style and scripts, and a policy under which a browser runs these scripts and fetches nothing at all."""
    folder = resources.files("rig.report") / "templates"
    style, *own = ((folder / name).read_text("utf-8") for name in ("style.css", "report.js", "cells.js"))
    scripts = [get_plotlyjs(), *own]
    allowed = " ".join(f"'sha256-{_digest(script)}'" for script in scripts)
    policy = (
        f"default-src 'none'; script-src {allowed}; style-src 'unsafe-inline'; img-src data: blob:; base-uri 'none'"
    )
    return {"style": Markup(style), "scripts": [Markup(script) for script in scripts], "policy": policy}


def _digest(script: str) -> str:
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
