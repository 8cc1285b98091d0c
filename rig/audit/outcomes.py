"""Checks 4, 17 and 20: what the stored predictions say, counted again beside what the report says."""

import polars as pl

from rig.audit.evidence import PIXEL, SESSION, Evidence, ids
from rig.audit.finding import Verdict, met, not_applicable, unmet, unsure
from rig.audit.placed import placed_rate
from rig.metrics.rates import proportion

GROUPS = {SESSION: ["object", "model", "crop", "source", "artefact"], PIXEL: ["found_on", "search", "pixels"]}
GROUP = ["object", "artefact", "model"]
NO_METRICS = "no metrics.json to compare with, write it with rig report"


def targeted_success(evidence: Evidence) -> Verdict:
    """Success is pred == target; "any wrong" is counted beside it, never for it."""
    rows = evidence.trials
    lied = rows.filter((pl.col("outcome") == "target") != (pl.col("fooled") & (pl.col("target_label") != "")))
    if len(lied):
        return unmet(f'{len(lied)} trials are stored as "target" against their predicted label.', rows=ids(lied))
    counted = _recounted(evidence)
    stated = _stated(evidence, "adversariality", "success")
    if stated is None:
        return unsure(f"{len(rows)} stored outcomes agree with their predictions; {NO_METRICS}.", recounted=counted)
    for row in counted:
        said = stated.get(row["key"])
        if said != (row["hits"], row["n"]):
            where = f"{' / '.join(row['key'])}: {_of(said)} stated, {row['hits']} of {row['n']} recounted"
            return unmet(f"{where} (any wrong answer: {row['any_wrong']}).", recounted=counted)
    if lost := set(stated) - {row["key"] for row in counted}:
        return unmet(f"A rate is stated that no trial supports: {' / '.join(lost.pop())}.", recounted=counted)
    aims = sorted(set(rows["target_label"]) - {""})
    rule = (
        f"pred == {aims[0]!r}" if len(aims) == 1 else f"pred == target, {len(aims)} targets" if aims else "untargeted"
    )
    return met(
        f"{len(counted)} rates recounted from {len(rows)} stored predictions ({rule}): all agree.", recounted=counted
    )


def _of(said: tuple[int, int] | None) -> str:
    return "nothing" if said is None else f"{said[0]} of {said[1]}"


def _recounted(evidence: Evidence) -> list[dict]:
    """Of each group of the report: n, hits and any wrong answer; a pixel attack counts images, by any target."""
    rows, names = evidence.trials, GROUPS.get(evidence.job, GROUP)
    figures = {"hits": pl.col("fooled").sum(), "any_wrong": (~pl.col("correct")).sum(), "n": pl.len()}
    if evidence.job == PIXEL:
        own = rows.filter((pl.col("search") != "") & (pl.col("model") == pl.col("found_on")))
        rows = own.group_by(*names, "object").agg(pl.col("fooled").any(), pl.col("correct").all())
    table = rows.group_by(names).agg(**figures).sort(names).to_dicts()
    return [{"key": tuple(str(row[name]) for name in names), **{name: row[name] for name in figures}} for row in table]


def _stated(evidence: Evidence, *figures: str) -> dict[tuple, tuple[int, int]] | None:
    """k and n by group as the report has them; None without metrics."""
    if evidence.metrics is None:
        return None
    names, found = GROUPS.get(evidence.job, GROUP), {}
    for row in evidence.metrics.get("steps" if evidence.job == PIXEL else "rates", []):
        figure = next(row[name] for name in figures if name in row)
        found[tuple(str(row[name]) for name in names)] = (figure["k"], figure["n"])
    return found


def miss_split(evidence: Evidence) -> Verdict:
    """Correct, target and other wrong exclude each other and sum to n; so they stand in the report."""
    rows = evidence.trials
    unknown = rows.filter(~pl.col("outcome").is_in(["correct", "target", "other_wrong"]))
    wrong = rows.filter((pl.col("outcome") == "correct") != pl.col("correct"))
    if len(unknown) or len(wrong):
        return unmet(
            f"{len(unknown) + len(wrong)} outcomes are not what the prediction says.",
            rows=ids(pl.concat([unknown, wrong])),
        )
    if evidence.metrics is None:
        return unsure(f"{len(rows)} outcomes are split three ways; {NO_METRICS}.")
    if evidence.job == PIXEL:
        return _pixel_split(evidence)
    table = evidence.metrics.get("rates", [])
    for row in table:
        parts = [row[name]["k"] for name in ("accuracy", "adversariality", "other_wrong")]
        if sum(parts) != row["n"]:
            where = "/".join(str(row[name]) for name in GROUPS.get(evidence.job, GROUP))
            return unmet(f"{where}: {' + '.join(map(str, parts))} is not {row['n']}.", row=row)
    return met(f"Correct, target and other wrong add up to n in all {len(table)} rates of {len(rows)} trials.")


def _pixel_split(evidence: Evidence) -> Verdict:
    own = evidence.attacked.filter(pl.col("model") == pl.col("found_on"))
    for step in evidence.metrics.get("steps", []):
        part = own.filter(*(pl.col(name) == step[name] for name in GROUPS[PIXEL]))
        other = int((~part["fooled"] & ~part["correct"]).sum())
        if (step["other_wrong"]["k"], step["other_wrong"]["n"]) != (other, len(part)):
            where = f"{step['search']}, {step['pixels']} px on {step['found_on']}"
            return unmet(f"{where}: {step['other_wrong']['k']} other wrong answers stated, {other} recounted.")
    return met(
        f"Other wrong answers agree in all {len(evidence.metrics['steps'])} rates of {len(own)} attacked images."
    )


def worst_case(evidence: Evidence) -> Verdict:
    """Mean over items of the minimum over attacks: an item counts as right only if every attack leaves it right."""
    rows = evidence.attacked
    if rows.is_empty():
        return not_applicable("no attack was evaluated")
    if evidence.job == SESSION:
        return not_applicable("a camera frame wears one artefact: there is no minimum over attacks of one item")
    if evidence.job == PIXEL:
        rows = rows.filter(pl.col("model") == pl.col("found_on"), pl.col("pixels") == pl.col("pixels").max())
        item, attack = ["object", "target_label", "model"], "search"
    else:
        item, attack = ["object", "model", "view"], "artefact"
    names = sorted(set(rows[attack]))
    items = rows.group_by(item, maintain_order=True).agg(n=pl.col(attack).n_unique(), right=pl.col("correct").all())
    lacking = items.filter(pl.col("n") < len(names))
    if len(lacking):
        listed = ids(lacking, *item)
        return unmet(
            f"{len(lacking)} of {len(items)} items lack one of {len(names)} attacks: no minimum over attacks.",
            items=listed,
        )
    rate_of = placed_rate if evidence.run.record.refinement else _plain_rate
    worst = rate_of(items, "right")
    single = {name: rate_of(rows.filter(pl.col(attack) == name), "correct")["rate"] for name in names}
    said = f"Recognised under the worst of {len(names)} attack{'s' * (len(names) > 1)}: "
    said += f"{worst['k']} of {worst['n']} (" if rate_of is _plain_rate else f"n = {worst['n']}, by weights ("
    said += f"{worst['rate']:.1%}, 95 % CI {worst['low']:.1%} to {worst['high']:.1%})."
    return met(said, worst_case=worst, of_each=single)


def _plain_rate(rows: pl.DataFrame, hit: str) -> dict:
    return proportion(int(rows[hit].sum()), len(rows))
