"""Every artefact on every model: does a fooling made on one network carry over to others?"""

from rig.metrics.load import Run

OWN, SAME_NAME, OTHER, UNKNOWN = "made on it", "made on a file of the same name", "made on another", "not recorded"


def transfer(run: Run, rates: list[dict]) -> list[dict]:
    """A row an object x artefact other than clean, with a cell a model; [] for a run with one model.

    rates: as `rig.metrics.rates.rates` gives them. Each cell is the adversariality with its interval, and `made`.
    """
    models = list(dict.fromkeys(row["model"] for row in rates))
    if len(models) < 2:
        return []
    found = {}
    for row in rates:
        if row["artefact"] != "clean":
            place = {"object": row["object"], "artefact": row["artefact"], "target": row["target"]}
            made_on = origin(run, row["artefact"])
            start = place | {"made_on": made_on, "made_on_object": _made_on_object(made_on, row["object"]), "cells": []}
            cell = {"model": row["model"], "made": made(run, made_on, row["model"])}
            found.setdefault((row["object"], row["artefact"]), start)["cells"].append(cell | row["adversariality"])
    return list(found.values())


def origin(run: Run, artefact: str) -> dict | None:
    """The networks and objects an artefact was made on: as it says itself, or this run's where this run made it."""
    record = run.artefacts.get(artefact)
    said = getattr(record, "made_on", None)
    if isinstance(said, dict):
        return {"models": list(said.get("models") or []), "objects": list(said.get("objects") or [])}
    if not run.record.config.get("attack"):
        return None
    models = [{"name": model.name, "sha256": model.sha256_before} for model in run.record.models]
    return {"models": models, "objects": list(run.record.config.get("scenes") or {})}


def made(run: Run, made_on: dict | None, model: str) -> str:
    """Whether an artefact was made on this model's file: OWN, SAME_NAME, OTHER or UNKNOWN. Hashes decide where known."""
    if not made_on or not made_on["models"]:
        return UNKNOWN
    mine = next((one.sha256_before for one in run.record.models if one.name == model), None)
    named = [one for one in made_on["models"] if one.get("name") == model]
    if mine and any(one.get("sha256") == mine for one in made_on["models"]):
        return OWN
    if not named:
        return OTHER
    return SAME_NAME if mine and all(one.get("sha256") for one in named) else OWN


def _made_on_object(made_on: dict | None, name: str) -> bool | None:
    return name in made_on["objects"] if made_on and made_on["objects"] else None
