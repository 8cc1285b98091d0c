"""Check 6: does the gradient reach what is optimised, from every term of the loss, and is it the slope?"""

import numpy as np
import polars as pl

from rig.audit.evidence import TEXTURE, Evidence
from rig.audit.finding import Verdict, met, not_applicable, not_run, unmet, unsure

TERMS = ("loss", "cross_entropy", "delta_e")
LEAST_REACHED_FRAC = 0.05  # of all texels: views never show some, and a UV map leaves some unused


def reaches_variable(evidence: Evidence) -> Verdict:
    if evidence.unchanged:
        return not_applicable(evidence.unchanged)
    if evidence.job != TEXTURE:
        return _of_pixels(evidence)
    if (search := evidence.settings.black_box) and search.method == "square":
        return not_applicable("the search compares scores; there is no gradient")
    if evidence.phase("adversarial").is_empty() or evidence.state("adversarial") is None:
        return unsure("attack/ lacks the history or the last checkpoint, which rig attack writes: nothing to read.")
    terms = terms_not_finite(evidence.phase("adversarial"))
    if bad := [name for name, n in terms.items() if n]:
        return unmet(f"The loss was not finite: {bad[0]} at {terms[bad[0]]} steps.", not_finite_steps=terms)
    squares = evidence.state("adversarial")["square_0"]  # Adam's mean of squared gradients, (3, h, w)
    if not np.isfinite(squares).all():
        return unmet(f"{int((~np.isfinite(squares)).sum())} texel gradients are not finite.", not_finite_steps=terms)
    reached = float((squares > 0).any(0).mean())
    said = f"A finite gradient reached {reached:.0%} of the texels, and every term of the loss was finite"
    looked_at = {"reached_frac": reached, "not_finite_steps": terms}
    if reached < LEAST_REACHED_FRAC:
        return unmet(
            f"A gradient reached {reached:.1%} of the texels only (at least {LEAST_REACHED_FRAC:.0%}).", **looked_at
        )
    if evidence.asks_scores_only:
        return met(f"{said}; it was estimated from scores.", **looked_at)
    slopes = evidence.deep("slopes")
    return not_run(said, **looked_at) if slopes is None else with_slopes(said, slopes, looked_at)


def terms_not_finite(steps: pl.DataFrame) -> dict[str, int]:
    """Steps at which each term was no finite number."""
    return {name: int((~steps[name].cast(pl.Float64).is_finite()).fill_null(True).sum()) for name in TERMS}


def with_slopes(said: str, slopes: dict, looked_at: dict) -> Verdict:
    """`terms`: by term of the loss, the gradient's slope over the measured one along texel directions."""
    looked_at |= {"slopes": slopes["terms"], "limit": slopes["limit"]}
    for name, term in slopes["terms"].items():
        if not term["n_conclusive"]:
            return unsure(f"{said}; no difference of {name} settled, so its slope could not be compared.", **looked_at)
        if abs(term["median_ratio"] - 1) > slopes["limit"]:
            ratio = f"{term['median_ratio']:.3f} of the measured slope"
            return unmet(f"The gradient of {name} is {ratio} (1 ± {slopes['limit']:g}).", **looked_at)
    each = ", ".join(f"{name} {term['median_ratio']:.3f}" for name, term in slopes["terms"].items())
    return met(f"{said}; gradient over finite differences on texels: {each}.", **looked_at)


def _of_pixels(evidence: Evidence) -> Verdict:
    searches = evidence.config.get("searches", {})
    if any(one.get("method") == "white-box" for one in searches.values()):
        return unsure("not run: the gradients of the search white-box are tried by rig models check MODEL")
    return not_applicable("the searches ask for scores only")
