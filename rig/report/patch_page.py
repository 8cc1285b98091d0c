"""The page of a patch on objects: the sticker and its size, rates where it is seen and everywhere, and its controls."""

import base64
import json
import shlex

import cv2
import polars as pl

from rig.audit import Finding
from rig.errors import RunError
from rig.images import encode_png, read_image
from rig.metrics.load import Run
from rig.metrics.patch import VISIBLE_FRAC, patch_record, sticker_settings, visible
from rig.report import headline as common
from rig.report import patch_figures as figures
from rig.report import sections
from rig.report.frames import MAX_BYTES
from rig.report.page import audit_section, embedded, environment
from rig.report.words import OUTCOMES, goal, interval, percent, sentence_rate

SHOWN_PX = 384
CONTROLS = {
    "control_random": "As many square millimetres of colour noise: the patch's own colour values and spatial spectrum, its phases "
    "random. Whatever it reaches is not the attack's merit.",
    "control_single_view": "The same attack on one view, without EOT: what optimising over many views adds.",
    "control_target_object": "A photograph of the target class, printed as large at the same place. If it works as well, "
    "the network sees the target because the target is there.",
}


def headline(run: Run, metrics: dict) -> list[str]:
    return [text for group in metrics["groups"] for text in _sentences(run, metrics, group)]


def _sentences(run: Run, metrics: dict, group: dict) -> list[str]:
    """Of one object: the sticker on the views that show it and on all, the clean object, the controls."""
    words, seen, rows = goal(group["target"]), _seen(metrics, group), common.rates_of(metrics, group)
    attacked, record = common.main_attack(group["artefacts"]), patch_record(run, "adversarial")
    if attacked is None or record is None:
        raise RunError("the run has no patch of the attack", where=run.path / "artefacts", hint="rig resume")
    width, height = record.size_mm
    whole, rule = rows[attacked], f"at least {percent(VISIBLE_FRAC, 0)} of the frame"
    said = f"Sticker of {width:g} × {height:g} mm on the {group['object']}: {words} by {group['model']} on "
    if attacked in seen:
        shown = seen[attacked]["adversariality"]
        span = f"{percent(shown['rate'])}, 95 % CI {interval(shown)}, Wilson"
        said += f"{shown['k']} of the {shown['n']} unseen views that show it ({rule}; {span}), and on "
    else:
        said += f"no view shows it ({rule}); on "
    said += f"{sentence_rate(whole['adversariality'])} of all; still recognised on {_both(rows, seen, attacked, 'accuracy')}."
    found = [
        said,
        f"The clean {group['object']} at the same views: recognised on {_both(rows, seen, 'clean', 'accuracy')}",
    ]
    found[1] += f", {words} on {_both(rows, seen, 'clean', 'adversariality')}." if group["target"] else "."
    controls = [
        f"{common.human(run, name)}: {words} on {_both(rows, seen, name, 'adversariality')}"
        for name in group["artefacts"]
        if common.is_control(name)
    ]
    return found + ([f"Controls at the same views: {'; '.join(controls)}."] if controls else [])


def _both(rows: dict, seen: dict, artefact: str, rate: str) -> str:
    whole = f"{sentence_rate(rows[artefact][rate])} of all" if artefact in seen else sentence_rate(rows[artefact][rate])
    return f"{sentence_rate(seen[artefact][rate])} of those that show it, {whole}" if artefact in seen else whole


def _seen(metrics: dict, group: dict) -> dict[str, dict]:
    """Rates over the views that show the sticker, by artefact."""
    place = (group["object"], group["model"])
    return {row["artefact"]: row for row in metrics["patch"]["visible"] if (row["object"], row["model"]) == place}


def notices(run: Run, metrics: dict) -> list[dict]:
    """Those of any attack, and controls that say something against this one."""
    found = common.notices(run, metrics, [])
    not_run = (run.record.model_extra or {}).get("controls_not_run")
    for name, why in not_run.items() if isinstance(not_run, dict) else ():
        found.append({"level": "warning", "text": f"Not run: {name.replace('_', ' ')}: {why}."})
    picture = run.artefacts.get("control_target_object")
    called = picture.details.get("picture_alone_is_called") if picture else None
    target = metrics["groups"][0]["target"]
    if called is not None and called != target:
        text = f"The control's picture of the target is itself called {called}, not {target}: it is a weak control."
        found.append({"level": "warning", "text": text})
    return found


def render(
    run: Run,
    metrics: dict,
    trials: pl.DataFrame,
    history: pl.DataFrame | None,
    notices: list[dict],
    findings: list[Finding],
) -> str:
    """trials: the evaluated ones with `result`."""
    drawn: dict[str, dict] = {}
    groups = [_group(run, metrics, group, trials, drawn) for group in metrics["groups"]]
    names = list(dict.fromkeys(name for group in metrics["groups"] for name in group["artefacts"]))
    target = metrics["groups"][0]["target"]
    context = {
        "record": run.record,
        "metrics": metrics,
        "title": f"{', '.join(dict.fromkeys(group['object'] for group in groups))}{' → ' + target if target else ''}: sticker",
        "notices": notices,
        "audit": audit_section(findings),
        "groups": groups,
        "sticker": patch_record(run, "adversarial"),
        "asked": sticker_settings(run),
        "patches": [_picture(run, name) for name in names if patch_record(run, name)],
        "controls": [
            (name, common.human(run, name), CONTROLS.get(name, "")) for name in names if common.is_control(name)
        ],
        "histories": sections.histories(run, history, "adversarial", drawn),
        "legend": sections.legend(target),
        "outcomes": OUTCOMES,
        "command": shlex.join(run.record.command),
        "settings": json.dumps(run.record.config, indent=2, ensure_ascii=False),
    }
    return environment().get_template("patch.html.j2").render(**context, **embedded(), figures=drawn)


def _group(run: Run, metrics: dict, group: dict, trials: pl.DataFrame, drawn: dict) -> dict:
    mine = trials.filter((pl.col("object") == group["object"]) & (pl.col("model") == group["model"]))
    place = (group["object"], group["model"])
    (bins,) = (one["bins"] for one in metrics["patch"]["by_share"] if (one["object"], one["model"]) == place)
    seen, words = _seen(metrics, group), goal(group["target"])
    shown = [(name, common.human(run, name)) for name in group["artefacts"] if name != "clean"]
    maps = [
        one | {"title": title}
        for one, title in zip(sections.maps(metrics, group, mine, drawn), ("clean", "with the sticker"), strict=False)
    ]
    return group | {
        "words": words,
        "sentences": _sentences(run, metrics, group),
        "rates": [row | {"seen": seen.get(row["artefact"])} for row in sections.rates_table(run, metrics, group)],
        "grid": sections.frames(run, group, visible(mine), MAX_BYTES // len(metrics["groups"])),
        "bins": [one | {"words": figures.share_words(one["low"], one["high"])} for one in bins],
        "shown": shown,
        "by_share": sections.keep(drawn, figures.by_share(bins, shown, words)),
        "maps": maps,
    }


def _picture(run: Run, name: str) -> dict:
    """patch.png as it is, its pixels enlarged by a whole number so that they stay pixels."""
    image = read_image(run.path / "artefacts" / name / "patch.png")
    times = max(1, SHOWN_PX // max(image.shape[:2]))
    large = cv2.resize(image, None, fx=times, fy=times, interpolation=cv2.INTER_NEAREST)
    src = f"data:image/png;base64,{base64.b64encode(encode_png(large)).decode()}"
    size = f"{image.shape[1]} × {image.shape[0]} px"
    return {"name": name, "label": common.human(run, name), "src": src, "size": size, "record": patch_record(run, name)}
