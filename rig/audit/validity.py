"""Check 25: does the attack itself work where the answer is known?"""

from rig.audit.evidence import PIXEL, Evidence
from rig.audit.finding import Verdict, met, not_applicable, not_run, unmet, unsure


def valid(evidence: Evidence) -> Verdict:
    if evidence.unchanged:
        return not_applicable(evidence.unchanged)
    if evidence.job == PIXEL:
        return unsure("not run: the searches are tried against brute force in rig's own tests (tests/attack/pixel)")
    found = evidence.deep("validity")
    if found is None:
        return not_run()
    lost = [f"{name}: {one['found']}" for name, one in found["cases"].items() if not one["ok"]]
    if lost:
        return unmet(f"The attack fails where it must not: {'; '.join(lost)}.", cases=found["cases"])
    return met(
        f"{'; '.join(f'{name}: ' + one['found'] for name, one in found['cases'].items())}.", cases=found["cases"]
    )
