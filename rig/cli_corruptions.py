"""`rig sweep --corruptions`: which natural corruptions were asked for."""

from collections.abc import Sequence

from rig.errors import RigError


def natural_corruptions(usual: bool, named: Sequence[str]) -> tuple[str, ...]:
    """Names as a job takes them; the usual ones first."""
    from rig.sweep.corruptions import USUAL

    return tuple(dict.fromkeys([*(USUAL if usual else ()), *named]))


def refuse_corruptions(usual: bool, named: Sequence[str]) -> None:
    """Raises RigError: a camera's frames have their own weather."""
    if usual or named:
        raise RigError("corruptions are for rendered scenes", where="--corruptions", hint="leave it out for a session")
