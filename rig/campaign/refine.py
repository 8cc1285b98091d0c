"""`rig sweep --refine`: rounds of views, each placed by what the rounds before it saw, until the rates are known.

A round is planned in run.json before its first part is swept, and planned from whole rounds only: a resumed run goes on
with the same views.
"""

import itertools
from dataclasses import dataclass, replace

import numpy as np
import polars as pl

from rig.errors import RigError
from rig.metrics.load import read_run, read_trials
from rig.metrics.persistence import Cells, choose_cells
from rig.metrics.rates import COUNTS, rates
from rig.metrics.summary import evaluation
from rig.metrics.weights import CELL
from rig.model.detect import Judge
from rig.runs import Progress, RunFolder
from rig.scene import SceneConfig
from rig.sweep import Case, sweep
from rig.sweep.refine import allocate, equally, next_size, round_ids, spread
from rig.views import placed_views

RECORD = "refinement"  # of run.json: rig.metrics.load.Refinement by scene
MOST = 10  # times the views of the first round, unless told


@dataclass(frozen=True)
class Precision:
    """`half_width`: wanted of the widest interval of any rate of an object; `max_views` of it at most."""

    half_width: float
    max_views: int

    def __post_init__(self):
        if not 0 < self.half_width < 0.5:
            raise RigError("no half-width of an interval", where="--refine", got=self.half_width, expected="0 to 0.5")


def precision(half_width: float | None, max_views: int | None, views: int, policy: str) -> Precision | None:
    """What was asked for by --refine and --max-views. Raises RigError where they do not fit the first round."""
    if half_width is None:
        if max_views is not None:
            raise RigError("--max-views is the budget of --refine", got=max_views, expected="--refine, too")
        return None
    if policy != "random":
        raise RigError("refined views are random draws", where="--policy", got=policy, expected="random")
    asked = Precision(half_width, MOST * views if max_views is None else max_views)
    if asked.max_views < views:
        expected = f"at least the first round's {views} (--views)"
        raise RigError("too few views to refine", where="--max-views", got=max_views, expected=expected)
    return asked


def refuse_refinement(half_width: float | None, max_views: int | None) -> None:
    if (half_width, max_views) != (None, None):
        raise RigError("a camera's frames are where it stood: none can be placed", where="--refine")


def sweep_refined(
    run: RunFolder, cases: list[Case], models: list[Judge], views: int, asked: Precision, progress: Progress
) -> None:
    """Fill the run's trials; the cases come without views, `views` is the size of the first round."""
    plans = run.state.setdefault(RECORD, {case.scene.name: _first(case.scene.config, views) for case in cases})
    for number in itertools.count():
        if all(number >= len(plan["rounds"]) for plan in plans.values()):
            return
        run.save()
        sweep(
            run, [_placed(case, plans[case.scene.name], number, run.state["seed"]) for case in cases], models, progress
        )
        if all(number + 1 >= len(plan["rounds"]) for plan in plans.values()):
            _plan_on(run, plans, asked)


def _first(config: SceneConfig, views: int) -> dict:
    cells = cells_of(config, views)
    return {
        "bands": cells.bands,
        "columns": cells.columns,
        "azimuth_deg": cells.azimuth_deg,
        "elevation_deg": cells.elevation_deg,
        "rounds": [equally(cells.bands * cells.columns, views).tolist()],
    }


def cells_of(config: SceneConfig, views: int) -> Cells:
    """Of equal probability; across an angle that the scene pins there is one cell, which stands for all angles."""
    (left, right), (low, high) = config.views.azimuth_deg, config.views.elevation_deg
    azimuth, elevation = (
        (left, right) if left < right else (-180.0, 180.0),
        (low, high) if low < high else (-90.0, 90.0),
    )
    cells = choose_cells(views, azimuth, elevation)
    n_cells = cells.bands * cells.columns
    if left == right:
        return replace(cells, bands=n_cells if low < high else 1, columns=1)
    return cells if low < high else replace(cells, bands=1, columns=n_cells)


def _placed(case: Case, plan: dict, number: int, seed: int) -> Case:
    """The case with the views of one round; none where its scene had no such round."""
    rounds = plan["rounds"]
    ids = round_ids("eval", rounds, number) if number < len(rounds) else []
    views = placed_views(case.scene.config, plan["bands"], plan["columns"], ids, seed)
    return replace(case, views=tuple(views), first=sum(map(sum, rounds[:number])))


def _plan_on(run: RunFolder, plans: dict[str, dict], asked: Precision) -> None:
    """Another round for every scene that needs one, else why it needs none; from what the report will state."""
    stored = read_run(run.path)
    trials = evaluation(read_trials(stored), stored)
    for name, plan in plans.items():
        mine = trials.filter(pl.col("object") == name)
        widths = half_widths(mine)
        widest = max(width for *_, width in widths)
        plan["half_width"], spent = widest, sum(map(sum, plan["rounds"]))
        n_cells = plan["bands"] * plan["columns"]
        size = next_size(spent, widest, asked.half_width, asked.max_views, n_cells)
        if size:
            unknown = [one for *one, width in widths if width > asked.half_width]
            plan["rounds"].append(allocate(_variances(mine, unknown, plan), size).tolist())
        else:
            plan["stopped"] = "precision" if widest <= asked.half_width else "budget"


def half_widths(trials: pl.DataFrame) -> list[tuple[str, str, str, float]]:
    """Artefact, model, rate and half of its interval's width, of every rate over all views of one object."""
    return [
        (row["artefact"], row["model"], rate, (row[rate]["high"] - row[rate]["low"]) / 2)
        for row in rates(trials)
        for rate in COUNTS
        if row["target"] or rate != "other_wrong"
    ]


def _variances(trials: pl.DataFrame, unknown: list[list[str]], plan: dict) -> np.ndarray:
    """(H,) of one view's outcome in each cell, summed over the rates that are not known well enough."""
    cells = Cells(plan["bands"], plan["columns"], tuple(plan["azimuth_deg"]), tuple(plan["elevation_deg"]))
    n_cells, total = cells.bands * cells.columns, 0.0
    for artefact, model, rate in unknown:
        rows = trials.filter((pl.col("artefact") == artefact) & (pl.col("model") == model))
        index, hits = rows[CELL].to_numpy(), (rows["result"] == COUNTS[rate]).to_numpy()
        views = np.bincount(index, minlength=n_cells)
        total = total + spread(np.bincount(index, hits, n_cells), views, neighbours(cells)) ** 2
    return total


def neighbours(cells: Cells) -> list[list[int]]:
    """Of each cell the numbers of those beside it."""
    places = itertools.product(range(cells.bands), range(cells.columns))
    return [sorted(band * cells.columns + column for band, column in cells.neighbours(*place)) for place in places]
