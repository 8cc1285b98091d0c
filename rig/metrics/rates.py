"""Accuracy, adversariality and other-wrong: three counts that sum to n, each rate with its interval."""

import polars as pl

from rig.metrics.intervals import CONFIDENCE, ClusterInterval, cluster_bootstrap, wilson
from rig.metrics.stratified import weighted
from rig.metrics.weights import CELL, WEIGHT

GROUP = ("object", "artefact", "model")
COUNTS = {"accuracy": "correct", "adversariality": "fooled", "other_wrong": "other_wrong"}


def with_verdict(trials: pl.DataFrame) -> pl.DataFrame:
    """Adds `result`: correct | fooled | other_wrong.

    Targeted: fooled is a prediction of the target. Untargeted (target_label ""): every miss is; other_wrong is empty.
    """
    fooled = (pl.col("outcome") == "target") | ((pl.col("target_label") == "") & (pl.col("outcome") != "correct"))
    return trials.with_columns(result=pl.when(fooled).then(pl.lit("fooled")).otherwise(pl.col("outcome")))


def with_result(trials: pl.DataFrame) -> pl.DataFrame:
    """Adds `result` and `clean_result`, the result of the clean twin."""
    trials = with_verdict(trials)
    pair = ["object", "model", "view"]
    clean = trials.filter(pl.col("artefact") == "clean").select(*pair, clean_result="result")
    return trials.join(clean, on=pair, how="left")


def proportion(k: int, n: int) -> dict:
    """k of n with its Wilson interval; the rate of no trials is None."""
    low, high = wilson(k, n)
    return {"k": k, "n": n, "rate": k / n if n else None, "low": low, "high": high, "method": "Wilson"}


def rate_of(group: pl.DataFrame, result: str) -> dict:
    """How often a result came, of the rows of one object x artefact x model; by weights where views were placed."""
    hits = group["result"] == result
    if WEIGHT in group.columns:
        return weighted(hits.to_numpy(), group[WEIGHT].to_numpy(), group[CELL].to_numpy())
    return proportion(int(hits.sum()), len(group))


def rates(trials: pl.DataFrame) -> list[dict]:
    """One row for each object x artefact x model, on all views and on those where the clean twin was correct."""
    groups = trials.partition_by(GROUP, as_dict=True, maintain_order=True)
    return [dict(zip(GROUP, key, strict=True)) | _group_rates(group) for key, group in groups.items()]


def _group_rates(group: pl.DataFrame) -> dict:
    return {
        "target": group["target_label"][0],
        **_three_rates(group),
        "true_prob_mean": _mean(group, "true_prob"),
        "target_prob_mean": _mean(group, "target_prob"),
        "clean_correct": _three_rates(group.filter(pl.col("clean_result") == "correct")),
    }


def _mean(group: pl.DataFrame, column: str) -> float | None:
    if WEIGHT not in group.columns:
        return group[column].mean()
    known = group.drop_nulls(column)
    return known.select((pl.col(column) * pl.col(WEIGHT)).sum() / pl.col(WEIGHT).sum()).item() if len(known) else None


def _three_rates(group: pl.DataFrame) -> dict:
    three = {rate: rate_of(group, result) for rate, result in COUNTS.items()}
    counts = {result: three[rate]["k"] for rate, result in COUNTS.items()}
    return {"n": len(group), "counts": counts, **three}


def pooled(trials: pl.DataFrame, seed: int) -> list[dict]:
    """One row for each artefact x model over several objects: views of one object are not independent draws."""
    rows = []
    for (artefact, model), group in trials.partition_by("artefact", "model", as_dict=True, maintain_order=True).items():
        n_objects = group["object"].n_unique()
        if n_objects > 1:
            row = {"artefact": artefact, "model": model, "n": len(group), "n_objects": n_objects}
            rows.append(row | {rate: _clustered(group, count, seed) for rate, count in COUNTS.items()})
    return rows


def _clustered(group: pl.DataFrame, result: str, seed: int) -> dict:
    hits = group["result"] == result
    counts = {"k": int(hits.sum()), "n": len(group)}
    if WEIGHT in group.columns:
        return counts | _of_objects(group, result, seed)
    found = cluster_bootstrap(hits.to_numpy(), group["object"].to_numpy(), seed, CONFIDENCE)
    return counts | _interval(found, "cluster bootstrap by object", found.design_effect)


def _of_objects(group: pl.DataFrame, result: str, seed: int) -> dict:
    """The mean of the objects' weighted rates: more views of an object do not make it count for more."""
    each = [rate_of(part, result)["rate"] for part in group.partition_by("object", maintain_order=True)]
    found = cluster_bootstrap(each, range(len(each)), seed, CONFIDENCE)
    alone = found.rate * (1 - found.rate) / len(group)  # variance of as many independent views
    spread = sum((rate - found.rate) ** 2 for rate in each) / len(each) ** 2
    effect = found.design_effect * spread / alone if found.design_effect and alone else None
    return _interval(found, "cluster bootstrap by object, of weighted rates", effect, len(group))


def _interval(found: ClusterInterval, method: str, design_effect: float | None, n: int | None = None) -> dict:
    return {
        "rate": found.rate,
        "low": found.low,
        "high": found.high,
        "method": method,
        "n_clusters": found.n_clusters,
        "design_effect": design_effect,
        "effective_n": (n or found.n) / design_effect if design_effect else None,
        "warning": found.warning,
    }
