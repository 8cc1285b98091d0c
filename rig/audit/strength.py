"""Checks 12, 13 and 14: other starts, other budgets and no budget at all."""

from itertools import pairwise

import polars as pl

from rig.audit.evidence import PIXEL, TEXTURE, Evidence, ids
from rig.audit.finding import Verdict, met, not_applicable, not_run, unmet, unsure
from rig.metrics.paired import paired
from rig.metrics.rates import proportion

LEAST_STARTS = 10
ABOUT_ALL = 0.95  # what "about 100 %" asks of an attack without a budget


def restarts(evidence: Evidence) -> Verdict:
    """The best of ten starts against the best of the first five."""
    if evidence.unchanged:
        return not_applicable(evidence.unchanged)
    if evidence.job != TEXTURE:
        return unsure("not run: one start a search; repeat the run with other --seed values")
    found = evidence.deep("restarts")
    if found is None:
        return not_run("One start")
    starts = [proportion(k, n) for k, n in found["starts"]]
    if len(starts) < LEAST_STARTS:
        return unsure(
            f"{len(starts)} of {LEAST_STARTS} starts were made; go on with: rig audit RUN --deep", starts=starts
        )
    half, best = (max(starts[:n], key=lambda one: one["rate"]) for n in (len(starts) // 2, len(starts)))
    span = f"{min(one['rate'] for one in starts):.1%} to {best['rate']:.1%}"
    said = (
        f"{len(starts)} starts of {starts[0]['n']} views each reach {span}; the best of half of them {half['rate']:.1%}"
    )
    if half["rate"] < best["low"]:
        return unmet(f"{said}, outside the interval of the best: more starts matter.", starts=starts)
    return met(f"{said}, inside the interval of the best.", starts=starts)


def monotone(evidence: Evidence) -> Verdict:
    """More budget may lose single items, but not more of them than chance explains."""
    if evidence.unchanged:
        return not_applicable(evidence.unchanged)
    ladders = _pixel_ladders(evidence) if evidence.job == PIXEL else _texture_ladders(evidence)
    if not ladders:
        return unsure("only one budget was tried: rig attack texture --trade-off, or rig attack pixel --pixels 1,3,5")
    found = [_compared(*pair) for ladder in ladders for pair in pairwise(ladder)]
    lost = [one for one in found if one["lost"]]
    falling = [one for one in found if one["difference"] < 0 and one["high"] is not None and one["high"] < 0]
    if falling:
        one = falling[0]
        change = f"{one['k_second']} with {one['less']}, {one['k_first']} with {one['more']} of {one['n']} items"
        return unmet(f"Success falls with a larger budget beyond the interval: {change}.", steps=found)
    said = f"Success never falls beyond the interval over {len(found)} increases of the budget"
    n_lost = sum(len(one["lost"]) for one in lost)
    if evidence.job == PIXEL and n_lost:
        return unmet(f"{said}, but {n_lost} items fooled with fewer pixels are not with more.", steps=found)
    return met(f"{said}; {n_lost} items were fooled with the smaller one only.", steps=found)


def _texture_ladders(evidence: Evidence) -> list[list[tuple[str, pl.DataFrame]]]:
    order = sorted(evidence.attacks, key=lambda name: (evidence.budget(name) is None, evidence.budget(name) or 0))
    item = pl.concat_str("object", "model", "view", separator=", ").alias("item")
    rows = evidence.attacked.with_columns(item, cluster=pl.col("view"))
    steps = [(_budget_words(evidence.budget(name)), rows.filter(pl.col("artefact") == name)) for name in order]
    return [steps] if len(steps) > 1 else []


def _budget_words(budget: float | None) -> str:
    return "no budget" if budget is None else f"Delta-E {budget:g}"


def _pixel_ladders(evidence: Evidence) -> list[list[tuple[str, pl.DataFrame]]]:
    item = pl.concat_str("object", "target_label", separator=", ").alias("item")
    own = evidence.attacked.filter(pl.col("model") == pl.col("found_on")).with_columns(item, cluster=pl.col("object"))
    found = []
    for (search, on), rows in own.partition_by("search", "found_on", as_dict=True, maintain_order=True).items():
        steps = [
            (f"{n} px ({search} on {on})", rows.filter(pl.col("pixels") == n)) for n in sorted(set(rows["pixels"]))
        ]
        found += [steps] if len(steps) > 1 else []
    return found


def _compared(less: tuple[str, pl.DataFrame], more: tuple[str, pl.DataFrame]) -> dict:
    both = more[1].join(less[1].select("item", smaller="fooled"), on="item", how="inner", maintain_order="left")
    lost = both.filter(pl.col("smaller") & ~pl.col("fooled"))
    figures = paired(both["fooled"], both["smaller"], both["cluster"].to_list(), 0)
    return figures | {"less": less[0], "more": more[0], "lost": ids(lost, "item")}


def unbounded(evidence: Evidence) -> Verdict:
    """An attack without a budget that does not nearly always succeed has no working gradient, or no room in this T."""
    if evidence.unchanged:
        return not_applicable(evidence.unchanged)
    if evidence.job != TEXTURE:
        return unsure("not run: rig has no pixel attack without a bound on pixels")
    free = [name for name in evidence.attacks if evidence.budget(name) is None]
    free = free if evidence.settings.epsilon is None else []
    made = [("stored " + name, _rate(evidence, name)) for name in free]
    deep = evidence.deep("unbounded")
    made += [("made by --deep", proportion(deep["k"], deep["n"]))] if deep else []
    if not made:
        return not_run()
    where, rate = max(made, key=lambda one: one[1]["rate"])
    span = f"{rate['rate']:.1%}, 95 % CI {rate['low']:.1%} to {rate['high']:.1%}"
    said = f"Without a budget ({where}) {rate['k']} of {rate['n']} views are fooled ({span})"
    if rate["rate"] >= ABOUT_ALL:
        return met(f"{said}.", unbounded=rate)
    if rate["high"] >= ABOUT_ALL:
        return unsure(f"{said}: below {ABOUT_ALL:.0%}, though its interval is not.", unbounded=rate)
    if deep is None:
        return not_run(f"{said}, but it began from the bounded texture with fewer steps", unbounded=rate)
    return unmet(f"{said}: about 100 % is expected, so the optimisation is not to be trusted.", unbounded=rate)


def _rate(evidence: Evidence, name: str) -> dict:
    rows = evidence.attacked.filter(pl.col("artefact") == name)
    return proportion(int(rows["fooled"].sum()), len(rows))
