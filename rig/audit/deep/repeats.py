"""The same attack again with one thing changed: twice the steps, one step, no budget, other seeds. Few views each."""

import polars as pl

from rig.audit.evidence import FOLDER, Evidence
from rig.metrics.load import read_run
from rig.metrics.paired import paired
from rig.runs import RunFolder
from rig.views import derive_seed

N_VIEWS = 60
N_STARTS = 10
UNBOUNDED = {"max_delta_e": None, "epsilon": None, "distance_weight": 0.0}


def attacked_again(evidence: Evidence, name: str, resume, progress, seed: int | None = None, **attack) -> pl.DataFrame:
    """The attack's rows of RUN/audit/NAME, a run of its own that is begun, gone on with, or already there."""
    config = evidence.config
    fewer = {"views": min(N_VIEWS, config["sweep"]["views"])}
    changed = {
        "attack": config["attack"] | attack,
        "trade_off": [],
        "controls": False,
        "sweep": config["sweep"] | fewer,
    }
    path = evidence.run.path / FOLDER / name
    command = ["rig", "audit", str(evidence.run.path), "--deep"]
    run = RunFolder.start(path, command, config | changed, evidence.run.record.seed if seed is None else seed)
    if run.state["status"] != "done":
        resume(path, progress)
    return Evidence(read_run(path)).attacked


def double_steps(evidence: Evidence, resume, progress) -> dict:
    steps = 2 * evidence.settings.steps
    return {
        "steps": steps,
        "paired": _paired(evidence, attacked_again(evidence, "double-steps-run", resume, progress, steps=steps), True),
    }


def one_step(evidence: Evidence, resume, progress) -> dict:
    """Across the whole range at once, then shrunk to the budget: what FGSM is to iterative attacks."""
    one = {"steps": 1, "step_size": 1.0, "validate_every": 1}
    return {"paired": _paired(evidence, attacked_again(evidence, "one-step-run", resume, progress, **one), False)}


def unbounded(evidence: Evidence, resume, progress) -> dict:
    rows = attacked_again(evidence, "unbounded-run", resume, progress, **UNBOUNDED)
    return {"k": int(rows["fooled"].sum()), "n": len(rows)}


def make_restarts(evidence: Evidence, resume, progress) -> dict:
    """N_STARTS seeds, each with attack, validation and evaluation views of its own."""
    starts = []
    for number in range(N_STARTS):
        seed = derive_seed(evidence.run.record.seed, "restart", number)
        rows = attacked_again(evidence, f"restart-{number:02d}-run", resume, progress, seed=seed)
        starts.append([int(rows["fooled"].sum()), len(rows)])
    return {"starts": starts}


REPEATS = {"double-steps": double_steps, "one-step": one_step, "unbounded": unbounded}


def _paired(evidence: Evidence, again: pl.DataFrame, again_first: bool) -> dict:
    """The stored attack and the repeat at the views of both: equal seeds draw equal views."""
    stored = evidence.attacked.filter(pl.col("artefact") == "adversarial").select("view", "model", stored="fooled")
    both = again.join(stored, on=["view", "model"], how="inner", maintain_order="left")
    sides = [both["fooled"], both["stored"]]
    return paired(*(sides if again_first else sides[::-1]), both["view"].to_list(), 0)
