"""A study's page and table: every item with its interval, what they say together, how each was audited."""

import json
import shlex
from pathlib import Path

from rig.audit import FAIL
from rig.metrics.eot_study import ATTACKED, SUCCESSFUL, item_figures, study_figures
from rig.report.figures import axis, figure, rate_axis
from rig.report.page import embedded, environment
from rig.report.words import interval, number, percent, sentence_rate
from rig.runs import RunFolder

SCHEMA = 1
ITEMS, TRANSFER = "items", "transfer"


def write_eot_study(out: Path, names: list[str]) -> Path:
    """report.html, report.json and table.md, of the items that are done. Raises RunError."""
    study = RunFolder.open(out)
    done = [name for name in names if _is_done(out / ITEMS / name)]
    items = [item_figures(name, out / ITEMS / name, out / TRANSFER / name) | _audited(out, name) for name in done]
    figures = study_figures(items, study.state["seed"])
    said = [*_failed(items), *sentences(figures, len(names))]
    record = {"schema": SCHEMA, "planned": names, "headline": said, "items": items, "study": figures}
    study.write("report.json", (json.dumps(record, indent=1, ensure_ascii=False, allow_nan=False) + "\n").encode())
    study.write("table.md", markdown(items, figures, said).encode())
    return study.write("report.html", _page(study, items, figures, said).encode())


def _is_done(folder: Path) -> bool:
    return (folder / "run.json").exists() and RunFolder.open(folder).state["status"] == "done"


def _audited(out: Path, name: str) -> dict:
    """The numbers of the checks that failed in the item's own report."""
    findings = json.loads((out / ITEMS / name / "report.json").read_text(encoding="utf-8"))["audit"]
    return {"failed_checks": [one["number"] for one in findings if one["status"] == FAIL]}


CONTROLS = {
    "control_random": "A random change of the same spectrum and Delta-E",
    "control_single_view": "The same attack on a single view",
    "control_target_object": "An object of the target class",
}


def _failed(items: list[dict]) -> list[str]:
    """The first thing to read, where there is anything."""
    failed = [
        f"{item['item']} ({', '.join(map(str, item['failed_checks']))})" for item in items if item["failed_checks"]
    ]
    return [f"{len(failed)} of {len(items)} items fail checks of their audit: {'; '.join(failed)}."] if failed else []


def sentences(figures: dict, n_planned: int) -> list[str]:
    hit, right, clean = (figures[name] for name in ("adversariality", "accuracy", "clean_accuracy"))
    said = [
        f"{figures['n_items']} of {n_planned} planned items ({figures['n_objects']} objects, {figures['n_views']} unseen "
        f"views): mean adversariality {_mean(hit)}, {_around(hit)}.",
        f"Still recognised on average: {_mean(right)} of views; the clean objects: {_mean(clean)}.",
        f"{sentence_rate(figures['successful_items'])} of the items are fooled on {percent(SUCCESSFUL, 0)} of their views "
        f"or more; mean Delta-E (CIE76) over object pixels {number(figures['delta_e_mean']['mean'])}.",
    ]
    for name, of_control in figures["controls"].items():
        said.append(f"{CONTROLS.get(name, name)}: {_mean(of_control)}, at most {percent(of_control['max'])}.")
    for model, of_model in figures["transfer"].items():
        part = "which was attacked, too" if model in figures["attacked"] else "which had no part in it"
        said.append(
            f"On {model}, {part}: adversariality {_mean(of_model['adversariality'])}, still "
            f"recognised {_mean(of_model['accuracy'])}, clean {_mean(of_model['clean_accuracy'])}."
        )
    return [*said, _method(hit)]


def _method(one: dict) -> str:
    if one["low"] is None:
        return "One object only: means over items have no interval."
    method = "Intervals of means hold for 95 % and draw whole objects again; of single rates they are Wilson's"
    return f"{method}; {one['warning']}." if one["warning"] else f"{method}."


def _mean(one: dict) -> str:
    return percent(one["mean"]) + ("" if one["low"] is None else f" ({interval(one)})")


def _around(one: dict) -> str:
    sd = "" if one["sd"] is None else f"sd {100 * one['sd']:.1f} points, "
    p10, p50 = (percent(one["quantiles"][q]) for q in ("0.1", "0.5"))
    return f"{sd}median {p50}, a tenth of items at {p10} or less, worst {percent(one['min'])}"


def markdown(items: list[dict], figures: dict, said: list[str]) -> str:
    """The table as a README shows it."""
    head = ["object -> target", "clean, recognised", "called target", "still recognised", "mean Delta-E", "controls"]
    head += [f"{name} (attacked, too)" if name in figures["attacked"] else name for name in figures["transfer"]]
    lines = ["| " + " | ".join(head) + " |", "|---" * len(head) + "|"]
    lines += ["| " + " | ".join(_cells(item, figures["transfer"])) + " |" for item in items]
    return "\n".join([*lines, "", *said]) + "\n"


def _cells(item: dict, networks: dict) -> list[str]:
    found = item["artefacts"]
    controls = [one["adversariality"] for name, one in found.items() if name.startswith("control_")]
    return [
        _plain(f"{item['object']} -> {item['target']}"),
        _rate(found["clean"]["accuracy"]),
        _rate(found[ATTACKED]["adversariality"]),
        _rate(found[ATTACKED]["accuracy"]),
        number(item["delta_e_mean"]),
        ", ".join(f"{one['k']}/{one['n']}" for one in controls) or "none",
        *(_rate(item["transfer"][model][ATTACKED]["adversariality"]) for model in networks),
    ]


def _plain(text: str) -> str:
    """A name from a file must not end a table's cell."""
    return text.replace("|", "\\|").replace("\n", " ")


def _rate(one: dict) -> str:
    return f"{one['k']}/{one['n']} = {percent(one['rate'])} [{100 * one['low']:.1f}, {100 * one['high']:.1f}]"


def _page(study: RunFolder, items: list[dict], figures: dict, said: list[str]) -> str:
    context = {
        "title": "EOT study",
        "record": study.state,
        "items": items,
        "study": figures,
        "sentences": said,
        "attacked": ATTACKED,
        "command": shlex.join(study.state["command"]),
        "settings": json.dumps(study.state["config"], indent=2, ensure_ascii=False),
    }
    drawn = {"items": items_figure(items)}
    return environment().get_template("eot_study.html.j2").render(**context, **embedded(), figures=drawn)


def items_figure(items: list[dict]) -> dict:
    """Each item's adversariality with its interval, and how often the clean object is recognised."""
    names = [f"{item['object']} → {item['target']}" for item in items]
    hits = [item["artefacts"][ATTACKED]["adversariality"] for item in items]
    clean = [item["artefacts"]["clean"]["accuracy"]["rate"] for item in items]
    common = {"type": "scatter", "mode": "markers", "y": names}
    error = {
        "type": "data",
        "symmetric": False,
        "array": [one["high"] - one["rate"] for one in hits],
        "arrayminus": [one["rate"] - one["low"] for one in hits],
        "color": "--fooled",
    }
    rows = [
        common
        | {
            "name": "clean, recognised",
            "x": clean,
            "marker": {"color": "--correct", "symbol": "circle-open", "size": 9},
        },
        common
        | {
            "name": "called target",
            "x": [one["rate"] for one in hits],
            "error_x": error,
            "marker": {"color": "--fooled", "symbol": "triangle-up", "size": 9},
        },
    ]
    return figure(rows, xaxis=rate_axis(), yaxis=axis(autorange="reversed", dtick=1), height=90 + 26 * len(items))
