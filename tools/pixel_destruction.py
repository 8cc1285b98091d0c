"""Which conditions end the fooling of a finished `rig attack pixel IMAGES` run: a table by network, search and K.

    .venv/bin/python tools/pixel_destruction.py runs/pixels [--search rig] [--json]

Every fooled image is taken from its saved file, with its clean twin; both go through each condition (exposure, noise,
blur, JPEG, resolution, shifts of one pixel) and to the network again. Rates: rig.metrics.pixel_persistence.destruction.
"""

import argparse
import json
from pathlib import Path

import numpy as np
import polars as pl

from rig.attack.goal import Goal
from rig.images import read_image
from rig.metrics.load import Run, read_run
from rig.metrics.pixel_load import read_pixel_trials
from rig.metrics.pixel_persistence import destruction
from rig.metrics.recount import SEPARATOR
from rig.model import DeployedModel, resolve
from rig.sweep.carriers import SENSOR_FIXED, Carrier
from rig.sweep.pixel_persistence import Item, image_rows
from rig.sweep.pixel_trials import STILL


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--search", help="only this search; default: the run's main one")
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    run = read_run(asked.run)
    search = asked.search or next(iter(run.record.config["searches"]))
    trials = read_pixel_trials(run).filter((pl.col("search") == search) & pl.col("fooled") & pl.col("clean_correct"))
    found = []
    for name in run.record.config["models"]:
        model = DeployedModel(resolve(name), run.record.config["threads"])
        mine = trials.filter((pl.col("model") == model.card.name) & (pl.col("found_on") == model.card.name))
        rows = [row for trial in mine.iter_rows(named=True) for row in rows_of(run, trial, model)]
        table = pl.DataFrame(rows, schema_overrides={"dot_px": pl.Float64}) if rows else None
        found += [{"model": model.card.name} | row for row in destruction(table)] if rows else []
    print(json.dumps(found) if asked.json else as_text(found))


def rows_of(run: Run, trial: dict, model: DeployedModel) -> list[dict]:
    """One fooled image in every condition, beside its clean twin; judged from the saved files."""
    folder, name = run.path / "artefacts", f"{trial['object']}.png"
    clean, changed = read_image(folder / "clean" / name), read_image(folder / trial["artefact"] / name)
    true = tuple(model.labels.index_of(label) for label in trial["true_label"].split(SEPARATOR))
    target = model.labels.index_of(trial["target_label"]) if trial["target_label"] else None
    carrier = Carrier(trial["search"], SENSOR_FIXED, trial["pixels"], lambda _, clean: np.stack([changed]))
    item = Item(f"{trial['object']} {trial['artefact']}", STILL, Goal(true, target), (carrier,))
    return image_rows(item, clean, [changed], model)


def as_text(found: list[dict]) -> str:
    lines = ["network search px condition value | n | destroyed | destroyed, twin right | twin lost"]
    for row in found:
        rates = [row[name] for name in ("destroyed", "destroyed_twin_right", "twin_lost")]
        shown = [
            f"{100 * one['rate']:.0f} % [{100 * one['low']:.0f}, {100 * one['high']:.0f}]" if one["n"] else "-"
            for one in rates
        ]
        head = f"{row['model']} {row['attack']} {row['n_pixels']} {row['condition']} {row['value']:g}"
        lines.append(" | ".join([head, str(rates[0]["n"]), *shown]))
    return "\n".join(lines)


if __name__ == "__main__":
    main()
