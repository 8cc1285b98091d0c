"""Check 1: is it said what was attacked, with what knowledge, within which bounds, over which distribution?"""

from rig.audit.evidence import PIXEL, SESSION, TEXTURE, Evidence
from rig.audit.finding import Verdict, met, unmet
from rig.metrics.patch import PATCH_JOB

FIELDS = ("goal", "knowledge", "capability", "budget", "norm", "color_space", "success")
TARGETED = "predicted == target"


def threat_model(evidence: Evidence) -> Verdict:
    """No field empty; T has a name and ranges; the rule of success is that of the trials."""
    said = evidence.run.record.threat_model
    empty = [name for name in FIELDS if not str(getattr(said, name) or "").strip()]
    ranges = said.distribution.dimensions
    empty += [] if said.distribution.name.strip() else ["the distribution's name"]
    has_views = evidence.job not in (PIXEL, SESSION) and evidence.has_trials
    empty += ["ranges of the distribution"] if has_views and not ranges else []
    looked_at = {"fields": {name: getattr(said, name) for name in FIELDS}, "n_dimensions": len(ranges)}
    if empty:
        return unmet(f"run.json does not state: {', '.join(empty)}.", empty=empty, **looked_at)
    reversed_ = [name for name, pair in ranges.items() if isinstance(pair, list) and pair[0] > pair[1]]
    if reversed_:
        return unmet(f"ranges are reversed: {', '.join(reversed_)}.", **looked_at)
    if wrong := _another_rule(evidence, said.success):
        return unmet(wrong, **looked_at)
    if wrong := _another_knowledge(evidence, said.knowledge):
        return unmet(wrong, **looked_at)
    n_varied = sum(isinstance(pair, list) and pair[0] < pair[1] for pair in ranges.values())
    over = f"{len(ranges)} ranges, {n_varied} of them not fixed" if has_views else "no view is drawn"
    return met(f"All {len(FIELDS)} fields stated; T is {said.distribution.name} ({over}).", **looked_at)


def _another_rule(evidence: Evidence, success: str) -> str:
    """ "" where the trials have targets exactly if the rule does."""
    if evidence.job and evidence.has_trials:
        aimed = bool((evidence.changed["target_label"] != "").any() or (evidence.clean["target_label"] != "").any())
        if aimed and success != TARGETED:
            return f'The trials have targets, the threat model says success is "{success}".'
        if success == TARGETED and not aimed:
            return f'The trials have no target, the threat model says success is "{success}".'
    return ""


def _another_knowledge(evidence: Evidence, knowledge: str) -> str:
    """ "" unless a white box is claimed and the gradients were estimated from scores, or the other way round."""
    is_white = knowledge.lower().startswith("white")
    if evidence.job not in (TEXTURE, PATCH_JOB) or not evidence.road or is_white != evidence.asks_scores_only:
        return ""
    return f'The gradients came from {evidence.road}, the threat model says knowledge is "{knowledge}".'
