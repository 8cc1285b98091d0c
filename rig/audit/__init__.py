"""The 25 checks of a sound evaluation (protocols.md, section 4), read off a run's stored trials and files."""

from rig.audit.audit import audit
from rig.audit.finding import FAIL, NOT_APPLICABLE, PASS, WARN, Finding, failed, first_line

__all__ = ["FAIL", "NOT_APPLICABLE", "PASS", "WARN", "Finding", "audit", "failed", "first_line"]
