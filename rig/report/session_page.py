"""The page of a session sweep: what models say before a camera, for how long, and how far renders are from it."""

import base64
import json
import shlex
from pathlib import Path

import numpy as np
import polars as pl

from rig.audit import Finding
from rig.capture.crops import parse_crop
from rig.metrics.load import Run
from rig.metrics.session import cells_of
from rig.report import session_figures
from rig.report.figures import sphere_map
from rig.report.headline import human
from rig.report.page import audit_section, embedded, environment
from rig.report.sections import keep, legend, map_views, result_names
from rig.report.words import OUTCOMES, angle, goal, interval, percent

SECTORS = 8
MAX_BYTES = 2_500_000
SOURCES = {"capture": "captured", "render": "rendered"}
RULE = (
    f"For each of {SECTORS} sectors of azimuth the frame nearest to its middle among those with a stored thumbnail, "
    "whatever its outcome. Above what the camera took, below its twin: the scene rendered from the recovered pose "
    "through the camera's lens, light and background drawn from the scene."
)


def notices(metrics: dict) -> list[dict]:
    found = [{"level": "error", "text": text} for text in metrics["mismatches"]]
    if metrics["status"] != "done":
        found.append({"level": "warning", "text": "The run is not finished; figures cover what is there."})
    for one in metrics["sessions"]:
        if one["artefact"] != "clean" and one["n_twins"] < one["n"]:
            text = f"Pass {one['pass']}: {one['n'] - one['n_twins']} of {one['n']} frames have no clean frame near by."
            found.append({"level": "warning", "text": text})
    return found


def headline(run: Run, metrics: dict) -> list[str]:
    """Sentences with k of n; intervals draw blocks of neighbouring frames again."""
    said = []
    for model in dict.fromkeys(row["model"] for row in metrics["rates"]):
        said += [_rate_sentence(run, metrics, model, artefact) for artefact in _artefacts(metrics)]
    return said + [_gap_sentence(run, row) for row in _shown_gaps(metrics)] + _dwell_sentences(run, metrics)


def _artefacts(metrics: dict) -> list[str]:
    """Attacked ones first."""
    return sorted(dict.fromkeys(row["artefact"] for row in metrics["rates"]), key=lambda name: name == "clean")


def _rate_sentence(run: Run, metrics: dict, model: str, artefact: str) -> str:
    rows = [
        row
        for row in metrics["rates"]
        if (row["model"], row["artefact"], row["source"]) == (model, artefact, "capture")
    ]
    rate, words = ("accuracy", "recognised") if artefact == "clean" else ("adversariality", goal(rows[0]["target"]))
    parts = [
        f"{row[rate]['k']} of {row['n']} frames ({percent(row[rate]['rate'])}, 95 % CI {interval(row[rate])}) "
        f"in {parse_crop(row['crop']).words}"
        for row in rows
    ]
    return f"Before the camera, {human(run, artefact)}: {words} by {model} on {'; on '.join(parts)}."


def main_crop(metrics: dict) -> str:
    """The crop that frames and maps show: placed by the board where there is one."""
    crops = list(dict.fromkeys(row["crop"] for row in metrics["rates"]))
    return "board" if "board" in crops else crops[0]


def _shown_gaps(metrics: dict) -> list[dict]:
    return [row for row in metrics["gaps"] if row["crop"] == main_crop(metrics)]


def _gap_sentence(run: Run, row: dict) -> str:
    name, words = ("recognised", "recognised") if row["artefact"] == "clean" else ("fooled", goal(row["target"]))
    gap = row[name]
    return (
        f"Sim-to-real gap, {human(run, row['artefact'])}, {row['model']}: {words} on {gap['k_first']} of {gap['n']} "
        f"frames captured and {gap['k_second']} rendered at the same views: {points(gap)}."
    )


def short_points(gap: dict) -> str:
    """For a table whose head says what it is."""
    if gap["low"] is None or gap["low"] == gap["high"]:
        return f"{100 * gap['difference']:+.1f}"
    return f"{100 * gap['difference']:+.1f} ({100 * gap['low']:+.1f} to {100 * gap['high']:+.1f})"


def points(gap: dict) -> str:
    """The difference in points with its interval; without one where all pairs differ alike."""
    difference = f"{100 * gap['difference']:+.1f} points"
    if gap["low"] is None or gap["low"] == gap["high"]:
        return difference
    return f"{difference} (95 % CI {100 * gap['low']:+.1f} to {100 * gap['high']:+.1f})"


def _dwell_sentences(run: Run, metrics: dict) -> list[str]:
    rows = [row for row in metrics["dwell"] if row["artefact"] != "clean" and row["crop"] == main_crop(metrics)]
    if not rows:
        return []
    best = max(rows, key=lambda row: (row["longest_frames"], row["longest_s"]))
    return [
        f"Longest fooled spell: {best['longest_frames']} frames in a row, {best['longest_s']:.1f} s "
        f"(pass {best['pass']}, {human(run, best['artefact'])}, {best['model']})."
    ]


def render(run: Run, metrics: dict, trials: pl.DataFrame, notices: list[dict], findings: list[Finding] = ()) -> str:
    drawn: dict[str, dict] = {}
    target, crop = trials["target_label"][0], main_crop(metrics)
    context = {
        "record": run.record,
        "metrics": metrics,
        "title": ", ".join(trials["object"].unique(maintain_order=True)) + " before the camera",
        "sentences": headline(run, metrics),
        "notices": notices,
        "audit": audit_section(findings),
        "legend": legend(target),
        "words": goal(target),
        "crop": crop,
        "crops": [parse_crop(name).words for name in dict.fromkeys(row["crop"] for row in metrics["rates"])],
        "human": {name: human(run, name) for name in _artefacts(metrics)},
        "sources": SOURCES,
        "points": short_points,
        "frame_rule": RULE,
        "outcomes": OUTCOMES,
        "models": [_model(run, metrics, trials.filter(pl.col("model") == name), drawn) for name in _models(metrics)],
        "command": shlex.join(run.record.command),
        "settings": json.dumps(run.record.config, indent=2, ensure_ascii=False),
    }
    return environment().get_template("session.html.j2").render(**context, **embedded(), figures=drawn)


def _models(metrics: dict) -> list[str]:
    return list(dict.fromkeys(row["model"] for row in metrics["rates"]))


def _model(run: Run, metrics: dict, trials: pl.DataFrame, drawn: dict) -> dict:
    model, crop, target = trials["model"][0], main_crop(metrics), trials["target_label"][0]
    mine = {
        name: [row for row in metrics[name] if row["model"] == model] for name in ("rates", "gaps", "dwell", "maps")
    }
    shown = trials.filter(pl.col("crop") == crop)
    budget = MAX_BYTES // len(_models(metrics))
    gaps = [
        row | {"figure": keep(drawn, session_figures.by_azimuth(row["by_azimuth"], goal(target)))}
        for row in mine["gaps"]
        if row["crop"] == crop
    ]
    return {
        "name": model,
        "rates": mine["rates"],
        "gaps": mine["gaps"],
        "drawn_gaps": gaps,
        "dwell": [row for row in mine["dwell"] if row["crop"] == crop],
        "time": keep(drawn, session_figures.over_time(_passes(shown), result_names(target))),
        "maps": [_map(row, shown, metrics, trials, drawn) for row in mine["maps"] if row["crop"] == crop],
        "frames": _frames(run, shown, budget),
    }


def _passes(shown: pl.DataFrame) -> list[tuple[str, list[dict]]]:
    taken = shown.filter(pl.col("source") == "capture").sort("time_s")
    found = []
    for (_, name), one in taken.partition_by("session", "pass", as_dict=True, maintain_order=True).items():
        since = one["time_s"].min()
        rows = [
            {
                "time_s": row["time_s"] - since,
                "result": row["result"],
                "text": f"frame {row['frame']:.0f}: {row['predicted']} ({percent(row['predicted_prob'], 0)})",
            }
            for row in one.iter_rows(named=True)
        ]
        found.append((name, rows))
    return found


def _map(row: dict, shown: pl.DataFrame, metrics: dict, trials: pl.DataFrame, drawn: dict) -> dict:
    mine = shown.filter((pl.col("source") == row["source"]) & (pl.col("artefact") == row["artefact"]))
    views = map_views(mine.drop_nulls(["azimuth_deg", "elevation_deg"]))
    spec = sphere_map(cells_of(trials), row["cells"], views, result_names(mine["target_label"][0]))
    return row | {"figure": keep(drawn, spec), "n": len(views)}


def _frames(run: Run, shown: pl.DataFrame, budget: int) -> list[dict]:
    """One row an artefact: pairs of captured and rendered frames, one a sector of azimuth, within `budget` bytes."""
    rows, used = [], 0
    for (artefact,), group in shown.partition_by("artefact", as_dict=True, maintain_order=True).items():
        pairs = []
        for view in _chosen(group, run.path / "frames"):
            pair = _pair(group.filter(pl.col("view") == view), run.path / "frames")
            used += sum(len(frame["src"]) for frame in pair["frames"])
            if used <= budget:
                pairs.append(pair)
        if pairs:
            rows.append({"artefact": artefact, "pairs": pairs})
    return rows


def _chosen(group: pl.DataFrame, folder: Path) -> list[str]:
    """Views by sector, of those that the camera took and whose thumbnails are all there."""
    stored = [path.stem for path in folder.glob("*.jpg")]
    whole = group.filter(pl.col("frame_hash").is_in(stored))
    complete = whole.group_by("view").agg(pl.len(), pl.col("source").unique())
    n_sources = group["source"].n_unique()
    views = complete.filter(pl.col("len") == n_sources)["view"].to_list()
    taken = whole.filter((pl.col("source") == "capture") & pl.col("view").is_in(views)).drop_nulls("azimuth_deg")
    chosen = []
    for sector in range(SECTORS):
        middle = -180 + (sector + 0.5) * 360 / SECTORS
        off = np.abs((taken["azimuth_deg"].to_numpy() - middle + 180) % 360 - 180)
        if len(off) and off.min() <= 180 / SECTORS:
            chosen.append(taken["view"][int(off.argmin())])
    return chosen


def _pair(rows: pl.DataFrame, folder: Path) -> dict:
    ordered = sorted(rows.iter_rows(named=True), key=lambda row: list(SOURCES).index(row["source"]))
    frames = [
        {
            "src": f"data:image/jpeg;base64,{base64.b64encode((folder / (row['frame_hash'] + '.jpg')).read_bytes()).decode()}",
            "source": SOURCES[row["source"]],
            "predicted": row["predicted"],
            "prob": row["predicted_prob"],
            "result": row["result"],
        }
        for row in ordered
    ]
    return {"where": f"{angle(ordered[0]['azimuth_deg'])}, {angle(ordered[0]['elevation_deg'])}", "frames": frames}
