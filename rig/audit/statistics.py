"""Checks 22 and 23: every rate with its method, denominator and cluster; cells with n, their worst and their tail."""

import math
import re

import numpy as np
import polars as pl

from rig.audit.evidence import PIXEL, SESSION, Evidence
from rig.audit.finding import Verdict, met, not_applicable, unmet, unsure
from rig.audit.placed import cell_rates
from rig.metrics.intervals import MIN_CLUSTERS
from rig.metrics.recount import differences, recount, score_interval

CLUSTER = re.compile(r"\b(?:by|of) \w+")
NO_METRICS = "no metrics.json: write it with rig report"
TAIL_FRAC = 0.1


def intervals(evidence: Evidence) -> Verdict:
    """All rates of the report: a method that is named, an n, and Wilson's bounds by another formula."""
    if evidence.metrics is None:
        return unsure(NO_METRICS)
    rates = list(_rates(evidence.metrics))
    methods: dict[str, int] = {}
    for where, rate in rates:
        if problem := _problem(rate):
            return unmet(f"{where}: {problem}.", rate=rate)
        methods[rate["method"]] = methods.get(rate["method"], 0) + 1
    if not rates:
        return unmet("The metrics state no rate with an interval.")
    if problem := _not_wilson(rates):
        return unmet(problem)
    if several := _not_pooled(evidence):
        return unmet(several)
    if evidence.run.record.refinement and (
        differ := differences(evidence.metrics["rates"], recount(evidence.run.path, "eval"))
    ):
        return unmet(f"Weights recomputed from the views' ids give other rates: {differ[0]}.", differ=differ)
    n_items, n_views = _sizes(evidence)
    each = ", ".join(f"{name} {n}" for name, n in sorted(methods.items(), key=lambda one: -one[1]))
    said = f"{len(rates)} intervals, each with method, cluster and n ({each}); {n_items} object{'s' * (n_items > 1)}, {n_views}"
    return met(f"{said}.{_few(evidence)}", methods=methods, n_items=n_items)


def _rates(tree, where: str = "metrics"):
    """Every rate with bounds, wherever it stands."""
    if isinstance(tree, dict):
        if {"k", "n", "rate", "low", "high"} <= set(tree):
            yield where, tree
        for name, value in tree.items():
            yield from _rates(value, f"{where}.{name}")
    elif isinstance(tree, list):
        for i, value in enumerate(tree):
            yield from _rates(value, f"{where}[{i}]")


def _problem(rate: dict) -> str:
    method = rate.get("method")
    if not method:
        return "an interval without the name of its method"
    if not isinstance(rate["n"], int) or not 0 <= rate["k"] <= rate["n"]:
        return f"{rate['k']} of {rate['n']} is no rate"
    if "bootstrap" in method and not CLUSTER.search(method):
        return f'the method "{method}" does not name its cluster'
    return "" if rate["low"] <= rate["high"] else "the bounds of an interval are reversed"


def _not_wilson(rates: list[tuple[str, dict]]) -> str:
    """The first rate that names Wilson's method and is not k / n, or has other bounds; "" where there is none."""
    told = [(where, rate) for where, rate in rates if rate["method"] == "Wilson" and rate["n"]]
    if not told:
        return ""
    k, n = np.array([(rate["k"], rate["n"]) for _, rate in told]).T
    stated = np.array([(rate["rate"], rate["low"], rate["high"]) for _, rate in told], float)
    expected = np.column_stack([k / n, score_interval(k, n)])
    wrong = np.flatnonzero(~np.isclose(stated, expected, rtol=0, atol=1e-6).all(axis=1))
    if not len(wrong):
        return ""
    where, rate = told[wrong[0]]
    said = f"{rate['rate']:.4f} [{rate['low']:.4f}, {rate['high']:.4f}]"
    return f"{where}: {said} is not the rate and Wilson's interval of {rate['k']} of {rate['n']}."


def _not_pooled(evidence: Evidence) -> str:
    """Views of several objects are no independent draws: a rate over all must be clustered, with its effective n."""
    if evidence.job in (PIXEL, SESSION) or evidence.trials["object"].n_unique() < 2:
        return ""
    pooled = evidence.metrics.get("pooled", [])
    lacking = [row for row in pooled for one in ("accuracy", "adversariality") if "effective_n" not in row[one]]
    if not pooled or lacking:
        return "Rates over several objects are given without a cluster interval and its effective n."
    return ""


def _sizes(evidence: Evidence) -> tuple[int, str]:
    rows = evidence.trials
    n_items = rows["object"].n_unique()
    return (
        n_items,
        "one image each" if evidence.job == PIXEL else f"{rows.select('object', 'view').unique().height} views",
    )


def _few(evidence: Evidence) -> str:
    n = evidence.trials["object"].n_unique()
    if evidence.job in (PIXEL, SESSION) or n == 1:
        return "" if n > 1 else " They hold for fresh views of this object, not for other objects."
    return f" {n} objects: fewer than {MIN_CLUSTERS}, read the rate of each." if n < MIN_CLUSTERS else ""


def cells(evidence: Evidence) -> Verdict:
    """Cells of the view sphere counted again: together they hold every posed trial; worst cell and CVaR stand there."""
    if evidence.job == PIXEL:
        return not_applicable("single images have no view")
    if evidence.metrics is None:
        return unsure(NO_METRICS)
    maps = evidence.metrics.get("maps" if evidence.job == SESSION else "persistence", [])
    if not maps:
        return unmet("No cells are stated.")
    names = ["object", "model", "artefact", *(["crop", "source"] if evidence.job == SESSION else [])]
    posed = evidence.trials.drop_nulls("azimuth_deg").select(*names, "view", "fooled")
    trials = posed.partition_by(names, as_dict=True)
    for one in maps:
        rows = trials.get(tuple(one[name] for name in names), posed.clear())
        if problem := _cell_problem(evidence, one, rows):
            return unmet(f"{one['object']} / {one['artefact']}: {problem}.")
    counts = [cell["n"] for one in maps for cell in one["cells"]]
    empty = sum(n == 0 for n in counts)
    curves = evidence.metrics.get("curves", [])
    by = sorted({row["condition"] for row in curves})
    said = f"{len(maps)} maps of {maps[0]['n_cells']} cells with {min(counts)} to {max(counts)} views, worst cell and CVaR stated"
    said += f"; curves over {len(by)} conditions with n" if by else ""
    looked_at = {"least_n": min(counts), "n_empty": empty, "conditions": by}
    if evidence.job != SESSION and not by and evidence.conditions:
        return unsure(f"{said}; no condition varies, or its curve is missing.", **looked_at)
    return unsure(f"{said}; {empty} cells hold no view.", **looked_at) if empty else met(f"{said}.", **looked_at)


def _cell_problem(evidence: Evidence, one: dict, rows: pl.DataFrame) -> str:
    n, k = sum(cell["n"] for cell in one["cells"]), sum(cell["k"] for cell in one["cells"])
    if (k, n) != (int(rows["fooled"].sum()), len(rows)):
        return f"cells hold {k} of {n}, the trials {int(rows['fooled'].sum())} of {len(rows)}"
    rates = sorted(_rates_of_cells(evidence, one, rows))
    if "least_fooled" not in one or not math.isclose(one["least_fooled"]["rate"], rates[0], abs_tol=1e-9):
        return "the least fooled cell is not the one stated"
    if not math.isclose(one.get("cvar_least_fooled", -1), _tail(rates), abs_tol=1e-9):
        return f"CVaR of the cells is {_tail(rates):.4f}, not {one.get('cvar_least_fooled')}"
    return ""


def _rates_of_cells(evidence: Evidence, one: dict, rows: pl.DataFrame) -> list[float]:
    if evidence.run.record.refinement:
        return cell_rates(rows, "fooled")[0].tolist()
    return [cell["k"] / cell["n"] for cell in one["cells"] if cell["n"]]


def _tail(ordered: list[float]) -> float:
    """Mean of the lowest TAIL_FRAC of the cells, the last one in part: an integral of the quantile function."""
    share = TAIL_FRAC * len(ordered)
    return sum(rate * min(1.0, max(0.0, share - i)) for i, rate in enumerate(ordered)) / share
