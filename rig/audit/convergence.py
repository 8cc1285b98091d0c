"""Checks 10 and 11: the best texture was kept, and the search had come to rest."""

import numpy as np
import polars as pl

from rig.audit.evidence import PIXEL, Evidence, ids
from rig.audit.finding import Verdict, met, not_applicable, not_run, unmet, unsure
from rig.metrics.intervals import wilson

LAST_STEPS = 10
MOST_MOVED_FRAC = 0.05  # of the loss's range


def best_kept(evidence: Evidence) -> Verdict:
    """The saved picture is the best validated one, and no validation in the history was better."""
    if evidence.unchanged:
        return not_applicable(evidence.unchanged)
    if evidence.job == PIXEL:
        return _best_pixels(evidence)
    kept = {}
    for name in evidence.attacks:
        state, steps = evidence.state(name), evidence.phase(name)
        if state is None or "best_success" not in state or steps.is_empty():
            return unsure(f"attack/{name} lacks its history or last checkpoint, which rig attack writes.")
        best = float(steps["validation_success"].max())
        kept[name] = {
            "validated": float(state["best_success"]),
            "best_in_history": best,
            "n": steps["validation_success"].count(),
        }
        if not np.array_equal(state["best"], evidence.texture(name)):
            return unmet(f"texture.png of {name} is not the texture that validated best.", kept=kept)
        keep = evidence.settings.keep_success if name == "adversarial" else None  # the others have budgets of their own
        wanted = min(best, keep or 1.0)  # above it, the smaller change is the better one
        if kept[name]["validated"] < wanted:
            return unmet(
                f"{name} was kept at {kept[name]['validated']:.1%} though {best:.1%} had been validated.", kept=kept
            )
        if farther := _farther_than_needed(keep, state, steps):
            return unmet(f"{name} was kept at {farther}.", kept=kept)
    each = ", ".join(f"{name} {one['validated']:.1%} of {one['n']} validations" for name, one in kept.items())
    return met(f"Each saved texture is the one that validated best ({each}).", kept=kept)


def _farther_than_needed(keep_success: float | None, state: dict, steps: pl.DataFrame) -> str:
    """ "" unless the attack looked for the least change, and one of its validations kept its success with a smaller."""
    if keep_success is None:
        return ""
    least = steps.filter(pl.col("validation_success") >= keep_success)["validation_delta_e"].min()
    kept = -float(state["best_score"][1])
    return f"Delta-E {kept:.2f} though {least:.2f} had kept its success" if least is not None and kept > least else ""


def _best_pixels(evidence: Evidence) -> Verdict:
    own = evidence.attacked.filter(pl.col("model") == pl.col("found_on"))
    lost = own.filter(pl.col("success_query").is_not_null() & ~pl.col("fooled"))
    if len(lost):
        return unmet(
            f"{len(lost)} changes had succeeded when asked, but what was saved does not.",
            lost=ids(lost, "artefact", "object"),
        )
    return met(f"Of {len(own)} searches, every one that had succeeded saved a change that does.", n=len(own))


def converged(evidence: Evidence) -> Verdict:
    """The mean loss of the last steps against the ten before, as a share of the range; with --deep, twice the steps."""
    if evidence.unchanged:
        return not_applicable(evidence.unchanged)
    if evidence.job == PIXEL:
        return _half_the_queries(evidence)
    steps = evidence.phase("adversarial")
    if steps.is_empty():
        return unsure("cannot be verified: no attack/history.parquet, which rig attack writes.")
    if len(steps) < 2 * LAST_STEPS:
        return unmet(
            f"Only {len(steps)} steps were taken: too few to tell whether the loss had come to rest.",
            n_steps=len(steps),
        )
    loss = steps["cross_entropy"].to_numpy()
    moved = abs(loss[-LAST_STEPS:].mean() - loss[-2 * LAST_STEPS : -LAST_STEPS].mean()) / max(np.ptp(loss), 1e-12)
    looked_at = {"moved_frac": float(moved), "n_steps": len(steps), "range": float(np.ptp(loss))}
    said = f"Over the last {LAST_STEPS} of {len(steps)} steps the loss moved {moved:.1%} of its range"
    said += f" (at most {MOST_MOVED_FRAC:.0%})"
    if moved > MOST_MOVED_FRAC:
        return unmet(f"{said}.", **looked_at)
    twice = evidence.deep("double-steps")
    if twice is None:
        return not_run(said, **looked_at)
    looked_at["double_steps"] = twice["paired"]
    k_twice, k_once, n = (twice["paired"][name] for name in ("k_first", "k_second", "n"))
    changed = f"twice the steps: {k_twice} instead of {k_once} of {n} views"
    if _beyond(twice["paired"]):
        return unmet(f"{said}, but {changed}, more than the interval allows.", **looked_at)
    return met(f"{said}; {changed}, within the interval.", **looked_at)


def _beyond(paired: dict) -> bool:
    return paired["low"] is not None and not paired["low"] <= 0 <= paired["high"]


def _half_the_queries(evidence: Evidence) -> Verdict:
    """Successes found in the second half of a search's queries, against the interval of all of them."""
    own = evidence.attacked.filter(pl.col("model") == pl.col("found_on"))
    found = []
    for key, rows in own.partition_by("found_on", "search", "pixels", as_dict=True, maintain_order=True).items():
        most = rows["queries_total"].max()
        k = int(rows["fooled"].sum())
        late = rows.filter(pl.col("fooled") & (pl.col("success_query") > most / 2))
        low, high = wilson(k, len(rows))
        found.append(
            {"key": key, "n": len(rows), "k": k, "late": len(late), "beyond": (k - len(late)) / len(rows) < low}
        )
    moving = [one for one in found if one["beyond"]]
    if moving:
        one = moving[0]
        where = f"{one['key'][1]}, {one['key'][2]} px on {one['key'][0]}"
        return unmet(
            f"{where}: {one['late']} of {one['k']} successes came in the second half of the queries.", searches=found
        )
    return met(
        f"In all {len(found)} searches half of the queries give a rate within the interval of the whole.",
        searches=found,
    )
