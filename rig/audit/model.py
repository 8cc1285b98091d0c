"""Checks 7, 8 and 9: what the deployed file gives, whether it gives it again, and whether the gradient's copy agrees."""

import math

import polars as pl

from rig.audit.evidence import PIXEL, Evidence
from rig.audit.finding import Verdict, met, not_applicable, not_run, unmet, unsure

MOST_NOISE = 1e-4  # AutoAttack's, on L2-normalised logits
SUM_ERROR = 1e-5  # AutoAttack's, of a row of probabilities
LEAST_TOLD = 1e-12  # a stored probability below this says nothing by its logarithm


def logits(evidence: Evidence) -> Verdict:
    """Values in [0, 1] cannot lie more than 1 apart; softmax of them keeps any two log-probabilities within 1.

    So two stored probabilities whose ratio exceeds e prove that what was fed was no softmax.
    """
    rows = evidence.trials
    spans = {name: _span(rows.filter(pl.col("model") == name)) for name in rows["model"].unique(maintain_order=True)}
    answers = evidence.deep("answers")
    looked_at = {"widest_log_ratio": spans, "rows": len(rows)} | ({"answers": answers["logits"]} if answers else {})
    narrow = [name for name, span in spans.items() if span is None or span <= 1 + 1e-6]
    if not narrow:
        widest = min(spans.values())
        return met(
            f"Stored scores are at least {widest:.1f} apart as logits; softmax outputs could not be more than 1.",
            **looked_at,
        )
    if answers is None:
        near = "stored probabilities never differ by more than a factor e, as those of a softmax fed twice"
        return not_run(f"{narrow[0]}: {near}", **looked_at)
    if answers["logits"]["within_unit"] and answers["logits"]["sum_error"] <= SUM_ERROR:
        return unmet(
            f"{narrow[0]} gives softmax outputs where logits are expected: rows in [0, 1] that sum to 1.", **looked_at
        )
    low, high = answers["logits"]["low"], answers["logits"]["high"]
    return met(
        f"{narrow[0]} gives values from {low:.3g} to {high:.3g}, rows not summing to 1: no softmax.", **looked_at
    )


def _span(rows: pl.DataFrame) -> float | None:
    """The widest distance of two stored log-probabilities of one row."""
    told = ["predicted_prob", "true_prob", "target_prob"]
    known = rows.select(pl.when(pl.col(name) > LEAST_TOLD).then(pl.col(name).log()).alias(name) for name in told)
    span = known.select(pl.max_horizontal(told) - pl.min_horizontal(told)).to_series().max()
    return None if span is None or not math.isfinite(span) else float(span)


def determinism(evidence: Evidence) -> Verdict:
    """Equal frames must have equal scores in the stored rows; five forwards only with --deep."""
    rows = evidence.trials
    again = rows.group_by("model", "frame_hash").agg(
        n=pl.len(), apart=pl.col("predicted_prob").max() - pl.col("predicted_prob").min()
    )
    again = again.filter(pl.col("n") > 1)
    apart = float(again["apart"].max()) if len(again) else 0.0
    looked_at = {"frames_judged_twice": len(again), "prob_apart": apart}
    if apart > MOST_NOISE:
        return unmet(
            f"Equal frames have probabilities up to {apart:.2g} apart; nothing was averaged over.", **looked_at
        )
    answers = evidence.deep("answers")
    if answers is None:
        return not_run(
            f"{len(again)} frames were judged more than once, with equal scores" if len(again) else "", **looked_at
        )
    looked_at |= {"forwards": answers["forwards"]}
    noise = answers["forwards"]["noise"]
    if noise > MOST_NOISE:
        return unmet(
            f"{answers['forwards']['n']} forwards of the same images differ by {noise:.2g} (L2-normalised logits).",
            **looked_at,
        )
    frames = answers["forwards"]["n_frames"]
    return met(
        f"{answers['forwards']['n']} forwards of {frames} frames agree within {noise:.1e} (limit {MOST_NOISE:g}).",
        **looked_at,
    )


def agreement(evidence: Evidence) -> Verdict:
    if evidence.unchanged:
        return not_applicable("no gradient was used in this run")
    if evidence.job == PIXEL:
        return not_applicable("success is judged by the deployed file from the saved images; searches use its scores")
    road = evidence.road
    if evidence.asks_scores_only:
        return not_applicable("the attack asks the deployed file for scores only")
    if not road:
        return unsure("cannot be verified: run.json does not say where the gradient came from.")
    answers = evidence.deep("answers")
    if answers is None:
        return not_run(f"The road is {road}, which had to give the file's logits on test images before it was used")
    found = answers["agreement"]
    if found["n_agree"] < found["n_frames"] or found["error_frac"] > found["limit_frac"]:
        top1 = f"top-1 on {found['n_agree']} of {found['n_frames']} frames, logits off by {found['error_frac']:.2g} of their range"
        return unmet(f"The gradient's copy differs from the deployed file: {top1}; this is a transfer attack.", **found)
    said = f"top-1 on all {found['n_frames']} frames, logits within {found['error_frac']:.1e} of their range"
    return met(f"{road} agrees with the deployed file: {said}.", **found)
