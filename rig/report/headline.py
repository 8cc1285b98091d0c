"""What the first screen says: sentences with numbers, key figures, and what is wrong with the run."""

from rig.metrics.load import Run
from rig.report.words import counted, goal, interval, is_weighted, number, of_views, percent, sentence_rate, span


def main_attack(artefacts: list[str]) -> str | None:
    """The artefact that the page is about: "adversarial", else the first that is neither clean nor a control."""
    attacked = [name for name in artefacts if name != "clean" and not is_control(name)]
    return "adversarial" if "adversarial" in attacked else next(iter(attacked), None)


def is_control(name: str) -> bool:
    return name.startswith("control_")


def human(run: Run, artefact: str) -> str:
    """An artefact in words."""
    record = run.artefacts.get(artefact)
    fallback = "clean" if artefact == "clean" else artefact.replace("_", " ")
    return record.label if record and record.label else fallback


def rates_of(metrics: dict, group: dict) -> dict[str, dict]:
    """The rates of one object x model by artefact."""
    place = (group["object"], group["model"])
    return {row["artefact"]: row for row in metrics["rates"] if (row["object"], row["model"]) == place}


def persistence_of(metrics: dict, group: dict) -> dict[str, dict]:
    place = (group["object"], group["model"])
    return {row["artefact"]: row for row in metrics["persistence"] if (row["object"], row["model"]) == place}


def sentences(run: Run, metrics: dict, group: dict) -> list[str]:
    """A few sentences with k of n, rate, interval and its method for one object x model."""
    return list(kinds_of_sentences(run, metrics, group).values())


def kinds_of_sentences(run: Run, metrics: dict, group: dict) -> dict[str, str]:
    """The same by what they are about: attack, clean, others, controls; only those that there is something to say of."""
    rows, words = rates_of(metrics, group), goal(group["target"])
    attacked = main_attack(group["artefacts"])
    by = f" by {group['model']}" if len({other["model"] for other in metrics["groups"]}) > 1 else ""
    said = {"attack": _attack_sentence(run, rows[attacked], words, by)} if attacked else {}
    if "clean" in rows:
        said["clean"] = _clean_sentence(rows["clean"], words, group, by, first=not attacked)
    others = [name for name in group["artefacts"] if name not in ("clean", attacked)]
    for kind, title, names in (
        ("others", "Other textures", [name for name in others if not is_control(name)]),
        ("controls", "Controls", [name for name in others if is_control(name)]),
    ):
        rates = [f"{_named(run, name)}: {words} on {sentence_rate(rows[name]['adversariality'])}" for name in names]
        if rates:
            said[kind] = f"{title} at the same views: {'; '.join(rates)}."
    return said


def _named(run: Run, artefact: str) -> str:
    """In words, with its Delta-E where it is a painted texture."""
    record = run.artefacts.get(artefact)
    if is_control(artefact) or record is None or record.delta_e_mean is None:
        return human(run, artefact)
    return f"{human(run, artefact)} (mean Delta-E {number(record.delta_e_mean)})"


def _attack_sentence(run: Run, row: dict, words: str, by: str) -> str:
    reached = row["adversariality"]
    distance = run.artefacts[row["artefact"]].delta_e_mean if row["artefact"] in run.artefacts else None
    changed = f"; mean Delta-E (CIE76) over object pixels {number(distance)}" if distance is not None else ""
    return (
        f"Painted texture: {words}{by} on {of_views(reached, 'unseen views')}, "
        f"still recognised on {sentence_rate(row['accuracy'])}{changed}."
    )


def _clean_sentence(row: dict, words: str, group: dict, by: str, first: bool) -> str:
    said = of_views(row["accuracy"], "unseen views" if first else "views")
    where = "" if first else " at the same views"
    other = f", {words} on {sentence_rate(row['adversariality'])}" if group["target"] else ""
    return f"The clean {group['object']}{where}: recognised{by} on {said}{other}."


def cards(run: Run, metrics: dict, group: dict) -> list[dict]:
    """Key figures: title, value, note, and the proportion to draw as a bar (or None)."""
    rows, words = rates_of(metrics, group), goal(group["target"])
    attacked = main_attack(group["artefacts"])
    found = []
    if attacked:
        found.append(_card(f"Painted: {words}", rows[attacked]["adversariality"], "fooled"))
        found.append(_card("Painted: still recognised", rows[attacked]["accuracy"], "correct"))
    if "clean" in rows:
        found.append(_card("Clean: recognised", rows["clean"]["accuracy"], "correct"))
    controls = [rows[name] | {"title": human(run, name)} for name in group["artefacts"] if is_control(name)]
    if controls:
        strongest = max(controls, key=lambda row: row["adversariality"]["rate"])
        card = _card(f"Strongest control: {words}", strongest["adversariality"], "muted")
        found.append(card | {"note": f"{card['note']} · {strongest['title']}"})
    return found + (_attack_cards(run, metrics, group, attacked) if attacked else [])


def _card(title: str, figure: dict, color: str) -> dict:
    note = f"{figure['n']} views, weighted" if is_weighted(figure) else f"{counted(figure)} views"
    note += f" · {interval(figure)}"
    return {"title": title, "value": percent(figure["rate"]), "note": note, "bar": figure, "color": color}


def _attack_cards(run: Run, metrics: dict, group: dict, attacked: str) -> list[dict]:
    held = persistence_of(metrics, group).get(attacked)
    record = run.artefacts.get(attacked)
    found = []
    if held:
        title = "Largest contiguous fooled region"
        note = f"of the {region_words(group)}, cells with at least half of their views fooled"
        found.append({"title": title, "value": percent(held["contiguous_frac"], 0), "note": note, "bar": None})
    if record and record.delta_e_mean is not None:
        note = "mean over object pixels (CIE76)"
        note += f", 95th percentile {number(record.delta_e_p95)}" if record.delta_e_p95 is not None else ""
        found.append(
            {"title": "Delta-E, clean to painted", "value": number(record.delta_e_mean), "note": note, "bar": None}
        )
    return found


def region_words(group: dict) -> str:
    cells = group["cells"]
    if cells["sphere_frac"] > 0.999:
        return "view sphere"
    where = f"azimuth {span(cells['azimuth_deg'])}, elevation {span(cells['elevation_deg'])}"
    return f"sampled region ({where}; {percent(cells['sphere_frac'], 0)} of the sphere)"


def notices(run: Run, metrics: dict, file_problems: list[str]) -> list[dict]:
    """What the reader must know before the figures: {"level": "error" | "warning", "text"}. The audit grows here."""
    errors = [f"The recount from the stored trials disagrees. {text}" for text in metrics["mismatches"]]
    errors += [
        f"The model {model.name} changed while the run was under way: its hash before and after differ."
        for model in run.record.models
        if model.sha256_before and model.sha256_after and model.sha256_before != model.sha256_after
    ]
    errors += [text[0].upper() + text[1:] + "." for text in file_problems]
    warnings = _warnings(run, metrics)
    return [{"level": "error", "text": text} for text in errors] + [
        {"level": "warning", "text": text} for text in warnings
    ]


def _warnings(run: Run, metrics: dict) -> list[str]:
    found = []
    if run.record.status != "done":
        found.append(f"This run is not finished. The figures cover the {metrics['n_trials']} trials stored so far.")
    names = [name for group in metrics["groups"] for name in group["artefacts"]]
    if main_attack(names) and not any(map(is_control, names)):
        found.append("This run has no controls. An attack's rate without its controls is not a result.")
    empty = [
        name for name in ("goal", "knowledge", "capability", "budget") if not getattr(run.record.threat_model, name)
    ]
    if main_attack(names) and empty:
        found.append(f"The threat model does not state: {', '.join(empty)}.")
    return found
