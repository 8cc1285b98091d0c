"""Check 21: could a stranger make this run again, and is it the model's and the views' that it says it is?"""

import hashlib
import math
from pathlib import Path

import numpy as np
import polars as pl

from rig.audit.evidence import PIXEL, POSE, SESSION, SWEEP, TEXTURE, Evidence
from rig.audit.finding import Verdict, met, unmet, unsure
from rig.audit.parts import OLDER, parts_problem
from rig.audit.seen import evaluation_views
from rig.contracts import View
from rig.metrics.load import ModelRecord
from rig.metrics.patch import PATCH_JOB
from rig.model.cache import cache_folder
from rig.model.zoo import names as zoo_names

RUNTIMES = ("onnxruntime", "onnxruntime-gpu")  # packages of one program


def provenance(evidence: Evidence) -> Verdict:
    missing, record = _missing(evidence), evidence.run.record
    if missing:
        return unmet(f"run.json does not state: {', '.join(missing)}.", missing=missing)
    swapped = [one for one in record.models if one.sha256_after and one.sha256_after != one.sha256_before]
    if swapped:
        pair = f"{swapped[0].sha256_before[:12]} before, {swapped[0].sha256_after[:12]} after"
        return unmet(f"The model file {swapped[0].name} changed while the run was under way: {pair}.")
    if edited := parts_problem(evidence.run):
        return unmet(f"{edited}.")
    if strange := _other_poses(evidence):
        n = len(strange)
        return unmet(f"{n} stored views are not those that seed and distribution give.", views=strange[:20])
    files = {one.name: _file_now(evidence, one) for one in record.models}
    if differ := _not_reproduced(evidence):
        return unmet(differ, files=files)
    if record.status != "done":
        return unsure("The run is not finished: the models' hashes after it are not known yet.", files=files)
    if changed := [name for name, state in files.items() if state == "another file"]:
        return unsure(f"The file of {changed[0]} on this machine is no longer the one of the run.", files=files)
    again = _reproduced_words(evidence)
    said = f"Settings, seed, versions, selection rule and queries are stated; models unchanged{again}"
    if record.parts is None:
        return unsure(f"{said}; {OLDER}.", files=files)
    return met(f"{said}; all parts are as they were written.", files=files)


def _missing(evidence: Evidence) -> list[str]:
    record = evidence.run.record
    stated = {
        "settings": record.config,
        "seed": record.seed is not None,
        "versions": record.versions.get("python") and any(record.versions.get(name) for name in RUNTIMES),
        "the command": record.command,
        "when it was made": record.started,
        "rig's version": record.rig,
        "hashes of what went in": any(record.hashes.values()),
        "queries": record.resources.get("queries") or record.status != "done",
        "the selection rule": not evidence.job or _selection(evidence),
        "the models": record.models,
        **{f"the hash of {one.name} before": one.sha256_before for one in record.models},
        **{f"the hash of {one.name} after": one.sha256_after or record.status != "done" for one in record.models},
    }
    return [name for name, value in stated.items() if not value]


def _selection(evidence: Evidence) -> bool:
    """Which views, frames or images count: drawn how, and how many."""
    config = evidence.config
    if evidence.job in (TEXTURE, SWEEP, POSE, PATCH_JOB):
        return {"views", "policy"} <= set(config.get("sweep", {}))
    keys = {SESSION: {"sessions", "crops"}, PIXEL: {"images", "limit", "pixels"}}
    return keys.get(evidence.job, set()) <= set(config)


def _other_poses(evidence: Evidence) -> list[str]:
    """Stored views of simulated runs whose numbers the declared seed and distribution do not give."""
    if evidence.job not in (TEXTURE, SWEEP, POSE, PATCH_JOB):
        return []
    asked, seed, rows = evidence.config["sweep"], evidence.run.record.seed, evidence.trials
    refined = evidence.run.record.refinement
    drawn = {
        name: evaluation_views(config, asked, seed, refined.get(name))
        for name, config in evidence.scene_configs.items()
    }
    return [view for name, one in drawn.items() for view in _not_drawn(rows.filter(pl.col("object") == name), one)]


def _not_drawn(rows: pl.DataFrame, drawn: list[View]) -> list[str]:
    """Views of the rows that are not among those drawn, or have other numbers."""
    values = {view.id: list(view.values.values()) for view in drawn}
    names = list(drawn[0].values)
    if lacking := [name for name in names if name not in rows.columns]:
        return [f"all, {lacking[0]} is not stored"]
    stored = rows.select("view", *names).unique(maintain_order=True)
    nowhere = [math.nan] * len(names)
    expected = np.array([values.get(view, nowhere) for view in stored["view"]])
    same = np.isclose(stored.select(names).to_numpy(), expected, rtol=0, atol=1e-9).all(axis=1)
    return stored.filter(pl.Series(~same))["view"].to_list()


def _file_now(evidence: Evidence, model: ModelRecord) -> str:
    """Whether the file that the run names is here, and still the one; nothing is fetched."""
    for given in map(str, evidence.config.get("models", [])):
        path = cache_folder("models") / f"{given}.onnx" if given in zoo_names() else Path(given)
        if path.is_file() and model.name in (given, path.stem):
            same = hashlib.sha256(path.read_bytes()).hexdigest() == model.sha256_before
            return "the same file" if same else "another file"
    return "not on this machine"


def _not_reproduced(evidence: Evidence) -> str:
    """With --deep: stored predictions asked of the file again, from frames rendered again."""
    answers = evidence.deep("answers")
    if answers is None or not answers["trials"]["differ"]:
        return ""
    found = answers["trials"]
    return (
        f"{len(found['differ'])} of {found['n']} stored predictions are not what the model gives: {found['differ'][0]}."
    )


def _reproduced_words(evidence: Evidence) -> str:
    answers = evidence.deep("answers")
    if answers is None:
        return ""
    return f"; {answers['trials']['n']} stored predictions were asked of the file again and agree"
