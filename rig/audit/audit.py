"""All checks on one run, in their order. A check that stumbles over a damaged file says so; it never passes."""

import re
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path

from rig.audit import (
    budget,
    comparisons,
    convergence,
    gradients,
    model,
    outcomes,
    patch,
    provenance,
    sessions,
    stages,
    statement,
    statistics,
    strength,
    validity,
    views,
)
from rig.audit.evidence import Evidence
from rig.audit.finding import FAIL, WARN, Finding, Verdict, unmet, unsure
from rig.errors import RigError
from rig.metrics.load import Run, read_run
from rig.metrics.patch import PATCH_JOB


@dataclass(frozen=True)
class Check:
    """`level`: F, the report fails, or W, it warns."""

    number: int
    name: str
    level: str
    of: Callable[[Evidence], Verdict]


CHECKS = (
    Check(1, "threat model", "F", statement.threat_model),
    Check(2, "clean twin", "F", views.clean_twins),
    Check(3, "disjoint views", "F", views.disjoint),
    Check(4, "targeted success", "F", outcomes.targeted_success),
    Check(5, "budget", "F", budget.within_budget),
    Check(6, "gradient reaches the variable", "F", gradients.reaches_variable),
    Check(7, "logits, not softmax, feed the loss", "F", model.logits),
    Check(8, "determinism", "F", model.determinism),
    Check(9, "gradient model = deployed model", "F", model.agreement),
    Check(10, "silent success", "W", convergence.best_kept),
    Check(11, "convergence", "W", convergence.converged),
    Check(12, "restarts", "W", strength.restarts),
    Check(13, "monotone in budget", "W", strength.monotone),
    Check(14, "unbounded attack", "F", strength.unbounded),
    Check(15, "order", "F", comparisons.order),
    Check(16, "gradient-free and random baselines", "W", comparisons.baselines),
    Check(17, "worst case", "F", outcomes.worst_case),
    Check(18, "controls", "F", comparisons.controls),
    Check(19, "non-differentiable stages", "W", stages.listed),
    Check(20, "miss split", "F", outcomes.miss_split),
    Check(21, "provenance", "F", provenance.provenance),
    Check(22, "intervals", "F", statistics.intervals),
    Check(23, "cells", "W", statistics.cells),
    Check(24, "sim vs real", "W", sessions.sim_against_real),
    Check(25, "attack validity", "W", validity.valid),
)
OF_ANY_RUN = (1, 21)  # the others read trials, which not every kind of run keeps
OF_KNOWN_JOBS = (3, 5, 6, 9, 10, 11, 12, 13, 14, 19, 25)  # what they look at depends on what was done


def audit(run: Run | Path, metrics: dict | None = None, only: Collection[int] | None = None) -> list[Finding]:
    """One finding for each check, or for those `only`, in order.

    `metrics`: figures about to be written; else those of metrics.json.

    Raises RunError for a folder that is no run, or holds no readable trials.
    """
    evidence = Evidence(run if isinstance(run, Run) else read_run(run), metrics)
    if evidence.has_trials:
        _ = evidence.trials
    return [_found(check, evidence) for check in CHECKS if only is None or check.number in only]


def _found(check: Check, evidence: Evidence) -> Finding:
    try:
        verdict = _verdict(check, evidence)
    except RigError as error:
        verdict = unmet(f"cannot be verified: {error}")
    status = WARN if verdict.status == FAIL and check.level == "W" else verdict.status
    sentence = re.sub(r"(\d)%", r"\1 %", verdict.sentence)
    return Finding(check.number, check.name, check.level, status, sentence, verdict.evidence)


def _verdict(check: Check, evidence: Evidence) -> Verdict:
    if not evidence.has_trials and check.number not in OF_ANY_RUN:
        return unsure(f"not made: checks read trials, and {evidence.job} keeps pixel/*.parquet")
    if not evidence.job and check.number in OF_KNOWN_JOBS:
        return unsure("cannot be verified: run.json does not say which job made the run")
    if evidence.job == PATCH_JOB and check.number in patch.CHECKS:
        return patch.CHECKS[check.number](evidence)
    return check.of(evidence)
