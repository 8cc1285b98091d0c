"""Questions put to the model one after the other, each a trial on disk; a second start reads its answers from there."""

import time
from collections import deque
from dataclasses import dataclass

import numpy as np

from rig.attack.goal import Goal
from rig.attack.pose_search import margins
from rig.contracts import View
from rig.errors import RunError
from rig.model import DeployedModel
from rig.render import Renderer
from rig.runs import RunFolder
from rig.sweep.trials import Subject, trial_rows, trial_schema

PART_QUERIES = 25
SAME = 1e-6  # of a view's values, asked again after a resume


@dataclass(frozen=True)
class Stage:
    run: RunFolder
    renderer: Renderer
    model: DeployedModel
    goal: Goal

    @property
    def subject(self) -> Subject:
        return Subject(self.renderer.scene.name, "clean", self.model.card.name, self.model.labels, self.goal)


class Ledger:
    """One sequence of questions, by name. What follows from it must depend on its answers and the run's seed only.

    Two files a part: pose/part-NAME-START.parquet with margins and notes, then trials/part-NAME-START.parquet.
    """

    def __init__(self, stage: Stage, name: str):
        self._stage, self._name = stage, name
        self._stored, self._n_stored = self._read()
        self._pending: list[tuple[dict, dict]] = []

    def ask(self, views: list[View], notes: list[dict]) -> list[dict]:
        """For each view its trial, with `margin` and the note's keys."""
        kept = [self._replayed(view) for view in views[: len(self._stored)]]
        new = list(zip(views, notes, strict=True))[len(kept) :]
        answers = self._answered(new) if new else []
        self._pending += answers
        if len(self._pending) >= PART_QUERIES:
            self.close()
        return kept + [trial | note for trial, note in answers]

    def close(self) -> None:
        """Everything asked so far is on disk afterwards."""
        if not self._pending:
            return
        trials, notes = map(list, zip(*self._pending, strict=True))
        run, part = self._stage.run, f"part-{self._name}-{self._n_stored:06d}.parquet"
        run.write_table(f"pose/{part}", notes)
        run.write_table(f"trials/{part}", trials, trial_schema(trials[0]))
        self._n_stored += len(trials)
        self._pending = []
        run.save()

    def _answered(self, asked: list[tuple[View, dict]]) -> list[tuple[dict, dict]]:
        began, cpu_began, before = time.perf_counter(), time.process_time(), self._stage.model.queries
        stage, answers = self._stage, []
        for start in range(0, len(asked), PART_QUERIES):
            views, notes = zip(*asked[start : start + PART_QUERIES], strict=True)
            prepared = [stage.renderer.prepare(view) for view in views]
            frames = stage.renderer.frames(stage.renderer.scene.mesh.texture, prepared)
            logits = stage.model.predict(np.stack([frame.image for frame in frames]))
            trials = trial_rows(stage.subject, frames, logits)
            judged = zip(margins(stage.goal, logits).tolist(), stage.goal.reached(logits).tolist(), strict=True)
            said = [
                {"view": view.id, "seed": view.seed, "margin": margin, "fooled": fooled}
                for view, (margin, fooled) in zip(views, judged, strict=True)
            ]
            answers += [(trial, one | note) for trial, one, note in zip(trials, said, notes, strict=True)]
        spent = {"seconds": time.perf_counter() - began, "cpu_seconds": time.process_time() - cpu_began}
        stage.run.spend(queries=stage.model.queries - before, **spent)
        return answers

    def _replayed(self, view: View) -> dict:
        row = self._stored.popleft()
        differing = [
            name for name, value in view.values.items() if not np.isclose(row[name], value, rtol=SAME, atol=SAME)
        ]
        if row["view"] != view.id or differing:
            got, expected = (f"{one} {differing[:1] or ''}" for one in (row["view"], view.id))
            hint = "run it again elsewhere: the search library may be of another version"
            raise RunError(
                "stored views are not those of this search",
                where=self._stage.run.path,
                got=got,
                expected=expected,
                hint=hint,
            )
        return row

    def _read(self) -> tuple[deque, int]:
        run, found = self._stage.run, deque()
        for path in sorted((run.path / "trials").glob(f"part-{self._name}-??????.parquet")):
            trials, notes = run.read_rows(f"trials/{path.name}"), run.read_rows(f"pose/{path.name}")
            found.extend(trial | note for trial, note in zip(trials, notes, strict=True))
        return found, len(found)
