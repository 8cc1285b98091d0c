"""A study's figures, from the stored trials of its items: one row an item, then what the rows say together."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import polars as pl

from rig.metrics.intervals import cluster_bootstrap
from rig.metrics.load import Run, read_run, read_trials
from rig.metrics.rates import proportion, with_verdict

ATTACKED = "adversarial"
SUCCESSFUL = 0.9  # of an item's views; the share that the paper's choice of lambda keeps (Athalye et al. 2018)
QUANTILES = (0.1, 0.25, 0.5, 0.75, 0.9)
FIGURES = {"accuracy": "correct", "adversariality": "fooled", "other_wrong": "other_wrong"}


def item_figures(name: str, attack: Path, transfer: Path) -> dict:
    """One item: its attack's run and, where there is one, the sweep of its texture by other networks.

    Of networks attacked together the first one's figures are the item's; the others' stand beside those of `transfer`.
    """
    run = read_run(attack)
    first, *others = (model.name for model in run.record.models)
    judged = evaluated(run)
    trials = judged.filter(pl.col("model") == first)
    (target,), (item,) = trials["target_label"].unique(), trials["object"].unique()
    details = run.artefacts[ATTACKED]
    return {
        "item": name,
        "object": item,
        "target": target,
        "model": first,
        "attacked": [first, *others],
        "distribution": run.record.threat_model.distribution.name,
        "artefacts": {
            artefact: _figures(trials, artefact) for artefact in trials["artefact"].unique(maintain_order=True)
        },
        "delta_e_mean": details.delta_e_mean,
        "validation_success": details.details.get("validation_success"),
        "gradients": details.details.get("gradients"),
        "cpu_seconds": run.record.resources.get("cpu_seconds"),
        "transfer": _by_network(judged.filter(pl.col("model") != first)) | _transfer(transfer),
    }


def evaluated(run: Run) -> pl.DataFrame:
    return with_verdict(read_trials(run).filter(pl.col("split") == "eval"))


def _figures(trials: pl.DataFrame, artefact: str) -> dict:
    found = trials.filter(pl.col("artefact") == artefact)
    return {
        figure: proportion(int((found["result"] == result).sum()), len(found)) for figure, result in FIGURES.items()
    }


def _transfer(folder: Path) -> dict[str, dict]:
    return _by_network(evaluated(read_run(folder))) if (folder / "run.json").exists() else {}


def _by_network(trials: pl.DataFrame) -> dict[str, dict]:
    """The clean object and the texture."""
    return {
        model: {artefact: _figures(mine, artefact) for artefact in ("clean", ATTACKED)}
        for (model,), mine in trials.partition_by("model", as_dict=True, maintain_order=True).items()
    }


def study_figures(items: Sequence[dict], seed: int) -> dict:
    """Over items: mean, standard deviation (n - 1), quantiles; intervals of means resample objects."""
    return {
        "n_items": len(items),
        "attacked": items[0]["attacked"],
        "n_objects": len({item["object"] for item in items}),
        "n_views": sum(item["artefacts"][ATTACKED]["adversariality"]["n"] for item in items),
        "clean_accuracy": spread(items, _rates(items, "clean", "accuracy"), seed),
        "adversariality": spread(items, _rates(items, ATTACKED, "adversariality"), seed),
        "accuracy": spread(items, _rates(items, ATTACKED, "accuracy"), seed),
        "delta_e_mean": spread(items, [item["delta_e_mean"] for item in items], seed),
        "successful_items": proportion(
            sum(rate >= SUCCESSFUL for rate in _rates(items, ATTACKED, "adversariality")), len(items)
        ),
        "controls": {
            name: spread(items, _rates(items, name, "adversariality"), seed)
            for name in sorted(set.intersection(*(set(item["artefacts"]) for item in items)))
            if name.startswith("control_")
        },
        "objects": [_object(name, items) for name in dict.fromkeys(item["object"] for item in items)],
        "transfer": {model: _over_networks(items, model, seed) for model in _networks(items)},
    }


def _rates(items: Sequence[dict], artefact: str, figure: str) -> list[float]:
    return [item["artefacts"][artefact][figure]["rate"] for item in items]


def spread(items: Sequence[dict], values: Sequence[float], seed: int) -> dict:
    """Mean over items with what lies around it; `low` and `high` are None for a single object."""
    values, objects = np.asarray(values, float), [item["object"] for item in items]
    found = {
        "mean": float(values.mean()),
        "sd": float(values.std(ddof=1)) if len(values) > 1 else None,
        "min": float(values.min()),
        "max": float(values.max()),
        "quantiles": {f"{q:g}": float(np.quantile(values, q)) for q in QUANTILES},
        "low": None,
        "high": None,
        "warning": "",
    }
    if len(set(objects)) > 1:
        interval = cluster_bootstrap(values, objects, seed)
        found |= {"low": max(0.0, interval.low), "high": interval.high, "warning": interval.warning}
    return found


def _object(name: str, items: Sequence[dict]) -> dict:
    """All views of an object's items together; no interval, as its items are few and share what the object is."""
    mine = [item["artefacts"][ATTACKED]["adversariality"] for item in items if item["object"] == name]
    k, n = sum(one["k"] for one in mine), sum(one["n"] for one in mine)
    return {"object": name, "n_items": len(mine), "k": k, "n": n, "rate": k / n}


def _networks(items: Sequence[dict]) -> list[str]:
    """Networks that have judged every item."""
    return [model for model in items[0]["transfer"] if all(model in item["transfer"] for item in items)]


def _over_networks(items: Sequence[dict], model: str, seed: int) -> dict:
    of_model = [{"object": item["object"], "artefacts": item["transfer"][model]} for item in items]
    return {
        "clean_accuracy": spread(of_model, _rates(of_model, "clean", "accuracy"), seed),
        "accuracy": spread(of_model, _rates(of_model, ATTACKED, "accuracy"), seed),
        "adversariality": spread(of_model, _rates(of_model, ATTACKED, "adversariality"), seed),
    }
