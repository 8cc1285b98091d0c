"""Errors a user can act on. Each is one clear line; only `rig.cli` turns them into exit codes."""


class RigError(Exception):
    """Bad input or a failed precondition, told in one line: where, what, got, expected, what to do next.

    >>> str(RigError("range is reversed", where="scene.toml [views] distance_m", got="[3, 2]", expected="[low, high]"))
    'scene.toml [views] distance_m: range is reversed; got [3, 2]; expected [low, high]'
    """

    def __init__(self, what, *, where=None, got=None, expected=None, hint=None):
        parts = [what if where is None else f"{where}: {what}"]
        if got is not None:
            parts.append(f"got {got}")
        if expected is not None:
            parts.append(f"expected {expected}")
        if hint is not None:
            parts.append(hint)
        super().__init__(" ".join("; ".join(parts).split()))


class SceneError(RigError):
    """A scene file, mesh, texture or label is not usable."""


class ModelError(RigError):
    """A model file or its card is not usable."""


class CorruptImage(RigError):
    """An image file that cannot be decoded."""


class RunError(RigError):
    """A run folder is not usable, or does not fit what was asked."""


class CalibrationError(RigError):
    """A board, a camera profile or photographs of a board are not usable."""
