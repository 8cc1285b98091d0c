"""The page of a viewpoint search: what fools with nothing changed, how soon it is found, and how large the regions are."""

import base64
import json
import shlex

import polars as pl

from rig.audit import Finding
from rig.metrics.load import Run
from rig.metrics.persistence import Cells
from rig.metrics.pose import RADII_DEG
from rig.report import pose_figures as figures
from rig.report.page import audit_section, embedded, environment
from rig.report.sections import keep, legend, map_views, result_names
from rig.report.words import DASH, OUTCOMES, angle, condition, goal, interval, number, percent, sentence_rate


def notices(metrics: dict) -> list[dict]:
    found = [{"level": "error", "text": text} for text in metrics["mismatches"]]
    if metrics["status"] != "done":
        found.append({"level": "warning", "text": "The run is not finished; figures cover what is there."})
    return found


def headline(run: Run, metrics: dict) -> list[str]:
    """The failing share first, then the searches, then how far what they found reaches."""
    group = metrics["groups"][0]
    name, words = run.record.threat_model.distribution.name, goal(group["target"])
    sample = metrics["sample"]
    share = f"{percent(sample['rate'])}, 95 % CI {interval(sample)}, Wilson"
    said = [
        f"Nothing changed on the {group['object']}: {words} by {group['model']} on {sample['k']} of {sample['n']} "
        f"views drawn from {name} ({share})."
    ]
    said += [_searched(one) for one in metrics["searches"]]
    return [*said, *_reach(metrics)]


TITLES = {"cmaes": "CMA-ES", "bayes": "Bayesian search", "random": "Random draws"}


def title(one: dict) -> str:
    return TITLES.get(one["search"], one["search"])


def _searched(one: dict) -> str:
    """What one search found, and when."""
    last = one["points"][-1]
    median = f", the median first one at query {one['median_first']:g}" if one["median_first"] is not None else ""
    return (
        f"{title(one)}: a failure in {sentence_rate(last)} runs of {one['longest']} queries{median}; "
        f"{one['fooled']['k']} of {one['fooled']['n']} queries failed, the deepest by {-one['best_margin']:.2f} logits."
        if one["best_margin"] < 0
        else f"{title(one)}: no failure in {one['n_runs']} runs of {one['longest']} queries; the nearest view "
        f"was missed by {one['best_margin']:.2f} logits."
    )


def _reach(metrics: dict) -> list[str]:
    failures = metrics["failures"]
    if not failures:
        return []
    said = f"{metrics['n_distinct']} distinct failures"
    widest = max(failures, key=lambda one: one["mass"]["k"])
    region = f"the largest region around them holds at least {sentence_rate(widest['mass'])} of the sampled views"
    widths = [one["half_width"] for one in failures if one["half_width"]]
    if not widths:
        return [f"{said}; {region}."]
    ends = sorted(widths, key=lambda one: float("inf") if one["deg"] is None else one["deg"])
    reach = f"from {degrees(ends[0])}"
    reach += f" to {degrees(ends[-1])}" if len(ends) > 1 else ""
    return [f"{said}; half-width at 50 % of the {len(failures)} deepest {reach}; {region}."]


def degrees(width: dict) -> str:
    """A half-width with its interval."""
    middle, low, high = (
        f"> {width['widest_deg']:g}°" if width[name] is None else f"{width[name]:.2g}°"
        for name in ("deg", "low", "high")
    )
    return f"{middle} (95 % CI {low} to {high})"


def render(run: Run, metrics: dict, trials: pl.DataFrame, notices: list[dict], findings: list[Finding]) -> str:
    """trials: those of the unbiased sample, with `result`."""
    drawn: dict[str, dict] = {}
    failures, group = metrics["failures"], metrics["groups"][0]
    searches = [one | {"title": title(one)} for one in metrics["searches"]]
    context = {
        "record": run.record,
        "metrics": metrics,
        "title": f"{group['object']}{' → ' + group['target'] if group['target'] else ''}: viewpoints that fool",
        "sentences": headline(run, metrics),
        "notices": notices,
        "audit": audit_section(findings),
        "words": goal(group["target"]),
        "legend": legend(group["target"]),
        "outcomes": OUTCOMES,
        "gallery": [_item(run, one) for one in failures],
        "searches": searches,
        "by_queries": keep(drawn, figures.by_queries(searches)),
        "around": keep(drawn, figures.around(failures)) if failures and failures[0]["radii"] else None,
        "map": _map(metrics, trials, drawn),
        "regions": [one | {"words": degrees(one["half_width"]) if one["half_width"] else DASH} for one in failures],
        "radii": RADII_DEG,
        "over": ", ".join(map(condition, run.record.config["over"])) or "pose and light, as far as they vary",
        "command": shlex.join(run.record.command),
        "settings": json.dumps(run.record.config, indent=2, ensure_ascii=False),
    }
    template = environment().get_template("pose.html.j2")
    return template.render(**context, **embedded(), figures=drawn)


def _map(metrics: dict, trials: pl.DataFrame, drawn: dict) -> str | None:
    if not metrics["persistence"]:
        return None
    group = metrics["groups"][0]
    cells = Cells(**{name: group["cells"][name] for name in ("bands", "columns", "azimuth_deg", "elevation_deg")})
    views = map_views(trials.drop_nulls(["azimuth_deg", "elevation_deg"]))
    names = result_names(group["target"])
    table = metrics["persistence"][0]["cells"]
    return keep(drawn, figures.failure_map(cells, table, views, names, metrics["failures"]))


def _item(run: Run, failure: dict) -> dict:
    path = run.path / "frames" / f"{failure['frame_hash']}.jpg"
    src = f"data:image/jpeg;base64,{base64.b64encode(path.read_bytes()).decode()}" if path.exists() else ""
    values = "; ".join(f"{condition(name)} {number(value, 2)}" for name, value in failure["values"].items())
    place = f"{angle(failure['azimuth_deg'])}, {angle(failure['elevation_deg'])}"
    return failure | {"title": title(failure), "src": src, "said": values, "where": place}
