"""Which model, artefact and view of one run stands against which of another."""

from dataclasses import dataclass

import polars as pl

from rig.errors import RunError
from rig.metrics.compare_load import IMAGES, SESSION, Side

CONTROL = "control_"
CLEAN = "clean"


@dataclass(frozen=True)
class Match:
    """A name in the first run and its counterpart in the second."""

    first: str
    second: str


@dataclass(frozen=True, eq=False)
class Views:
    """The trials of both runs, `first` and `second`, of matched models and artefacts.

    Paired: joined row by row on object, view and equal conditions, as `both`. Unpaired: None, and `reason` says why.
    """

    first: pl.DataFrame
    second: pl.DataFrame
    both: pl.DataFrame | None
    reason: str


def match_models(first: Side, second: Side) -> list[Match]:
    """By name; or the one model of each, whatever its name. Raises RunError where neither tells."""
    return _by_name(first.models, second.models) or _only(first.models, second.models) or _cannot(first, second)


def _by_name(first: list[str], second: list[str]) -> list[Match]:
    return [Match(name, name) for name in first if name in second]


def _only(first: list[str], second: list[str]) -> list[Match]:
    return [Match(first[0], second[0])] if len(first) == len(second) == 1 else []


def _cannot(first: Side, second: Side):
    raise RunError(
        "cannot be compared: no model is in both, and there is more than one to choose from",
        where=second.run.path,
        got=", ".join(second.models),
        expected=", ".join(first.models),
    )


def match_artefacts(first: Side, second: Side) -> list[Match]:
    """By name; and the one attacked artefact of each, whatever its name. Raises RunError where there is nothing."""
    named = _by_name(first.artefacts, second.artefacts)
    attacked = [[name for name in side.artefacts if is_attacked(name)] for side in (first, second)]
    if not any(is_attacked(match.first) for match in named):
        named += _only(*attacked)
    if named:
        return sorted(named, key=lambda match: first.artefacts.index(match.first))
    raise RunError(
        "cannot be compared: no artefact is in both",
        where=second.run.path,
        got=", ".join(second.artefacts),
        expected=", ".join(first.artefacts),
    )


def is_attacked(name: str) -> bool:
    return name != CLEAN and not name.startswith(CONTROL)


def match_views(first: Side, second: Side, models: list[Match], artefacts: list[Match]) -> Views:
    """All trials of what is matched, under the first run's names. Raises RunError where frames cannot be paired."""
    of_first, of_second = _chosen(first, second, models, artefacts)
    key = ["object", "model", "artefact", "view"]
    joined = of_first.join(of_second, on=key, suffix="_second", how="inner", maintain_order="left")
    both = joined.filter(_same_view(first, second))
    if len(both):
        return Views(of_first, of_second, both, "")
    if first.kind in (SESSION, IMAGES):
        raise RunError(
            "cannot be compared: no frame or image is in both, and others are not draws of one distribution",
            where=second.run.path,
            hint="sweep the same sessions, or attack the same images",
        )
    seeds = [side.run.record.seed for side in (first, second)]
    why = f"seeds {seeds[0]} and {seeds[1]}" if seeds[0] != seeds[1] else "views of the same number differ in place"
    return Views(of_first, of_second, None, why)


def _chosen(first: Side, second: Side, models: list[Match], artefacts: list[Match]):
    """The rows of both that are matched; those of the second under the first's names."""
    objects = [name for name in first.objects if name in second.objects]
    rows = []
    for side, end in ((first, "first"), (second, "second")):
        part = side.rows.filter(pl.col("object").is_in(objects))
        for column, matches in (("model", models), ("artefact", artefacts)):
            names = {getattr(match, end): match.first for match in matches}
            part = part.filter(pl.col(column).is_in(list(names))).with_columns(pl.col(column).replace(names))
        rows.append(part)
    return rows


def _same_view(first: Side, second: Side) -> pl.Expr:
    """Of the joined rows, those whose every condition is equal."""
    shared = [name for name in first.conditions if name in second.conditions]
    equal = [pl.col(name).eq_missing(pl.col(f"{name}_second")) for name in shared]
    return pl.all_horizontal(equal) if equal else pl.lit(True)
