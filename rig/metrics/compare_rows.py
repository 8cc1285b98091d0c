"""Rates of two runs and their differences, of each object, model and artefact, and over all objects."""

from collections.abc import Iterable

import numpy as np
import polars as pl
from scipy.stats import fisher_exact

from rig.metrics.compare_difference import holm, newcombe, newcombe_paired
from rig.metrics.compare_load import IMAGES, SESSION, VIEWS
from rig.metrics.compare_match import CLEAN, Views
from rig.metrics.intervals import CONFIDENCE, MIN_CLUSTERS, cluster_bootstrap
from rig.metrics.paired import mcnemar, paired
from rig.metrics.pixel_persistence import clustered
from rig.metrics.rates import proportion

HELD = "adversariality_clean_correct"  # of the trials whose clean twin is right, in both runs
RESULTS = {"accuracy": "correct", "adversariality": "fooled", "other_wrong": "other_wrong", HELD: "fooled"}


def rows(views: Views, kind: str, seed: int) -> list[dict]:
    """One row for each object x model x artefact x rate, and one over all objects where there are several.

    Attacked images are too many, and too alike, for a row each; crops of the same frames are not different objects.
    """
    found, many = [], kind != SESSION and views.first["object"].n_unique() > 1
    for (model, artefact), part in groups(views, ["model", "artefact"]):
        for rate in rates_of(artefact, part.first["target_label"][0]):
            place = {"model": model, "artefact": artefact, "rate": rate}
            if many:
                found.append({"object": None, **place, **over_objects(part, rate, kind, seed), "p_holm": None})
            if not many or kind != IMAGES:
                each = [({"object": key[0], **place}, one) for key, one in groups(part, ["object"])]
                found += with_holm([where | of_object(one, rate, kind, seed) for where, one in each])
    return found


def with_holm(mine: list[dict]) -> list[dict]:
    """Adds `p_holm`, corrected for all rows that have a p."""
    tested = [row for row in mine if row["p"] is not None]
    corrected = dict(zip(map(id, tested), holm([row["p"] for row in tested]), strict=True))
    return [row | {"p_holm": corrected.get(id(row))} for row in mine]


def rates_of(artefact: str, target: str) -> list[str]:
    """What is worth a row: of the clean object without a target, all that is wrong is one figure."""
    names = ["accuracy"] if artefact == CLEAN and not target else ["accuracy", "adversariality"]
    names += ["other_wrong"] if target else []
    return names if artefact == CLEAN else [*names, HELD]


def groups(views: Views, by: list[str]) -> Iterable[tuple[tuple, Views]]:
    """Parts of both runs; what one lacks is left out."""
    first, second, both = (
        None if table is None else table.partition_by(by, as_dict=True, maintain_order=True)
        for table in (views.first, views.second, views.both)
    )
    for key, part in first.items():
        if key in second and (both is None or key in both):
            yield key, Views(part, second[key], both and both[key], views.reason)


def of_object(part: Views, rate: str, kind: str, seed: int) -> dict:
    """Two rates of one object, model and artefact, and their difference."""
    if part.both is None:
        return _unpaired(part, rate)
    first, second, clusters = hits(part.both, rate)
    if len(set(clusters)) == len(clusters):
        return _independent(first, second)
    return _clustered(first, second, clusters, seed, "block of frames" if kind == SESSION else "image") | {"p": None}


def over_objects(part: Views, rate: str, kind: str, seed: int) -> dict:
    """Two rates over all objects; whole objects are the independent draws."""
    if part.both is None:
        return _mean_of_objects(part, rate, seed)
    first, second, _ = hits(part.both, rate)
    names = held(part.both, rate)["object"].to_list()
    if len(set(names)) == len(names):
        return _independent(first, second)
    found = _clustered(first, second, names, seed, "image" if kind == IMAGES else "object")
    return found if kind == VIEWS else found | {"p": None}


def held(both: pl.DataFrame, rate: str) -> pl.DataFrame:
    """The trials that count: for HELD, those whose clean twins are right, in both runs where they are paired."""
    if rate != HELD:
        return both
    right = [pl.col(name) == "correct" for name in ("clean_result", "clean_result_second") if name in both.columns]
    return both.filter(pl.all_horizontal(right))


def hits(both: pl.DataFrame, rate: str) -> tuple[np.ndarray, np.ndarray, list]:
    """Of the pairs that count: whether each is so in the first run and in the second, and its cluster."""
    counted, result = held(both, rate), RESULTS[rate]
    of = [(counted[name] == result).to_numpy().astype(bool) for name in ("result", "result_second")]
    return *of, counted["cluster"].to_list()


def _unpaired(part: Views, rate: str) -> dict:
    (k_1, n_1), (k_2, n_2) = _counts(part.first, rate), _counts(part.second, rate)
    p = float(fisher_exact([[k_1, n_1 - k_1], [k_2, n_2 - k_2]]).pvalue) if n_1 and n_2 else None
    method = "Newcombe, independent samples; exact Fisher"
    return _two(proportion(k_1, n_1), proportion(k_2, n_2), newcombe(k_1, n_1, k_2, n_2), p, method)


def _counts(rows: pl.DataFrame, rate: str) -> tuple[int, int]:
    counted = held(rows, rate)
    return int((counted["result"] == RESULTS[rate]).sum()), len(counted)


def _two(first: dict, second: dict, bounds: tuple, p: float | None, method: str, **more) -> dict:
    difference = second["rate"] - first["rate"] if first["n"] and second["n"] else None
    found = {"first": first, "second": second, "difference": difference, "low": bounds[0], "high": bounds[1], "p": p}
    return found | {"method": method, "warning": ""} | more


def _independent(first: np.ndarray, second: np.ndarray) -> dict:
    """Pairs that are independent draws."""
    table = _pairs(first, second)
    p = mcnemar(table["only_first"], table["only_second"]) if len(first) else None
    rates = [proportion(int(one.sum()), len(one)) for one in (first, second)]
    bounds = newcombe_paired(**table)
    return _two(*rates, bounds, p, "Newcombe, paired; exact McNemar", **_discordant(table))


def _pairs(first: np.ndarray, second: np.ndarray) -> dict[str, int]:
    return {
        "both": int((first & second).sum()),
        "only_first": int((first & ~second).sum()),
        "only_second": int((~first & second).sum()),
        "neither": int((~first & ~second).sum()),
    }


def _discordant(table: dict) -> dict:
    return {name: table[name] for name in ("only_first", "only_second")}


def _clustered(first: np.ndarray, second: np.ndarray, clusters: list, seed: int, by: str) -> dict:
    """Pairs of which only whole clusters are independent draws; p takes the clusters as given."""
    found, names = paired(second, first, clusters, seed), np.asarray(clusters)
    table, n_clusters = _pairs(first, second), len(set(clusters))
    bounds, method = (found["low"], found["high"]), f"paired bootstrap by {by}; exact McNemar"
    if (
        n_clusters < 2 or bounds[0] == bounds[1]
    ):  # clusters that are all alike: a bootstrap has no width, each counts once
        bounds = newcombe_paired(**{name: k * n_clusters / len(first) for name, k in table.items()})
        method = f"Newcombe, paired, n = {by}s; exact McNemar"
    few = few_clusters(n_clusters, by) if method.startswith("paired") else ""
    rates = [clustered(one, names, seed) for one in (first, second)]
    return _two(*rates, bounds, found["p"], method, warning=few, n_clusters=n_clusters, **_discordant(table))


def few_clusters(n: int, by: str) -> str:
    return f"only {n} {by}s: this interval is too narrow" if n < MIN_CLUSTERS else ""


def _mean_of_objects(part: Views, rate: str, seed: int) -> dict:
    """Unpaired views of the same objects: each object's difference counts once."""
    each = [_unpaired(one, rate) for _, one in groups(part, ["object"])]
    each = [one for one in each if one["difference"] is not None]
    first, second = (_pooled(one, rate, seed) for one in (part.first, part.second))
    if len(each) < 2:
        return _two(first, second, (-1.0, 1.0), None, "fewer than two objects")
    found = cluster_bootstrap([one["difference"] for one in each], range(len(each)), seed, CONFIDENCE)
    few = few_clusters(len(each), "object")
    method = "bootstrap by object of the objects' differences"
    bounds, mean = (found.low, found.high), {"difference": found.rate, "n_clusters": len(each)}
    return _two(first, second, bounds, None, method, warning=few, **mean)


def _pooled(rows: pl.DataFrame, rate: str, seed: int) -> dict:
    counted = held(rows, rate)
    return clustered((counted["result"] == RESULTS[rate]).to_numpy(), counted["object"].to_numpy(), seed)
