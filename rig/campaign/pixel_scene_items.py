"""One frame of a scene's pixel attack: what was found on it, and what becomes of it elsewhere. Whole on disk, or not at all."""

import json
from dataclasses import dataclass

import numpy as np
from scipy.special import softmax

from rig.attack.goal import Goal
from rig.attack.pixel.change import PixelChange, changed_pixels
from rig.attack.pixel.search import search_all
from rig.attack.pixel.task import Task
from rig.attack.pixel_expectation import search_expected
from rig.campaign.pixel_scene_job import PixelSceneJob
from rig.contracts import View
from rig.images import encode_png, read_image
from rig.metrics.label_distance import LabelTree
from rig.model import DeployedModel, Labels
from rig.render import PreparedView, Renderer
from rig.runs import RunFolder
from rig.sweep.carriers import SENSOR_FIXED, SURFACE_FIXED, Carrier, sensor_fixed, surface_fixed
from rig.sweep.looks import draw_looks, sensor_looks, surface_looks
from rig.sweep.pixel_persistence import Item, angle_rows, condition_rows

SINGLE, EOT = ATTACKS = ("single-frame", "EOT")


@dataclass(frozen=True, eq=False)
class Stage:
    run: RunFolder
    renderer: Renderer
    model: DeployedModel
    goal: Goal
    job: PixelSceneJob

    def clean_frames(self, views: list[View]) -> np.ndarray:
        prepared = [self.renderer.prepare(view) for view in views]
        frames = self.renderer.frames(self.renderer.scene.mesh.texture, prepared)
        return np.stack([frame.image for frame in frames])


def do_item(stage: Stage, view: View) -> None:
    """Search, EOT searches, persistence; the rows are written last, so a part on disk means that all of it is there."""
    if (stage.run.path / _part(view)).exists():
        return
    asked = stage.model.queries
    prepared = stage.renderer.prepare(view)
    clean = _saved(stage, f"artefacts/clean/{view.id}.png", stage.clean_frames([view])[0])
    task = Task(view.id, clean, stage.goal, stage.job.n_pixels)
    (found,) = search_all([task], stage.model, stage.job.search, stage.job.seed)
    changes = {(SINGLE, None): (found.change, found.queries)} | _expected(stage, task, prepared)
    for (attack, reading), (change, _) in changes.items():
        name = f"artefacts/{_slug(attack, reading)}/{view.id}"
        stage.run.write(f"{name}.pixels.json", change.to_json().encode())
        if reading in (None, SENSOR_FIXED):
            _saved(stage, f"{name}.png", change.applied(clean))
    item = Item(view.id, view, stage.goal, tuple(_carriers(stage, changes, prepared)))
    asked_for = stage.job.persistence
    rows = angle_rows(item, stage.renderer, stage.model, stage.job.seed, asked_for.angles_deg, asked_for.bearings)
    rows += condition_rows(item, stage.renderer, stage.model)
    about = {"single_reached": found.reached, "single_success_query": found.success_query}
    queries = {attack: queries for (attack, _), (_, queries) in changes.items()}
    stage.run.write_table(_part(view), [row | about | {"queries": queries[row["attack"]]} for row in rows])
    stage.run.write(f"pixel/dots-{view.id}.json", json.dumps(dot_rows(item)).encode())
    stage.run.spend(queries=stage.model.queries - asked, seconds=found.seconds)
    stage.run.save()


def _expected(stage: Stage, task: Task, prepared: PreparedView) -> dict:
    """EOT pixels for each reading, with the queries that the single-frame search has."""
    job, settings = stage.job, stage.job.persistence
    if not settings.looks:
        return {}
    drawn = draw_looks(prepared.view, job.seed, settings.looks, settings.reach_deg)
    looks = {
        SENSOR_FIXED: sensor_looks(stage.renderer, drawn),
        SURFACE_FIXED: surface_looks(stage.renderer, prepared, drawn, settings.dots_px[-1]),
    }
    found = {reading: search_expected(task, by, stage.model, job.search, job.seed) for reading, by in looks.items()}
    return {(EOT, reading): (one.change, one.queries) for reading, one in found.items()}


def _carriers(stage: Stage, changes: dict, prepared: PreparedView) -> list[Carrier]:
    carriers = []
    for (attack, reading), (change, _) in changes.items():
        if reading in (None, SENSOR_FIXED):
            carriers.append(sensor_fixed(change, attack))
        if reading in (None, SURFACE_FIXED):
            sizes = stage.job.persistence.dots_px if reading is None else stage.job.persistence.dots_px[-1:]
            carriers += [surface_fixed(change, attack, stage.renderer, prepared, size) for size in sizes]
    return [carrier for carrier in carriers if carrier is not None]


def dot_rows(item: Item) -> list[dict]:
    """True sizes of what is printed."""
    names = ("width_mm", "height_mm", "area_mm2", "painted_mm2", "covered_frac")
    return [
        {"attack": carrier.attack, "dot_px": carrier.dot_px, "n_texels": len(dot.texels)}
        | {name: getattr(dot, name) for name in names}
        for carrier in item.carriers
        for dot in carrier.dots
    ]


def write_items(stage: Stage, views: list[View]) -> None:
    """pixel/items.parquet: a row a frame, judged again from the saved 8-bit files; and all persistence rows in one."""
    tree = LabelTree.of(stage.model.labels)
    stage.run.write_table("pixel/items.parquet", [_item_row(stage, view, tree) for view in views])
    rows = [row for view in views for row in stage.run.read_rows(_part(view))]
    stage.run.write_table("pixel/persistence.parquet", rows)
    dots = [json.loads((stage.run.path / f"pixel/dots-{view.id}.json").read_text()) for view in views]
    named = [dot | {"item": view.id} for view, of_one in zip(views, dots, strict=True) for dot in of_one]
    stage.run.write("pixel/dots.json", json.dumps(named).encode())


def _item_row(stage: Stage, view: View, tree: LabelTree | None) -> dict:
    folder = stage.run.path / "artefacts"
    clean, changed = (read_image(folder / name / f"{view.id}.png") for name in ("clean", _slug(SINGLE, None)))
    logits = stage.model.predict(np.stack([clean, changed]))
    return {
        "item": view.id,
        **{name: float(value) for name, value in view.values.items()},
        **verdict_columns(stage.goal, stage.model.labels, logits, tree),
        "l0_pixels": changed_pixels(clean, changed),
        "success_query": stage.run.read_rows(_part(view))[0]["single_success_query"],
    }


def verdict_columns(goal: Goal, labels: Labels, logits: np.ndarray, tree: LabelTree | None) -> dict:
    """Of a frame before and after its change, logits (2, classes): what it was called, and how wrong that is."""
    before, after = softmax(logits.astype(np.float64), axis=1)
    predicted = labels[int(after.argmax())]
    nearest = tree.nearest([labels[i] for i in goal.true], predicted) if tree else None
    return {
        "clean_predicted": labels[int(before.argmax())],
        "clean_true_prob": float(before[list(goal.true)].sum()),
        "predicted": predicted,
        "predicted_prob": float(after.max()),
        "true_prob": float(after[list(goal.true)].sum()),
        "fooled": bool(goal.reached(logits[1:])[0]),
        "true_label": nearest or labels[int(before.argmax())],
        "relation": tree.relation(nearest, predicted) if tree else None,
        "label_distance": tree.distance(nearest, predicted) if tree else None,
        "common": tree.common(nearest, predicted) if tree else None,
    }


def found_on(stage: Stage, view: View) -> PixelChange:
    path = stage.run.path / "artefacts" / _slug(SINGLE, None) / f"{view.id}.pixels.json"
    return PixelChange.from_json(path.read_text(encoding="utf-8"))


def _slug(attack: str, reading: str | None) -> str:
    return "-".join(part for part in (attack.lower(), reading) if part)


def _part(view: View) -> str:
    return f"pixel/part-{view.id}.parquet"


def _saved(stage: Stage, name: str, image: np.ndarray) -> np.ndarray:
    """What the file says."""
    stage.run.write(name, encode_png(image))
    return read_image(stage.run.path / name)
