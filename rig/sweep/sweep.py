"""The one loop: scenes x artefacts x models x views -> trials on disk, one part a unit of work, done parts skipped."""

import re
import time
from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np

from rig.attack.goal import Goal
from rig.contracts import Artefact, Frame, View
from rig.images import encode_jpeg
from rig.model.detect import Judge
from rig.render import PreparedView, Renderer
from rig.runs import Progress, RunFolder
from rig.scene import Scene
from rig.sweep.trials import Subject, trial_rows, trial_schema

PART_VIEWS = 25
THUMBNAIL_PX = 112
THUMBNAIL_BYTES = 4_000_000  # a run's budget; the first views of every artefact fill it


@dataclass(frozen=True)
class Case:
    """One scene with everything put on its object, its views, and what counts as right and as fooled."""

    scene: Scene
    artefacts: tuple[Artefact, ...]  # "clean" among them: every view has its clean twin
    views: tuple[View, ...]
    goals: dict[str, Goal]  # by model name
    first: int = 0  # views that were swept before these, by earlier calls


def sweep(run: RunFolder, cases: list[Case], models: list[Judge], progress: Progress) -> None:
    """Fill the run's trials. Killed at any moment and called again, it repeats no finished part."""
    done = sum(len(case.artefacts) * case.first for case in cases) * len(models)
    total = done + sum(len(case.artefacts) * len(case.views) for case in cases) * len(models)
    thumbnails = Thumbnails(run, total)
    for case in (case for case in cases if case.views):
        for model in models:
            for name, n_trials in _units(run, case, model, thumbnails):
                done += n_trials
                progress(done, total, name)


def _units(run: RunFolder, case: Case, model: Judge, thumbnails: "Thumbnails") -> Iterator[tuple[str, int]]:
    """Geometry is prepared once for each chunk of views and shared by all artefacts."""
    renderer = Renderer(case.scene, frame_size(case.scene, model))
    for start in range(0, len(case.views), PART_VIEWS):
        views = case.views[start : start + PART_VIEWS]
        parts = {
            artefact.name: part_name(case.scene.name, artefact.name, model.card.name, case.first + start)
            for artefact in case.artefacts
        }
        missing = [artefact for artefact in case.artefacts if not (run.path / parts[artefact.name]).exists()]
        prepared = [renderer.prepare(view) for view in views] if missing else []
        for artefact in case.artefacts:
            if artefact in missing:
                subject = Subject(
                    case.scene.name, artefact.name, model.card.name, model.labels, case.goals[model.card.name]
                )
                _do_part(run, parts[artefact.name], subject, artefact, renderer, prepared, model, thumbnails)
            yield f"{case.scene.name}, {artefact.name}", len(views)


def _do_part(run, name, subject, artefact, renderer: Renderer, prepared: list[PreparedView], model, thumbnails) -> None:
    began, cpu_began, asked = time.perf_counter(), time.process_time(), model.queries
    frames = renderer.frames(artefact.texture, prepared)
    rows = trial_rows(subject, frames, model.predict(np.stack([frame.image for frame in frames])))
    for frame, row in zip(frames, rows, strict=True):
        thumbnails.keep(frame, row["frame_hash"])
    run.write_table(name, rows, trial_schema(rows[0]))
    spent = {"seconds": time.perf_counter() - began, "cpu_seconds": time.process_time() - cpu_began}
    run.spend(queries=model.queries - asked, **spent)
    run.save()


def part_name(scene: str, artefact: str, model: str, start: int) -> str:
    words = [re.sub(r"[^A-Za-z0-9_.]+", "-", word) for word in (scene, artefact, model)]
    return f"trials/part-{'-'.join(words)}-{start:06d}.parquet"


def frame_size(scene: Scene, model: Judge) -> tuple[int, int]:
    """(height, width): the scene's sensor, or the model's own input size where the scene leaves it open."""
    size_px = scene.config.sensor.size_px
    return model.size_px if size_px == "model" else (size_px, size_px)


class Thumbnails:
    """Keeps small JPEGs of the first views of each artefact, so that a run's frames stay within a budget of bytes."""

    def __init__(self, run: RunFolder, n_trials: int):
        self._run = run
        self._stride = max(1, round(n_trials * 3500 / THUMBNAIL_BYTES))

    def keep(self, frame: Frame, frame_hash: str) -> None:
        if int(frame.view.id.rpartition("-")[2]) % self._stride:
            return
        scale = THUMBNAIL_PX / max(frame.image.shape[:2])
        small = cv2.resize(frame.image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        self._run.write(f"frames/{frame_hash}.jpg", encode_jpeg(small, 80))
