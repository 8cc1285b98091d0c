"""The searches of a run: independent runs of equal length, each a ledger."""

from dataclasses import dataclass

import numpy as np

from rig.attack.pose_search import RANDOM, SEARCHES
from rig.attack.pose_space import PoseSpace
from rig.campaign.pose_job import PoseJob
from rig.campaign.pose_ledger import Ledger, Stage
from rig.errors import RigError
from rig.runs import Progress
from rig.views import derive_seed

SPLIT = "search"


@dataclass(frozen=True)
class Found:
    """Everything that searches asked: rows (N, D) in the unit cube and what came of each."""

    rows: np.ndarray
    answers: list[dict]


def searches_of(job: PoseJob) -> tuple[str, ...]:
    """The one asked for, and random draws beside it."""
    return tuple(dict.fromkeys((job.search, RANDOM)))


def require_enough(job: PoseJob, space: PoseSpace) -> None:
    """Raises RigError where a run of a search would end before it has learnt anything."""
    if job.search not in SEARCHES:
        raise RigError("unknown search", where="--search", got=job.search, expected=" or ".join(SEARCHES))
    least = SEARCHES[job.search](len(space.over), 0).least
    if job.max_queries // job.runs < least:
        got = f"{job.max_queries} in {job.runs} runs"
        expected = (
            f"at least {least * job.runs}: {job.search} starts each run over {len(space.over)} dimensions with {least}"
        )
        raise RigError("the budget is smaller than the start", where="--max-queries", got=got, expected=expected)


def do_searches(stage: Stage, space: PoseSpace, job: PoseJob, progress: Progress) -> Found:
    share = job.max_queries // job.runs
    names, rows, answers = searches_of(job), [], []
    total = share * job.runs * len(names)
    for name in names:
        for number in range(job.runs):
            found = _run(stage, space, job, name, number, share, lambda n: progress(len(answers) + n, total, name))  # noqa: B023
            rows.append(found.rows)
            answers += found.answers
    return Found(np.concatenate(rows), answers)


def _run(stage: Stage, space: PoseSpace, job: PoseJob, name: str, number: int, share: int, tick) -> Found:
    """One run. What is not searched: drawn once for the run; by random draws, anew for every query."""
    generator = np.random.default_rng(derive_seed(job.seed, "pose", name, number, "rest"))
    search = SEARCHES[name](len(space.over), derive_seed(job.seed, "pose", name, number))
    ledger, rest = Ledger(stage, f"search-{name}-{number:03d}"), generator.random(len(space.dimensions))
    rows, answers = [], []
    while len(answers) < share:
        asked = search.ask()
        moved = asked[: share - len(answers)]
        others = generator.random((len(moved), len(rest))) if name == RANDOM else np.tile(rest, (len(moved), 1))
        placed = space.placed(others, moved)
        said = ledger.ask(*_views(space, job, placed, name, number, len(answers)))
        if len(moved) == len(asked):
            search.tell(asked, np.array([answer["margin"] for answer in said]))
        rows.append(placed)
        answers += said
        tick(len(answers))
    ledger.close()
    return Found(np.concatenate(rows), answers)


def _views(space: PoseSpace, job: PoseJob, placed: np.ndarray, name: str, number: int, start: int):
    """Views and notes; noise is one seed a run, so that a search sees one landscape; by random draws one a view."""
    views, notes = [], []
    for query, row in enumerate(placed, start):
        seed = derive_seed(job.seed, "pose", name, number, "noise", *([query] if name == RANDOM else []))
        views.append(space.view(row, f"{SPLIT}-{name}-{number:03d}-{query:06d}", SPLIT, seed))
        notes.append({"search": name, "run": number, "query": query + 1})
    return views, notes
