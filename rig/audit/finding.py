"""What a check found: pass, fail, warn or not applicable, one sentence with its numbers, and what it looked at."""

from dataclasses import asdict, dataclass, field

PASS, FAIL, WARN, NOT_APPLICABLE = "pass", "fail", "warn", "not applicable"
DEEP = "rig audit RUN --deep"


@dataclass(frozen=True)
class Verdict:
    """A check's own answer; the registry adds number, name and level."""

    status: str
    sentence: str
    evidence: dict = field(default_factory=dict)


def met(sentence: str, **evidence) -> Verdict:
    """Verified."""
    return Verdict(PASS, sentence, evidence)


def unmet(sentence: str, **evidence) -> Verdict:
    """Verified not to hold: a failure of an F check, a warning of a W check."""
    return Verdict(FAIL, sentence, evidence)


def unsure(sentence: str, **evidence) -> Verdict:
    """Not, or not wholly, verified: the sentence says what is missing, or that chance may explain it."""
    return Verdict(WARN, sentence, evidence)


def not_applicable(reason: str) -> Verdict:
    return Verdict(NOT_APPLICABLE, reason)


def not_run(known: str = "", **evidence) -> Verdict:
    """The answer needs runs that nobody has made yet; `known` is what the stored run says so far."""
    said = f"{known}; the rest was not run: {DEEP}" if known else f"not run: {DEEP}"
    return Verdict(WARN, said, evidence)


@dataclass(frozen=True)
class Finding:
    number: int
    name: str
    level: str  # F: the report fails; W: it warns
    status: str
    sentence: str
    evidence: dict

    def as_dict(self) -> dict:
        return asdict(self)


def failed(findings: list[Finding]) -> list[Finding]:
    """The F checks that failed: with any, a report must not be signed."""
    return [finding for finding in findings if finding.status == FAIL]


def first_line(findings: list[Finding]) -> str:
    """What a report says before anything else; "" where no F check failed."""
    bad = failed(findings)
    if not bad:
        return ""
    named = "; ".join(f"{finding.number} {finding.name}: {finding.sentence}" for finding in bad)
    return f"The audit failed {len(bad)} of {len(findings)} checks. {named}"
