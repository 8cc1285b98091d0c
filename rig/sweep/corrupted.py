"""The frames of a sweep again, corrupted: rows beside the trials, each the twin of one of them.

They lie in corruptions/ rather than trials/: what is on the object (`artefact`) and what happens to the frame (`corruption`,
`severity`) are two things, and rates of the declared distribution shall not mix with those of corrupted frames.
"""

import time
from collections.abc import Iterator

import numpy as np
import pyarrow as pa

from rig.contracts import Frame
from rig.images import content_hash
from rig.model.detect import Judge
from rig.render import Renderer
from rig.runs import Progress, RunFolder
from rig.sweep.corruptions import Corruption
from rig.sweep.sweep import PART_VIEWS, Case, frame_size, part_name
from rig.sweep.trials import Subject, trial_rows, trial_schema

FOLDER = "corruptions"
COLUMNS = {"corruption": pa.string(), "severity": pa.int64(), "twin_hash": pa.string()}


def sweep_corrupted(
    run: RunFolder,
    cases: list[Case],
    models: list[Judge],
    corruptions: tuple[Corruption, ...],
    progress: Progress,
) -> None:
    """Every frame that `rig.sweep.sweep` judged, under every corruption. Done parts are skipped."""
    total = sum(len(case.artefacts) * len(case.views) for case in cases) * len(models)
    done = 0
    for case in cases:
        for model in models:
            for n_views in _parts(run, case, model, corruptions):
                done += n_views
                progress(done, total, f"{case.scene.name}, corrupted")


def _parts(run: RunFolder, case: Case, model: Judge, corruptions: tuple[Corruption, ...]) -> Iterator[int]:
    renderer = Renderer(case.scene, frame_size(case.scene, model))
    for start in range(0, len(case.views), PART_VIEWS):
        views = case.views[start : start + PART_VIEWS]
        for artefact in case.artefacts:
            name = FOLDER + part_name(case.scene.name, artefact.name, model.card.name, start).removeprefix("trials")
            if not (run.path / name).exists():
                goal = case.goals[model.card.name]
                subject = Subject(case.scene.name, artefact.name, model.card.name, model.labels, goal)
                frames = renderer.frames(artefact.texture, [renderer.prepare(view) for view in views])
                _do_part(run, name, subject, frames, model, corruptions)
            yield len(views)


def _do_part(run, name: str, subject: Subject, frames: list[Frame], model: Judge, corruptions) -> None:
    began, cpu_began, asked = time.perf_counter(), time.process_time(), model.queries
    rows = [row for corruption in corruptions for row in _rows(subject, frames, model, corruption)]
    kept = trial_schema({key: None for key in rows[0] if key not in COLUMNS})
    run.write_table(name, rows, pa.schema([*kept, *COLUMNS.items()]))
    spent = {"seconds": time.perf_counter() - began, "cpu_seconds": time.process_time() - cpu_began}
    run.spend(queries=model.queries - asked, **spent)
    run.save()


def _rows(subject: Subject, frames: list[Frame], model: Judge, corruption: Corruption) -> list[dict]:
    """The weather of a view is the same for every artefact and network: it follows from the view's own seed."""
    changed = [
        Frame(corruption.applied(frame.image, frame.view.seed), frame.view, frame.source, frame.session)
        for frame in frames
    ]
    logits = model.predict(np.stack([frame.image for frame in changed]))
    said = {"corruption": corruption.name, "severity": corruption.severity}
    return [
        row | said | {"twin_hash": content_hash(frame.image)}
        for row, frame in zip(trial_rows(subject, changed, logits), frames, strict=True)
    ]
