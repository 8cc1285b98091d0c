"""The loop over a camera session: frames taken, and their rendered twins, by every crop and model."""

import time
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch

from rig.attack.goal import Goal
from rig.capture import Captured, Row
from rig.capture.crops import Crop, Window, sphere_px, window
from rig.contracts import Frame, View
from rig.images import batch_from_images, content_hash
from rig.model import DeployedModel
from rig.render.twin import TwinRenderer
from rig.runs import Progress, RunFolder
from rig.scene import Scene
from rig.sweep.session_trials import MEASURED, SCHEMA, clean_twins, pose_values, session_columns
from rig.sweep.sweep import PART_VIEWS, Thumbnails, part_name
from rig.sweep.trials import Subject, trial_rows
from rig.views import draw_views


@dataclass(frozen=True)
class SessionCase:
    """A session with its scene. `textures` by artefact are what twins wear; an artefact without one has no twins."""

    captured: Captured
    scene: Scene
    textures: dict[str, np.ndarray]
    goals: dict[str, Goal]  # by model name
    crops: tuple[Crop, ...]
    seed: int


@dataclass(frozen=True)
class Shot:
    """A frame as taken or rendered, with what it belongs to."""

    row: Row
    artefact: str
    frame: Frame


def sweep_sessions(run: RunFolder, cases: list[SessionCase], models: list[DeployedModel], progress: Progress) -> None:
    """Fill the run's trials. Killed at any moment and called again, it repeats no finished part."""
    total, done = sum(len(case.captured.rows) for case in cases), 0
    thumbnails = Thumbnails(run, 3 * total)
    for case in cases:
        twins = clean_twins(case.captured)
        renderer = TwinRenderer(case.scene, case.captured.header.profile) if case.textures else None
        for start in range(0, len(case.captured.rows), PART_VIEWS):
            rows = case.captured.rows[start : start + PART_VIEWS]
            missing = [model for model in models if not (run.path / _part(case, model, start)).exists()]
            shots = list(_shots(case, rows, renderer)) if missing else []
            for model in missing:
                _do_part(run, case, model, start, shots, twins, thumbnails)
            done += len(rows)
            progress(done, total, case.captured.name)


def _part(case: SessionCase, model: DeployedModel, start: int) -> str:
    return part_name(case.captured.name, case.scene.name, model.card.name, start)


def _shots(case: SessionCase, rows: tuple[Row, ...], renderer: TwinRenderer | None) -> Iterator[Shot]:
    """Every frame taken; then, of those with a pose, the twins: what was on the object, and clean."""
    for row in rows:
        yield Shot(row, row.artefact, case.captured.frame(row))
    posed = [row for row in rows if row.pose is not None] if renderer else []
    prepared = {row.frame: renderer.prepare(_view(case, row), case.captured.camera_from_object(row)) for row in posed}
    for artefact, texture in case.textures.items():
        worn = [row for row in posed if artefact in ("clean", row.artefact)]
        if worn:
            frames = renderer.frames(texture, [prepared[row.frame] for row in worn])
            yield from (Shot(row, artefact, frame) for row, frame in zip(worn, frames, strict=True))


def _view(case: SessionCase, row: Row) -> View:
    """Light, background, print and sensor drawn from the scene for this frame alone; the pose as it was measured."""
    captured = case.captured
    (drawn,) = draw_views(case.scene.config, 1, case.seed, f"twin-{captured.name}", start=row.frame)
    return View(captured.view_id(row), "eval", dict(drawn.values) | pose_values(captured, row), drawn.seed)


def _do_part(run: RunFolder, case: SessionCase, model: DeployedModel, start: int, shots, twins, thumbnails) -> None:
    began, cpu_began, asked = time.perf_counter(), time.process_time(), model.queries
    rows = [row for crop in case.crops for row in _rows(case, model, crop, shots, twins, thumbnails)]
    run.write_table(_part(case, model, start), rows, SCHEMA)
    spent = {"seconds": time.perf_counter() - began, "cpu_seconds": time.process_time() - cpu_began}
    run.spend(queries=model.queries - asked, **spent)
    run.save()


def _rows(case: SessionCase, model: DeployedModel, crop: Crop, shots: list[Shot], twins, thumbnails) -> Iterator[dict]:
    """Trials of one crop; a frame that cannot be cropped so has none."""
    cropped = [(shot, image) for shot in shots if (image := _cropped(case, crop, shot)) is not None]
    if not cropped:
        return
    fitted = torch.cat([model.fit(batch_from_images(image[None])) for _, image in cropped])
    for (shot, image), logits in zip(cropped, model.logits(fitted), strict=True):
        subject = Subject(case.scene.name, shot.artefact, model.card.name, model.labels, case.goals[model.card.name])
        (row,) = trial_rows(subject, [shot.frame], logits[None])
        taken = shot.frame.source == "capture"
        own_twin = {shot.row.frame: (case.captured.view_id(shot.row), 0.0)}
        extra = session_columns(case.captured, shot.row, twins if taken else own_twin, crop.name)
        extra |= {name: shot.frame.view.values[name] if taken else None for name in MEASURED}
        known = {name: row.get(name) for name in SCHEMA.names}
        named = {"session": case.captured.name, "frame_hash": content_hash(image)}
        thumbnails.keep(Frame(np.ascontiguousarray(image), shot.frame.view, shot.frame.source), named["frame_hash"])
        yield known | extra | named


def _cropped(case: SessionCase, crop: Crop, shot: Shot) -> np.ndarray | None:
    at = window_of(case.captured, shot.row, crop, case.scene.config.object.radius_m, shot.frame.image.shape[:2])
    return None if at is None else shot.frame.image[at]


def window_of(captured: Captured, row: Row, crop: Crop, radius_m: float, size_px: tuple[int, int]) -> Window | None:
    """Rows and columns of a frame (height, width) that a crop leaves; None where it cannot be cropped so."""
    camera_from_object, lens = captured.camera_from_object(row), captured.header.profile.lens
    sphere = None if camera_from_object is None else sphere_px(lens, camera_from_object, radius_m)
    return window(crop, size_px, sphere)
