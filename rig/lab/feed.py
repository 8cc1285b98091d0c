"""The camera as a network sees it: frames at its own rate, a little history, and the faults cameras have.

Frames are taken when somebody asks, never faster than the camera's rate, and each once for all who ask: nobody
looking costs nothing.
"""

import contextlib
import threading
import time
from collections import OrderedDict
from dataclasses import dataclass, field

import cv2
import numpy as np

from rig.images import encode_jpeg
from rig.lab.control import Control, Fault
from rig.lab.desk import Desk

HISTORY = 300
POLL_S = 0.02


class Unplugged(Exception):
    """Nothing comes from this camera."""


@dataclass(frozen=True)
class Shot:
    """`sent` is what goes over the wire: a JPEG, unless the fault is garbage."""

    frame: int
    time_s: float
    sent: bytes
    truth: dict = field(repr=False)


class Feed:
    """One desk behind one lock; every method may be called from any thread."""

    def __init__(self, desk: Desk, clock=time.monotonic):
        self._desk, self._clock, self._lock = desk, clock, threading.Lock()
        self._fault: Fault = "none"
        self._last: Shot | None = None
        self._due_s = clock()
        self._truths: OrderedDict[int, dict] = OrderedDict()

    def control(self, control: Control) -> None:
        with self._lock:
            self._desk.control(control, self._clock())
            self._fault = control.fault or self._fault

    def after(self, frame: int) -> Shot:
        """The first shot later than that number; frozen, the last one again. Raises Unplugged."""
        while True:
            with self._lock:
                if self._fault == "unplug":
                    raise Unplugged
                wait_s = POLL_S if self._fault == "stall" else self._due_s - self._clock()
                if self._last is not None and self._last.frame > frame and self._fault != "stall":
                    return self._last
                if wait_s <= 0:
                    return self._take()
            time.sleep(wait_s)

    def now(self) -> Shot:
        """The shot of this moment: a new one where the last is older than the camera's rate allows. Raises Unplugged."""
        with self._lock:
            if self._fault == "unplug":
                raise Unplugged
            is_due = self._clock() >= self._due_s and self._fault != "stall"
            return self._take() if is_due or self._last is None else self._last

    def truth(self, frame: int | None = None) -> dict | None:
        """Of the current frame, or the last one there was; or of a numbered one. None where it is not known."""
        if frame is None:
            with contextlib.suppress(Unplugged):
                self.now()
        with self._lock:
            if frame is not None:
                return self._truths.get(frame)
            faults = [] if self._fault == "none" else [self._fault]
            return None if self._last is None else self._last.truth | {"faults": faults}

    def _take(self) -> Shot:
        now_s = self._clock()
        self._due_s = max(self._due_s + 1 / self._desk.camera.fps, now_s)
        if self._fault == "freeze" and self._last is not None:
            return self._last
        photo = self._desk.photograph(now_s)
        image, faults = photo.image, [] if self._fault == "none" else [self._fault]
        if self._fault == "resize":
            image = cv2.resize(image, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
        truth = photo.truth | {"size_px": [image.shape[1], image.shape[0]], "faults": faults}
        jpeg = encode_jpeg(image, self._desk.camera.jpeg_quality)
        sent = _garbage(jpeg, truth["frame"], self._desk.seed) if self._fault == "garbage" else jpeg
        self._last = Shot(truth["frame"], now_s, sent, truth)
        self._truths[self._last.frame] = truth
        if len(self._truths) > HISTORY:
            self._truths.popitem(last=False)
        return self._last


def _garbage(jpeg: bytes, frame: int, seed: int) -> bytes:
    """By turns noise, a JPEG cut short, and a JPEG with noise in its middle."""
    rng = np.random.default_rng([seed, frame])
    noise, half = rng.bytes(len(jpeg)), len(jpeg) // 2
    return (noise, jpeg[:half], jpeg[:half] + noise[:64] + jpeg[half + 64 :])[frame % 3]
