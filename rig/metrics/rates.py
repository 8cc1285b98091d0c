"""Accuracy, adversariality and other-wrong: three counts that sum to n, each rate with its interval."""

import polars as pl

from rig.metrics.intervals import CONFIDENCE, cluster_bootstrap, wilson

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


def rates(trials: pl.DataFrame) -> list[dict]:
    """One row for each object x artefact x model, on all views and on those where the clean twin was correct."""
    groups = trials.partition_by(GROUP, as_dict=True, maintain_order=True)
    return [dict(zip(GROUP, key, strict=True)) | _group_rates(group) for key, group in groups.items()]


def _group_rates(group: pl.DataFrame) -> dict:
    return {
        "target": group["target_label"][0],
        **_three_rates(group),
        "true_prob_mean": group["true_prob"].mean(),
        "target_prob_mean": group["target_prob"].mean(),
        "clean_correct": _three_rates(group.filter(pl.col("clean_result") == "correct")),
    }


def _three_rates(group: pl.DataFrame) -> dict:
    found = dict(group["result"].value_counts().iter_rows())
    counts = {name: int(found.get(name, 0)) for name in COUNTS.values()}
    three = {rate: proportion(counts[count], len(group)) for rate, count in COUNTS.items()}
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
    found = cluster_bootstrap(hits.to_numpy(), group["object"].to_numpy(), seed, CONFIDENCE)
    return {
        "k": int(hits.sum()),
        "n": found.n,
        "rate": found.rate,
        "low": found.low,
        "high": found.high,
        "method": "cluster bootstrap by object",
        "n_clusters": found.n_clusters,
        "design_effect": found.design_effect,
        "effective_n": found.effective_n,
        "warning": found.warning,
    }
