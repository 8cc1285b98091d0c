"""The views on which a model does worst and best, chosen by one probability, each beside its clean twin."""

from pathlib import Path

import polars as pl

from rig.report.frames import n_bytes, pair, with_thumbnails
from rig.report.words import percent

SHOWN = 4
MAX_BYTES = 800_000  # of all such pictures of one page


def extremes(group: pl.DataFrame, artefacts: list[str], folder: Path, budget: int) -> dict | None:
    """`rule`, and the `worst` and `best` pairs, none in both; None without stored pictures or within no `budget`.

    group: trials of one object x model. The last of `artefacts` is judged: by its target's probability where it has a
    target, else by that of the right answer.
    """
    judged = group.filter(pl.col("artefact") == artefacts[-1])
    target = judged["target_label"][0] if artefacts[-1] != "clean" else ""
    column = "target_prob" if target else "true_prob"
    kept = with_thumbnails(group, artefacts, folder).select("view")
    ranked = judged.join(kept, on="view", how="semi").drop_nulls(column).sort(column, "view", descending=[True, False])
    shown = min(SHOWN, -(-len(ranked) // 2))
    if not shown:
        return None
    named = target or "the right answer"
    highest, lowest = ranked.head(shown), ranked.tail(min(shown, len(ranked) - shown)).reverse()
    ends = [
        [_cell(group, row, column, named, artefacts, folder) for row in end.to_dicts()] for end in (highest, lowest)
    ]
    worst, best = ends if target else reversed(ends)
    if n_bytes([*worst, *best]) > budget:
        return None
    return {"rule": _rule(named, bool(target), len(ranked), len(judged)), "worst": worst, "best": best}


def _cell(group: pl.DataFrame, row: dict, column: str, named: str, artefacts: list[str], folder: Path) -> dict:
    return pair(group, row["view"], artefacts, folder) | {"said": f"{named} {percent(row[column])}"}


def _rule(named: str, targeted: bool, n_kept: int, n: int) -> str:
    high, low = ("Worst", "best") if targeted else ("Best", "worst")
    return (
        f"{high} are the views on which {named} is most probable, {low} those on which it is least, among the {n_kept} of "
        f"{n} views whose frames were kept; chosen by that probability alone, equal ones by their number."
    )
