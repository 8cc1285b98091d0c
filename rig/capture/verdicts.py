"""Live predictions, at the models' own pace in a thread: of the newest frame, and of every frame that was taken."""

import threading
from collections import deque
from dataclasses import dataclass

import numpy as np
from scipy.special import softmax

from rig.capture.crops import Crop, sphere_px, window
from rig.capture.sight import Sight
from rig.contracts import Transform
from rig.errors import RigError
from rig.model import DeployedModel

TOP = 3


@dataclass(frozen=True)
class Prediction:
    """`outcome`: correct, target or other_wrong; empty where the object's labels are not known."""

    model: str
    top: tuple[tuple[str, float], ...]  # label and probability, most probable first
    outcome: str
    region: str  # what of the picture was shown to the model, in words

    @property
    def label(self) -> str:
        return self.top[0][0]


class Judge:
    """One model, and which of its classes count as right or as the target."""

    def __init__(self, model: DeployedModel, true_labels: tuple, target: str | None):
        self.model, self.name = model, model.card.name
        self.true = {model.labels.index_of(label) for label in true_labels}
        self.target = None if target is None else model.labels.index_of(target)
        if self.target in self.true:
            raise RigError("the target is a true label of the object", where="--target", got=target)

    def predict(self, image: np.ndarray, region: str) -> Prediction:
        probs = softmax(self.model.predict(image[None])[0].astype(np.float64))
        ranked = np.argsort(-probs, kind="stable")[:TOP]
        top = tuple((self.model.labels[int(index)], float(probs[index])) for index in ranked)
        return Prediction(self.name, top, self._outcome(int(ranked[0])), region)

    def is_fooled(self, outcome: str) -> bool:
        """Called the target; without one, anything wrong."""
        return outcome == "target" if self.target is not None else outcome == "other_wrong"

    def _outcome(self, predicted: int) -> str:
        if predicted in self.true:
            return "correct"
        if predicted == self.target:
            return "target"
        return "other_wrong" if self.true or self.target is not None else ""


def object_crop(sight: Sight, board_from_object: Transform, radius_m: float | None, lens) -> tuple[np.ndarray, str]:
    """The square that a sweep of the session will judge by; the whole picture where no pose or radius is known."""
    image = sight.reading.image
    if sight.pose is None or radius_m is None:
        return image, "whole picture"
    sphere = sphere_px(lens, sight.pose.camera_from_board @ board_from_object, radius_m)
    at = window(Crop("board"), image.shape[:2], sphere)
    return (image, "whole picture") if at is None else (np.ascontiguousarray(image[at]), "square about the object")


class Watch:
    """Start it with `start`. `latest` has one prediction a model; `fooled` the frames that fooled any model."""

    def __init__(self, judges: list[Judge], crop):
        self.judges, self._crop = judges, crop
        self.fooled_word = "fooled" if any(judge.target is not None for judge in judges) else "wrong"
        self.latest: tuple[Prediction, ...] = ()
        self.judged: dict[int, bool] = {}
        self.failed = ""
        self._newest: Sight | None = None
        self._taken: deque[tuple[int, Sight]] = deque(maxlen=500)
        self._changed = threading.Condition()
        self._stopped = False
        self._thread = threading.Thread(target=self._run, name="predictions", daemon=True)

    def start(self) -> None:
        if self.judges:
            self._thread.start()

    def show(self, sight: Sight) -> None:
        with self._changed:
            self._newest = sight
            self._changed.notify()

    def taken(self, frame: int, sight: Sight) -> None:
        with self._changed:
            self._taken.append((frame, sight))
            self._changed.notify()

    def close(self) -> None:
        with self._changed:
            self._stopped = True
            self._changed.notify()
        if self._thread.is_alive():
            self._thread.join(timeout=10)

    def _run(self) -> None:
        while (work := self._next()) is not None:
            frame, sight = work
            try:
                found = tuple(judge.predict(*self._crop(sight)) for judge in self.judges)
            except RigError as error:
                self.failed = str(error)
                continue
            self.latest, self.failed = found, ""
            if frame is not None:
                pairs = zip(self.judges, found, strict=True)
                self.judged[frame] = any(judge.is_fooled(one.outcome) for judge, one in pairs)

    def _next(self) -> tuple[int | None, Sight] | None:
        """A taken frame first; else the newest. None at the end."""
        with self._changed:
            self._changed.wait_for(lambda: self._stopped or self._taken or self._newest is not None)
            if self._stopped:
                return None
            if self._taken:
                return self._taken.popleft()
            sight, self._newest = self._newest, None
            return None, sight
