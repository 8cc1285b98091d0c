"""Decision maps of the first frame that a scene's pixel attack fooled: arrays, pictures, and which colour is which class."""

import json

import numpy as np

from rig.campaign.pixel_scene_items import Stage, found_on
from rig.contracts import View
from rig.images import encode_png, read_image
from rig.sweep.decision_maps import DecisionMap, key, picture, place_map, plane_map

FOLDER = "pixel/maps"
PLANE_REACH = 2.0


def draw_maps(stage: Stage, views: list[View]) -> None:
    """Both maps of the first fooled frame (of the first frame, if none is); done ones are kept."""
    if (stage.run.path / FOLDER / "maps.json").exists():
        return
    rows = {row["item"]: row for row in stage.run.read_rows("pixel/items.parquet")}
    view = next((view for view in views if rows[view.id]["fooled"]), views[0])
    clean, changed = (
        read_image(stage.run.path / "artefacts" / name / f"{view.id}.png") for name in ("clean", "single-frame")
    )
    pixel = found_on(stage, view).pixels[-1]
    asked, side = stage.model.queries, stage.job.persistence.map_side
    stride_px = -(-max(clean.shape[:2]) // side)
    places = place_map(stage.model, clean, pixel[2:], stage.goal, stride_px)
    plane = plane_map(stage.model, clean, changed, stage.goal, stage.job.seed, side | 1, PLANE_REACH)
    stage.run.spend(queries=stage.model.queries - asked)
    middle = len(plane.rows) // 2
    beside = int(np.abs(plane.columns - 1).argmin())
    at = tuple((pixel[:2] // stride_px).tolist())
    described = {
        "places": _kept(stage, "places", places, (at,), view, color=pixel[2:].tolist(), stride_px=stride_px),
        "plane": _kept(stage, "plane", plane, ((middle, middle), (middle, beside)), view, reach=PLANE_REACH),
    }
    stage.run.write(f"{FOLDER}/maps.json", json.dumps(described, ensure_ascii=False).encode())
    stage.run.save()


def _kept(stage: Stage, name: str, found: DecisionMap, marks: tuple, view: View, **more) -> dict:
    """The map's arrays and picture, and what the picture's colours mean."""
    rows = {row["item"]: row for row in stage.run.read_rows("pixel/items.parquet")}[view.id]
    first = tuple(stage.model.labels.index_of(rows[column]) for column in ("clean_predicted", "predicted"))
    colors = key(found, first)
    arrays = {"predicted": found.predicted, "margin": found.margin, "rows": found.rows, "columns": found.columns}
    stage.run.write_arrays(f"{FOLDER}/{name}.npz", arrays)
    stage.run.write(f"{FOLDER}/{name}.png", encode_png(picture(found, colors, marks)))
    shares = [
        {"label": stage.model.labels[number], "share": share, "color": "#{:02x}{:02x}{:02x}".format(*colors[number])}
        for number, share in found.shares().items()
    ]
    return {"item": view.id, "n": found.predicted.size, "classes": shares} | more
