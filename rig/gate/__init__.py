"""A pipeline's question to a run: does it hold what was required? Yes, no, or a line that says why it cannot be told."""

from rig.gate.judge import Verdict, judge
from rig.gate.requirement import Requirement, parse_requirement

__all__ = ["Requirement", "Verdict", "judge", "parse_requirement"]
