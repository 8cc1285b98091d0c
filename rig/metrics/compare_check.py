"""Whether two runs measure the same thing. What differs in what was asked is one RunError, naming it."""

from rig.errors import RunError
from rig.metrics.compare_load import VIEWS, Side
from rig.metrics.load import Distribution
from rig.runs import _flat

SAMPLED = ("views", "light", "background", "sensor", "print")  # sections of a scene that say what views may look like


def require_comparable(first: Side, second: Side) -> None:
    """Raises RunError where a difference of rates would not be one of model or artefact."""
    _require(first, second, "they are of different kinds", first.kind, second.kind)
    if not set(first.objects) & set(second.objects):
        _refuse(second, "no object is in both", _some(second.objects), _some(first.objects))
    _require_same_label_sets(first, second)
    _require_same_distribution(first, second)
    for column, what in (("true_label", "true labels"), ("target_label", "targets")):
        if first.kind == VIEWS or column == "true_label":
            _require_same_labels(first, second, column, what)


def _require(first: Side, second: Side, why: str, of_first, of_second) -> None:
    if of_first != of_second:
        _refuse(second, why, of_second, of_first)


def _refuse(second: Side, why: str, got, expected, hint: str | None = None) -> None:
    raise RunError(f"cannot be compared: {why}", where=second.run.path, got=got, expected=expected, hint=hint)


def _require_same_label_sets(first: Side, second: Side) -> None:
    """Where run.json holds the labels that a network can answer."""
    of_first, of_second = (getattr(side.run.record, "labels", None) for side in (first, second))
    if of_first and of_second and of_first != of_second:
        strange = [label for label in of_second if label not in of_first] or of_second
        _refuse(
            second,
            "the networks answer with other label sets",
            f"{len(of_second)} labels, such as {strange[0]}",
            f"{len(of_first)} labels, such as {of_first[0]}",
        )


def _require_same_distribution(first: Side, second: Side) -> None:
    for ranges in (_declared, _of_scenes):
        of_first, of_second = ranges(first, second), ranges(second, first)
        differing = [name for name in of_first | of_second if of_first.get(name) != of_second.get(name)]
        if differing:
            name = differing[0]
            _refuse(
                second,
                f"its views are drawn from another distribution, {name} differs",
                f"{name} = {_said(of_second.get(name))}",
                _said(of_first.get(name)),
                "sweep one again with the other's ranges",
            )


def _declared(side: Side, other: Side) -> dict:
    distribution: Distribution = side.run.record.threat_model.distribution
    return dict(distribution.dimensions) or {"distribution": distribution.name}


def _of_scenes(side: Side, other: Side) -> dict:
    """What the settings of every object in both say of its views; the threat model holds those of one object."""
    scenes = side.run.record.config.get("scenes") or {}
    scenes = scenes if isinstance(scenes, dict) else {}
    common = [name for name in scenes if name in other.objects and isinstance(scenes[name], dict)]
    return {
        f"{name} {key}": value
        for name in common
        for key, value in _flat({part: scenes[name].get(part) or {} for part in SAMPLED}).items()
    }


def _said(value) -> str:
    return "not stated" if value is None else str(list(value)) if isinstance(value, tuple) else str(value)


def _require_same_labels(first: Side, second: Side, column: str, what: str) -> None:
    of_first, of_second = (dict(side.rows.select("object", column).unique(maintain_order=True).iter_rows())
                           for side in (first, second))  # fmt: skip
    for name in of_first:
        if name in of_second and of_first[name] != of_second[name]:
            _refuse(second, f"{what} of {name} differ", of_second[name] or "none", of_first[name] or "none")


def _some(names: list[str], n: int = 3) -> str:
    return ", ".join(names[:n]) + (f" and {len(names) - n} more" if len(names) > n else "")
