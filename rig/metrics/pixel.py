"""All figures of a pixel attack in one dictionary: metrics.json."""

import numpy as np
import polars as pl

from rig.metrics.intervals import CONFIDENCE, cluster_bootstrap
from rig.metrics.label_distance import LabelTree, label_distances
from rig.metrics.load import Run
from rig.metrics.paired import paired
from rig.metrics.pixel_load import STEP, UNIT
from rig.metrics.pixel_recount import pixel_mismatches
from rig.metrics.rates import proportion

SCHEMA = 1
CURVE_POINTS = 60
REFERENCE = "exhaustive"


def pixel_metrics(run: Run, trials: pl.DataFrame) -> dict:
    """`trials` as `read_pixel_trials` gives them."""
    trials = _in_order(run, trials)
    own = trials.filter(pl.col("model") == pl.col("found_on"))
    seed = run.record.seed or 0
    tree = LabelTree.of(getattr(run.record, "labels", []))
    return {
        "schema": SCHEMA,
        "run": run.name,
        "status": run.record.status,
        "confidence": CONFIDENCE,
        "n_trials": len(trials),
        "n_images": own["object"].n_unique(),
        "any_target": bool(run.record.config.get("any_target")),
        "target": run.record.config.get("target"),
        "steps": [key | _step(group, tree, seed) for key, group in _by(own, STEP)],
        "curves": [key | {"points": curve(group)} for key, group in _by(own, STEP)],
        "searches": _compared(own, ("found_on", "pixels"), "search", seed),
        "networks": _compared(own, ("search", "pixels"), "found_on", seed),
        "transfer": [key | _transfer(group) for key, group in _by(with_success(trials), (*STEP, "model"))],
        "fool_all": [key | _fool_all(group) for key, group in _by(trials, ("search", "pixels"))],
        "reference": _reference(own),
        "mismatches": pixel_mismatches(run, trials),
    }


def _in_order(run: Run, trials: pl.DataFrame) -> pl.DataFrame:
    """Networks and searches as they were asked for, few pixels before many."""
    places = {name: i for i, name in enumerate([*run.record.config.get("searches", {})])}
    models = {model.name: i for i, model in enumerate(run.record.models)}
    ranks = [pl.col(name).replace_strict(order, return_dtype=pl.Int64, default=len(order))
             for name, order in (("found_on", models), ("search", places), ("model", models))]  # fmt: skip
    return trials.sort(ranks[0], ranks[1], "pixels", "object", "target_label", ranks[2])


def _by(rows: pl.DataFrame, names: tuple[str, ...]):
    for key, group in rows.partition_by(names, as_dict=True, maintain_order=True).items():
        yield dict(zip(names, key, strict=True)), group


def _step(group: pl.DataFrame, tree: LabelTree | None, seed: int) -> dict:
    """One search with one K on one network, judged by that network."""
    fooled = group.filter("fooled")
    by_image = group.group_by("object").agg(pl.col("fooled").any())
    pairs = [(tree.nearest(row["true_label"].split(" | "), row["predicted"]), row["predicted"])
             for row in fooled.iter_rows(named=True)] if tree else []  # fmt: skip
    return {
        "success": proportion(int(by_image["fooled"].sum()), len(by_image)),  # of images, by any of their targets
        "pairs": _pairs(group, seed) if len(group) > len(by_image) else None,
        "other_wrong": proportion(int((~group["fooled"] & ~group["correct"]).sum()), len(group)),
        "queries_mean": group["queries_total"].mean(),
        "queries_max": group["queries_total"].max(),
        "success_query_median": fooled["success_query"].median(),
        "seconds": group["seconds"].sum(),
        "carried": int((group["queries"] == 0).sum()),
        "l0_max": group["l0"].max(),
        "clean_prob_mean": group["clean_prob"].mean(),
        "fooled_prob_mean": fooled["predicted_prob"].mean(),
        "fooled_clean_prob_mean": fooled["clean_prob"].mean(),
        "labels": label_distances(tree, pairs) if pairs else None,
    }


def _pairs(group: pl.DataFrame, seed: int) -> dict:
    """Success of all (image, target) pairs; whole images are the independent draws."""
    rate = proportion(int(group["fooled"].sum()), len(group))
    if group["object"].n_unique() > 1:
        found = cluster_bootstrap(group["fooled"].to_numpy(), group["object"].to_numpy(), seed, CONFIDENCE)
        rate |= {"low": found.low, "high": found.high, "method": "cluster bootstrap by image"}
    return rate


def curve(group: pl.DataFrame) -> list[dict]:
    """Success within so many queries, those with fewer pixels included; one point for each rung of a log grid."""
    most = int(group["queries_total"].max())
    grid = np.unique(np.rint(np.geomspace(1, max(most, 2), CURVE_POINTS)).astype(int))
    reached = group.filter("fooled")["success_query"].drop_nulls().to_numpy()
    return [{"queries": int(at), **proportion(int((reached <= at).sum()), len(group))} for at in grid]


def _compared(own: pl.DataFrame, place: tuple[str, str], between: str, seed: int) -> list[dict]:
    """Every two searches (or networks) on the units that both attacked."""
    found = []
    for key, group in _by(own, place):
        names = group[between].unique(maintain_order=True).to_list()
        for i, first in enumerate(names):
            for second in names[i + 1 :]:
                both = _joined(group.filter(pl.col(between) == first), group.filter(pl.col(between) == second))
                if len(both):
                    of_two = paired(both["fooled"], both["fooled_right"], both["object"], seed)
                    found.append(key | {"first": first, "second": second, **of_two})
    return found


def _joined(first: pl.DataFrame, second: pl.DataFrame) -> pl.DataFrame:
    return first.join(second, on=list(UNIT), suffix="_right", maintain_order="left")


def _transfer(group: pl.DataFrame) -> dict:
    """Changes that succeeded where they were found, tried on a network that gets the clean image right."""
    tried = group.filter(pl.col("succeeded") & pl.col("clean_correct"))
    return {"rate": proportion(int(tried["fooled"].sum()), len(tried))}


def with_success(trials: pl.DataFrame) -> pl.DataFrame:
    """Adds `succeeded`: whether the change fools the network it was found on."""
    own = trials.filter(pl.col("model") == pl.col("found_on")).select(*UNIT, *STEP, succeeded="fooled")
    return trials.join(own, on=[*UNIT, *STEP], how="left", maintain_order="left")


def _fool_all(group: pl.DataFrame) -> dict:
    """Of units attacked on every network: fooled everywhere by some change each, and by one and the same change."""
    models = group["model"].n_unique()
    own = group.filter(pl.col("model") == pl.col("found_on"))
    units = own.group_by(*UNIT).agg(n=pl.len(), each=pl.col("fooled").all()).filter(pl.col("n") == models)
    changes = group.group_by(*UNIT, "found_on").agg(one=pl.col("fooled").all())
    same = changes.group_by(*UNIT).agg(one=pl.col("one").any()).join(units, on=list(UNIT), how="semi")
    return {
        "n_models": models,
        "each": proportion(int(units["each"].sum()), len(units)),
        "one_change": proportion(int(same["one"].sum()), len(units)),
        "images": sorted(units.filter("each")["object"].unique().to_list()),
    }


def _reference(own: pl.DataFrame) -> list[dict]:
    """Of the units that the exhaustive search fools with one pixel, how many each other search does."""
    found = []
    for key, group in _by(own.filter(pl.col("pixels") == 1), ("found_on",)):
        reference = group.filter((pl.col("search") == REFERENCE) & pl.col("fooled"))
        for search in group["search"].unique(maintain_order=True).to_list() if len(reference) else []:
            both = _joined(reference, group.filter(pl.col("search") == search))
            if search != REFERENCE and len(both):
                share = proportion(int(both["fooled_right"].sum()), len(both))
                found.append(key | {"search": search, "share": share, "beyond": _beyond(group, search)})
    return found


def _beyond(group: pl.DataFrame, search: str) -> int:
    """Units that a search fools and the reference, a lattice, does not."""
    both = _joined(group.filter(pl.col("search") == search), group.filter(pl.col("search") == REFERENCE))
    return int((both["fooled"] & ~both["fooled_right"]).sum())
