"""Many images searched at once, so that every batch is full; each image's result is its own.

A method is a generator: it yields candidates (n, K, 5), is sent their losses (n,), and ends when it has no more to ask.
One that uses gradients may yield a Slope instead and is sent that.
What it sees depends on its task and seed alone, so a result does not depend on which other images are searched.
"""

import time
from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np

from rig.attack.goal import Goal, hinged_margin
from rig.attack.pixel.baselines import exhaustive, random_search
from rig.attack.pixel.canvas import Fed, Plain, canvas_of
from rig.attack.pixel.change import PixelChange
from rig.attack.pixel.evolution import evolution
from rig.attack.pixel.fitness import FITNESS
from rig.attack.pixel.memory import Memory
from rig.attack.pixel.pixelwise import pixelwise
from rig.attack.pixel.settings import SearchSettings
from rig.attack.pixel.task import Task
from rig.attack.pixel.white_box import Slope, white_box
from rig.images import batch_from_images
from rig.model import DeployedModel, gradient_of
from rig.views import derive_seed

Method = Callable[[Task, SearchSettings, np.random.Generator], Generator]
METHODS: dict[str, Method] = {
    "evolution": evolution,
    "pixelwise": pixelwise,
    "random": random_search,
    "exhaustive": exhaustive,
    "white-box": white_box,
}

WINDOW = 512  # candidates gathered before the model is asked: many full batches, few images begun at once
BLOCK_BYTES = 8_000_000  # of candidate images held at a time: beyond the processor's cache there is nothing to gain
CHUNK = 32  # a block is a multiple of the model's own batch


@dataclass(frozen=True, eq=False)
class Found:
    """What a search came to. `change` is the best asked about: nearest to the goal among those that reach it, if any.

    `queries` counts every candidate that was asked about, as published budgets do; `success_query` is the first of them
    that reached the goal. The model is asked once about each picture: repeats are answered from memory.
    `history` holds (queries, loss) whenever the best loss fell.
    """

    task: Task
    change: PixelChange
    reached: bool
    queries: int
    success_query: int | None
    seconds: float
    history: list[tuple[int, float]]


def search_all(tasks: Iterable[Task], model: DeployedModel, settings: SearchSettings, seed: int) -> Iterator[Found]:
    """Search every task; results come as they are found. A task's generator derives from seed, name, goal and K."""
    waiting, live, canvas = iter(tasks), [], None
    slope = _slope_of(model) if settings.method == "white-box" else None
    while True:
        while sum(len(one.unknown) for one in live) < WINDOW and (task := next(waiting, None)) is not None:
            canvas = canvas or canvas_of(model, task.image)
            live.append(_Search(task, settings, seed, canvas.begin(task.image), slope))
        if not live:
            return
        if asking := [one for one in live if not one.over]:
            _ask(asking, canvas)
        yield from [one.found() for one in live if one.over]
        live = [one for one in live if not one.over]


def _ask(live: list["_Search"], canvas: Plain | Fed) -> None:
    """One round: the model answers every search; each is charged its share of the time."""
    began = time.perf_counter()
    logits = _scores(live, canvas)
    seconds = (time.perf_counter() - began) / sum(map(len, logits))
    for one, of_one in zip(live, logits, strict=True):
        one.tell(of_one, seconds * len(of_one))


def _scores(live: list["_Search"], canvas: Plain | Fed) -> list[np.ndarray]:
    """Logits of what no search knows yet, a block of images at a time; blocks cross the borders between searches."""
    owners = np.repeat(np.arange(len(live)), [len(one.unknown) for one in live])
    within = np.concatenate([one.unknown for one in live])
    size = CHUNK * max(1, BLOCK_BYTES // (CHUNK * max(one.begun.nbytes for one in live)))
    logits = []
    for start in range(0, len(owners), size):
        block, rows = owners[start : start + size], within[start : start + size]
        images = [canvas.draw(live[i].begun, live[i].asked[rows[block == i]]) for i in np.unique(block)]
        logits.append(canvas.scores(np.concatenate(images)))
    return np.split(np.concatenate(logits), np.cumsum([len(one.unknown) for one in live])[:-1])


def _slope_of(model: DeployedModel) -> Callable[[np.ndarray, Goal], tuple[np.ndarray, int]]:
    """d margin / d 8-bit value (H, W, 3) of an image, and the queries that this cost."""
    gradient = gradient_of(model)

    def slope(image: np.ndarray, goal: Goal) -> tuple[np.ndarray, int]:
        before = model.queries
        _, grad, _ = gradient.value_and_grad(batch_from_images(image[None]), hinged_margin(goal))
        return grad[0].permute(1, 2, 0).cpu().numpy() / 255, model.queries - before

    return slope


@dataclass(eq=False)
class _Search:
    """A method at work on one task."""

    task: Task
    settings: SearchSettings
    seed: int
    begun: np.ndarray  # the clean image as the canvas takes it
    slope: Callable | None = None
    asked: np.ndarray = field(default_factory=lambda: np.empty((0, 1, 5), np.int64))  # (n, K, 5)
    unknown: np.ndarray = field(
        default_factory=lambda: np.empty(0, np.int64)
    )  # of asked, what the model has yet to say
    memory: Memory = field(default_factory=Memory)
    over: bool = False
    queries: int = 0
    success_query: int | None = None
    seconds: float = 0.0
    best: tuple[bool, float] = (True, np.inf)  # (goal missed, loss): smaller is better
    best_pixels: np.ndarray = field(default_factory=lambda: np.empty((0, 5), np.int64))
    history: list[tuple[int, float]] = field(default_factory=list)

    def __post_init__(self):
        goal = self.task.goal
        seed = derive_seed(self.seed, "pixel", self.task.name, str(goal.target), self.task.n_pixels)
        self._steps = METHODS[self.settings.method](self.task, self.settings, np.random.default_rng(seed))
        self._go_on(None)

    def tell(self, logits: np.ndarray, seconds: float) -> None:
        """Take the logits (n, classes) of what was unknown; then go on until something is unknown again, or be over."""
        losses, reached = FITNESS[self.settings.fitness](self.task.goal, logits), self.task.goal.reached(logits)
        self.seconds += seconds
        self._judge(*self.memory.complete(losses, reached))
        while not self.over and not len(self.unknown):
            self._judge(*self.memory.complete(losses[:0], reached[:0]))

    def _judge(self, losses: np.ndarray, reached: np.ndarray) -> None:
        self._note(losses, reached)
        self.queries += len(losses)
        if self._is_spent() or (self.settings.stop == "success" and self.success_query is not None):
            self._end()
        else:
            self._go_on(losses)

    def found(self) -> Found:
        change, reached = PixelChange(self.best_pixels), self.success_query is not None
        return Found(self.task, change, reached, self.queries, self.success_query, self.seconds, self.history)

    def _note(self, losses: np.ndarray, reached: np.ndarray) -> None:
        first = int(np.lexsort((losses, ~reached))[0])
        if (rank := (not reached[first], float(losses[first]))) < self.best:
            self.best, self.best_pixels = rank, self.asked[first].copy()
            self.history.append((self.queries + first + 1, rank[1]))
        if self.success_query is None and reached.any():
            self.success_query = self.queries + int(reached.argmax()) + 1

    def _go_on(self, answer: np.ndarray | None) -> None:
        """Let the method ask what it wants to know next, within the budget."""
        try:
            asked = self._steps.send(answer)
            while isinstance(asked, Slope) and not self._is_spent():
                grad, n_queries = self.slope(PixelChange(asked.pixels).applied(self.task.image), self.task.goal)
                self.queries += n_queries
                asked = self._steps.send(grad)
        except StopIteration:
            self._end()
            return
        if self._is_spent():
            self._end()
            return
        left = None if self.settings.max_queries is None else self.settings.max_queries - self.queries
        self.asked = asked[:left]
        self.unknown = self.memory.unknown(self.asked)

    def _is_spent(self) -> bool:
        queries, seconds = self.settings.max_queries, self.settings.max_seconds
        return (queries is not None and self.queries >= queries) or (seconds is not None and self.seconds >= seconds)

    def _end(self) -> None:
        self._steps.close()
        self.over, self.asked = True, self.asked[:0]
