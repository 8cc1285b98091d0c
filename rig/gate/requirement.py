"""What a run is asked to hold: `accuracy>=0.9`, `persistence<=0.1@upper`, `adversariality[control_random]<=0.05`."""

import re
from dataclasses import dataclass

from rig.errors import RigError

FIGURES = {
    "accuracy": "share of views on which the object is recognised",
    "adversariality": "share of views on which the attack reaches its goal",
    "persistence": "the same, counting only views whose clean twin is recognised",
    "other_wrong": "share of views called something else than object or target",
    "worst_cell": "adversariality in the most fooled cell of the view sphere",
    "cvar": "mean adversariality of the most fooled tenth of cells",
    "contiguous": "largest connected share of cells of which half of the views or more are fooled",
}
ENDS = {"lower": "low", "upper": "high"}
EXPECTED = "FIGURE>=SHARE or FIGURE<=SHARE, FIGURE[ARTEFACT], @lower or @upper behind it: persistence<=0.1@upper"
_GRAMMAR = re.compile(
    r"(?P<figure>\w+)(\[(?P<artefact>[^\[\]]+)\])?\s*(?P<sign>>=|<=)\s*(?P<share>[0-9.]+)(@(?P<end>\w+))?"
)


@dataclass(frozen=True)
class Requirement:
    """`end`: compare the interval's lower or upper end instead of the rate. `artefact` None: those that it is about."""

    text: str
    figure: str
    artefact: str | None
    at_least: bool
    share: float
    end: str | None

    def holds(self, value: float) -> bool:
        return value >= self.share if self.at_least else value <= self.share


def parse_requirement(text: str) -> Requirement:
    """Raises RigError naming what is not understood.

    >>> parse_requirement("persistence<=0.1@upper").end
    'upper'
    """
    found = _GRAMMAR.fullmatch(text.strip())
    if found is None:
        raise RigError("not a requirement", where="--require", got=text, expected=EXPECTED)
    if found["figure"] not in FIGURES:
        raise RigError("no such figure", where=f"--require {text}", got=found["figure"], expected=", ".join(FIGURES))
    if found["end"] not in (None, *ENDS):
        raise RigError(
            "no such end of an interval", where=f"--require {text}", got=found["end"], expected="lower, upper"
        )
    share = _share(found["share"], text)
    return Requirement(text.strip(), found["figure"], found["artefact"], found["sign"] == ">=", share, found["end"])


def _share(text: str, requirement: str) -> float:
    try:
        share = float(text)
    except ValueError:
        share = -1.0
    if not 0 <= share <= 1:
        raise RigError("not a share", where=f"--require {requirement}", got=text, expected="0 to 1")
    return share
