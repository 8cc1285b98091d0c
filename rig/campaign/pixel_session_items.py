"""One captured frame of a session's pixel attack: what was found on it, and what becomes of it. Whole on disk, or not at all."""

import dataclasses
import json
from dataclasses import dataclass

import numpy as np

from rig.attack.pixel.change import PixelChange, changed_pixels
from rig.attack.pixel.search import Found, search_all
from rig.attack.pixel.task import Task
from rig.campaign.pixel_scene_items import SINGLE, dot_rows, verdict_columns
from rig.campaign.pixel_session_job import PixelSessionJob
from rig.capture import Row
from rig.images import encode_png, read_image
from rig.metrics.label_distance import LabelTree
from rig.runs import RunFolder
from rig.sweep.carriers import SURFACE_FIXED, Carrier, sensor_fixed
from rig.sweep.pixel_persistence import Item
from rig.sweep.pixel_session import Network, PixelCase, carried_rows, condition_rows
from rig.sweep.pixel_session_dots import DotPrinter
from rig.views import derive_seed

CLEAN, CHANGED, PRINTED = "clean", "single-frame", "printed"  # folders of whole frames in artefacts/


@dataclass(frozen=True, eq=False)
class Stage:
    run: RunFolder
    case: PixelCase
    printer: DotPrinter | None  # None where no frame attacked has a pose
    job: PixelSessionJob


def do_item(stage: Stage, row: Row) -> None:
    """Search, conditions, the pass; the rows are written last, so a part on disk means that all of it is there."""
    case, run, name = stage.case, stage.run, stage.case.captured.view_id(row)
    if (run.path / _part(name)).exists():
        return
    asked, clean = case.model.queries, case.image(row)
    found = _search(stage, name, row, clean)
    change = _in_the_frame(found.change, case.seen(row))
    run.write(f"artefacts/{CHANGED}/{name}.pixels.json", change.to_json().encode())
    for folder, image in ((CLEAN, clean), (CHANGED, change.applied(clean))):
        run.write(f"artefacts/{folder}/{name}.png", encode_png(image))
    carriers, changed = _carried_home(stage, row, change, clean)
    if carriers[-1].reading == SURFACE_FIXED:
        run.write(f"artefacts/{PRINTED}/{name}.png", encode_png(changed[-1]))
    view = dataclasses.replace(case.captured.view(row), seed=derive_seed(stage.job.seed, name))
    item = Item(name, view, case.goal, tuple(carriers))
    rows = condition_rows(case, item, row, clean, changed) + carried_rows(case, stage.printer, item, row)
    about = {"reached": found.reached, "success_query": found.success_query, "queries": found.queries}
    run.write(f"pixel/dots-{name}.json", json.dumps(dot_rows(item)).encode())
    run.write_table(_part(name), [one | about for one in rows])
    run.spend(queries=case.model.queries - asked, seconds=found.seconds)
    run.save()


def _search(stage: Stage, name: str, row: Row, clean: np.ndarray) -> Found:
    """Among the sensor's own pixels that reach the network."""
    window = np.ascontiguousarray(clean[stage.case.seen(row)])
    task = Task(name, window, stage.case.goal, stage.job.n_pixels)
    (found,) = search_all([task], Network(stage.case.model), stage.job.search, stage.job.seed)
    return found


def _in_the_frame(change: PixelChange, window) -> PixelChange:
    """A change of a window, in coordinates of the whole frame."""
    offset = [window[0].start, window[1].start, 0, 0, 0]
    return PixelChange(change.pixels + offset)


def _carried_home(stage: Stage, row: Row, change: PixelChange, clean: np.ndarray) -> tuple[list[Carrier], list]:
    """Both readings, and what each makes of the frame that the change was found on."""
    carriers, prepared = [sensor_fixed(change, SINGLE)], []
    if stage.printer and row.pose is not None:
        camera_from_object = stage.case.captured.camera_from_object(row)
        prepared = [stage.printer.prepare(clean, camera_from_object)]
        sizes = stage.job.persistence.dots_px
        dots = [stage.printer.surface_fixed(change, SINGLE, prepared[0], camera_from_object, size) for size in sizes]
        carriers += [carrier for carrier in dots if carrier is not None]
    return carriers, [carrier.frames(prepared, clean[None])[0] for carrier in carriers]


def write_items(stage: Stage, rows: list[Row]) -> None:
    """pixel/items.parquet: a row a frame, judged again from the saved files; and all rows and dots in one file each."""
    run, tree = stage.run, LabelTree.of(stage.case.model.labels)
    names = [stage.case.captured.view_id(row) for row in rows]
    run.write_table("pixel/items.parquet", [_item_row(stage, row, tree) for row in rows])
    run.write_table("pixel/persistence.parquet", [one for name in names for one in run.read_rows(_part(name))])
    dots = {name: json.loads((run.path / f"pixel/dots-{name}.json").read_text()) for name in names}
    named = [dot | {"item": name} for name, of_one in dots.items() for dot in of_one]
    run.write("pixel/dots.json", json.dumps(named).encode())


def _item_row(stage: Stage, row: Row, tree: LabelTree | None) -> dict:
    """`top`, `left`, `height`, `width`: what the model is given of the frame, in its pixels."""
    case, name = stage.case, stage.case.captured.view_id(row)
    clean, changed = (read_image(stage.run.path / "artefacts" / one / f"{name}.png") for one in (CLEAN, CHANGED))
    rows, columns = case.window(row)
    logits = case.logits([clean[rows, columns], changed[rows, columns]])
    values = case.captured.values(row)
    return {
        "item": name,
        "frame": row.frame,
        "pass": row.pass_,
        **{one: values[one] for one in ("azimuth_deg", "elevation_deg", "distance_m")},
        "top": rows.start,
        "left": columns.start,
        "height": rows.stop - rows.start,
        "width": columns.stop - columns.start,
        **verdict_columns(case.goal, case.model.labels, logits, tree),
        "l0_pixels": changed_pixels(clean, changed),
        "success_query": stage.run.read_rows(_part(name))[0]["success_query"],
        "printed": (stage.run.path / "artefacts" / PRINTED / f"{name}.png").exists(),
    }


def _part(name: str) -> str:
    return f"pixel/part-{name}.parquet"
