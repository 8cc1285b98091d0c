"""What else is particular to a patch on objects: its views face it, its picture is what is kept, a picture is a control."""

import numpy as np
import polars as pl

from rig.attack.patch_views import first_facing
from rig.audit.comparisons import MADE, RANDOM, TARGET, elsewhere, nearer
from rig.audit.distance import object_delta_e
from rig.audit.evidence import Evidence
from rig.audit.finding import Verdict, met, not_run, unmet, unsure
from rig.audit.gradients import terms_not_finite, with_slopes
from rig.audit.patch_budget import patch_of, renderer_of, within_budget, worn
from rig.audit.seen import SINGLE_VIEW, n_views_seen
from rig.audit.views import apart
from rig.metrics.paired import paired
from rig.metrics.patch import visible
from rig.views import derive_seed

LEAST_REACHED_FRAC = 0.5  # of the patch's pixels that lie on the object
CHANCE = 0.05


def disjoint(evidence: Evidence) -> Verdict:
    """Stored poses against those that the attack saw: the first so many of its own sequences that face the patch."""
    seed, settings = evidence.run.record.seed, evidence.settings
    steps = len(evidence.phase("adversarial")) or settings.steps
    asked = {
        "validation": (settings.validation_views, seed, "validation"),
        "adversarial": (n_views_seen(settings, steps), derive_seed(seed, "adversarial"), "attack"),
        SINGLE_VIEW: (1, derive_seed(seed, SINGLE_VIEW), "attack"),
    }
    found = {}
    for scene, sticker in worn(evidence):
        renderer = renderer_of(evidence, scene)
        for name, one in asked.items():
            found[f"{name}, {scene.name}"] = [view.values for view in first_facing(renderer, sticker, *one)]
    return apart(evidence, found)


def reaches_variable(evidence: Evidence) -> Verdict:
    """Of the patch's pixels that lie on the object: how many had a gradient, and whether every term was finite."""
    state, steps = evidence.state("adversarial"), evidence.phase("adversarial")
    if state is None or steps.is_empty():
        return unsure("attack/ lacks the history or the last checkpoint, which rig attack writes: nothing to read.")
    terms, squares = terms_not_finite(steps), state["square_0"]
    if any(terms.values()) or not np.isfinite(squares).all():
        return unmet("A gradient or a term of the loss was not finite.", not_finite_steps=terms)
    on_object = np.any([np.asarray(sticker.mix.sum(axis=0)).ravel() > 0 for _, sticker in worn(evidence)], axis=0)
    reached = float((squares > 0).any(0).ravel()[on_object].mean())
    looked_at = {"reached_frac": reached, "not_finite_steps": terms}
    if reached < LEAST_REACHED_FRAC:
        return unmet(
            f"A gradient reached {reached:.1%} of the patch only (at least {LEAST_REACHED_FRAC:.0%}).", **looked_at
        )
    said = f"A finite gradient reached {reached:.0%} of the patch's pixels, and every term of the loss was finite"
    slopes = evidence.deep("slopes")
    if slopes is None:
        return not_run(said, **looked_at)
    objective = {"terms": {"objective": slopes["terms"]["objective"]}}  # Delta-E has no weight in a patch's loss
    return with_slopes(said, slopes | objective, looked_at)


def best_kept(evidence: Evidence) -> Verdict:
    state, steps = evidence.state("adversarial"), evidence.phase("adversarial")
    if state is None or steps.is_empty():
        return unsure("attack/adversarial lacks its history or last checkpoint, which rig attack writes.")
    best, kept = float(steps["validation_success"].max()), float(state["best_success"])
    looked_at = {"validated": kept, "best_in_history": best, "n": steps["validation_success"].count()}
    if not np.array_equal(state["best"], patch_of(evidence, "adversarial")):
        return unmet("patch.png is not the patch that validated best.", **looked_at)
    if kept < best:
        return unmet(f"The patch was kept at {kept:.1%} though {best:.1%} had been validated.", **looked_at)
    return met(
        f"The saved patch is the one that validated best ({kept:.1%} of {looked_at['n']} validations).", **looked_at
    )


def monotone(evidence: Evidence) -> Verdict:
    return unsure("only one size was tried: rig attack patch again with another --size-mm")


def unbounded(evidence: Evidence) -> Verdict:
    return unsure(
        "not run: any colour is allowed, an area bounds it; rig attack texture --set attack.max_delta_e=null paints all"
    )


def controls(evidence: Evidence) -> Verdict:
    """All of one size at one place and the same views; a picture of the target must not do as well."""
    present = [name for name in (*MADE, TARGET) if (evidence.changed["artefact"] == name).any()]
    if missing := [name for name in MADE if name not in present]:
        return unmet(f"{', '.join(missing)} is not in the run: attack again with --controls.", present=present)
    if moved := elsewhere(evidence, present):
        return unmet(f"{moved[0]} was not measured at the attack's views.", at_other_views=moved)
    (scene, _), *_ = worn(evidence)
    textures = {name: evidence.texture(name) for name in ("clean", "adversarial", RANDOM)}
    rows = visible(evidence.clean.filter(pl.col("object") == scene.name))
    if len(rows):
        distance = object_delta_e(scene, evidence.run.record.models[0].card, textures, rows)
        if too_near := nearer(distance["adversarial"], distance[RANDOM]):
            return unmet(too_near, present=present)
    n_views = evidence.attacked["view"].n_unique()
    said = f"{', '.join(present)} at the same {n_views} views, of the attack's size and place"
    if TARGET not in present:
        return unsure(f"{said}; {TARGET}, a picture of the target class, was not measured.", present=present)
    return _against_the_picture(evidence, said)


def _against_the_picture(evidence: Evidence, said: str) -> Verdict:
    """Paired on the views that show the patch: beyond chance, the attack has to be the better one."""
    rows = visible(evidence.changed).with_columns(item=pl.concat_str("object", "model", "view", separator=", "))
    attack, picture = (rows.filter(pl.col("artefact") == name) for name in ("adversarial", TARGET))
    both = attack.join(picture.select("item", other="fooled"), on="item", how="inner", maintain_order="left")
    if both.is_empty():
        return unsure(f"{said}; no view shows the patch, so none could tell them apart.")
    figures = paired(both["fooled"], both["other"], both["view"].to_list(), 0)
    counts = f"{said}; on {figures['n']} views that show it the attack reaches {figures['k_first']}, "
    counts += f"a picture of the target {figures['k_second']}"
    if figures["k_first"] > figures["k_second"] and figures["p"] < CHANCE:
        return met(f"{counts} (p = {figures['p']:.2g}, McNemar).", against_picture=figures)
    return unsure(f"{counts}: the attack is not shown to do more than the picture.", against_picture=figures)


CHECKS = {
    3: disjoint,
    5: within_budget,
    6: reaches_variable,
    10: best_kept,
    13: monotone,
    14: unbounded,
    18: controls,
}
