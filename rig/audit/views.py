"""Checks 2 and 3: every attacked view has its clean twin, and none was seen by the optimiser."""

import numpy as np
import polars as pl
from scipy.spatial import cKDTree

from rig.audit.evidence import PIXEL, POSE, SESSION, SWEEP, Evidence, ids
from rig.audit.finding import Verdict, met, not_applicable, unmet, unsure
from rig.audit.seen import seen_views
from rig.contracts import POSE_DIMENSIONS

PAIR = ["object", "model", "view"]
SAME_FRAC = 1e-6  # of each range: two draws never come this near by chance


def clean_twins(evidence: Evidence) -> Verdict:
    changed = evidence.changed
    if changed.is_empty():
        return not_applicable("only the clean object was evaluated")
    if evidence.job == SESSION:
        return _session_twins(evidence)
    keys = PAIR[:2] if evidence.job == PIXEL else PAIR
    clean = evidence.clean.unique(keys, maintain_order=True)
    lost = changed.join(clean, on=keys, how="anti")
    if len(lost):
        return unmet(f"{len(lost)} of {len(changed)} attacked trials have no clean twin.", lost=ids(lost))
    twins = [pl.col(name).alias(f"clean {name}") for name in (*evidence.conditions, "correct")]
    both = changed.join(clean.select(*keys, *twins), on=keys, how="left")
    differ = [pl.col(name).ne_missing(pl.col(f"clean {name}")) for name in evidence.conditions]
    moved = both.filter(pl.any_horizontal(differ))
    if len(moved):
        return unmet(f"{len(moved)} clean twins are of another view than the attacked trial.", moved=ids(moved))
    n_correct = int(both["clean correct"].sum())
    return _stated_on_clean_correct(
        evidence, f"{len(changed)} attacked trials, each with the same view clean", n_correct
    )


def _session_twins(evidence: Evidence) -> Verdict:
    """A captured frame's twin is the clean frame that its row names, in the same crop; a render's the same view."""
    keys = ["object", "model", "crop", "source"]
    clean = evidence.clean.select(*keys, twin="view", clean_correct="correct")
    both = evidence.changed.join(clean, on=[*keys, "twin"], how="left")
    lost = both.filter(pl.col("clean_correct").is_null())
    n_correct, n = int(both["clean_correct"].sum()), len(both)
    if len(lost) == n:
        return unmet(f"None of {n} attacked frames has a clean twin.", lost=ids(lost))
    if lost.filter(pl.col("source") == "render").height:
        return unmet(f"{len(lost)} attacked frames have no clean twin, renders among them.", lost=ids(lost))
    said = f"{n - len(lost)} of {n} attacked frames have a clean twin"
    if len(lost):
        return unsure(f"{said}; the others are in no clean-correct rate.", lost=ids(lost), n_clean_correct=n_correct)
    return _stated_on_clean_correct(evidence, said, n_correct)


def _stated_on_clean_correct(evidence: Evidence, said: str, n_correct: int) -> Verdict:
    """Rates on clean-correct views only must stand beside the others; pixel attacks have no others."""
    if evidence.metrics is None:
        return unsure(f"{said}; rates on clean-correct views: no metrics.json, write it with rig report.")
    rows = evidence.metrics.get("rates", [])
    without = [row for row in rows if "clean_correct" not in row]
    if without or (not rows and evidence.job != PIXEL):
        return unmet(f"{said}, but {len(without)} rates are not also given on clean-correct views.")
    if evidence.job == PIXEL and n_correct < len(evidence.changed):
        own = evidence.changed.filter(pl.col("model") == pl.col("found_on"))
        wrong = own.join(evidence.clean.filter("correct"), on=["object", "model"], how="anti")
        if len(wrong):
            return unmet(f"{len(wrong)} attacked images were not right to begin with.", wrong=ids(wrong))
    given = "rates are also given on clean-correct views" if rows else "only images that are right clean are attacked"
    return met(f"{said}; {given} ({n_correct} trials).", n_clean_correct=n_correct)


def disjoint(evidence: Evidence) -> Verdict:
    """Stored poses of the evaluation against every pose that steps and validation were shown."""
    if evidence.job in (PIXEL, SESSION):
        why = "frames come from a camera" if evidence.job == SESSION else "a pixel change is judged on its own image"
        return not_applicable(why)
    if evidence.job == SWEEP:
        return not_applicable("nothing was optimised in this run; see the audit of the run that made the artefacts")
    if evidence.job == POSE:
        searched = evidence.stored.filter(pl.col("split") == "search").select(evidence.conditions)
        return apart(evidence, {"search": searched.to_dicts()})
    (config,) = evidence.scene_configs.values()
    steps = {name: len(evidence.phase(name)) or evidence.settings.steps for name in _optimised(evidence)}
    seen = seen_views(config, evidence.settings, evidence.run.record.seed, steps)
    return apart(evidence, {name: [view.values for view in views] for name, views in seen.items()})


def _optimised(evidence: Evidence) -> list[str]:
    return [name for name in evidence.run.artefacts if name.startswith(("adversarial", "control_single_view"))]


def apart(evidence: Evidence, seen: dict[str, list[dict]]) -> Verdict:
    """Whether none of the evaluation's views is among those seen; `seen`: their numbers by what saw them."""
    rows = evidence.trials.unique(["object", "view"], maintain_order=True)
    names = _varied(rows, evidence.conditions)
    n_seen = sum(map(len, seen.values()))
    if not names:
        return unmet(f"Nothing varies: all {len(rows)} evaluation views are the one that the optimiser saw.")
    tree = cKDTree(
        np.array([[one[name] for name in names] for views in seen.values() for one in views]) / _spans(rows, names)
    )
    nearest, _ = tree.query(rows.select(names).to_numpy() / _spans(rows, names), p=np.inf)
    repeated = rows.filter(pl.Series(nearest <= SAME_FRAC))
    looked_at = {"n_seen": {name: len(views) for name, views in seen.items()}, "dimensions": names}
    looked_at |= {"nearest_frac_of_range": float(nearest.min()), "seen": ids(repeated, "view")}
    if len(repeated):
        return unmet(f"{len(repeated)} of {len(rows)} evaluation views were seen by the optimiser.", **looked_at)
    return met(
        f"None of {len(rows)} evaluation views is among the {n_seen} that were optimised or validated on.", **looked_at
    )


def _varied(rows: pl.DataFrame, conditions: list[str]) -> list[str]:
    """Pose dimensions that vary; only where none does, the other conditions: one pose in another light is one view."""
    varied = [name for name in conditions if rows[name].drop_nulls().n_unique() > 1]
    return [name for name in varied if name in POSE_DIMENSIONS] or varied


def _spans(rows: pl.DataFrame, names: list[str]) -> np.ndarray:
    return np.ptp(rows.select(names).to_numpy(), axis=0)
