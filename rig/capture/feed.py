"""A camera read in a thread of its own: asking for a frame never waits longer than one says.

Of a live camera the newest frame counts, of a video or folder every one. A live frame that equals the one before is none:
after a while of that the camera is frozen. A camera that is lost is opened again, with growing pauses.
"""

import threading
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np

from rig.capture.cameras import BadFrame, Camera, CameraError, EndOfFrames, Settings, Shot

FROZEN_READS, FROZEN_S = 10, 1.5  # more equal frames than this, over more seconds than this
CLOSE_S = 1.0  # a camera that hangs in a read is left behind: its thread ends with the process
SILENT_S = 2.0  # without any frame
PAUSES_S = (0.5, 1.0, 2.0, 4.0)  # before opening again; the last one repeats


@dataclass(frozen=True)
class Reading:
    number: int
    time: datetime
    image: np.ndarray


@dataclass(frozen=True)
class Health:
    """`kind`: live, lost, silent, frozen, bad (frames that are none) or ended."""

    kind: str
    words: str


LIVE = Health("live", "camera live")


class Feed:
    """Open it with `start`, `close` it at the end."""

    def __init__(self, camera: Camera, asked: Settings):
        self.camera, self.asked = camera, asked
        self.got: Settings = {}
        self.n_bad, self.last_bad = 0, ""
        self._changed = threading.Condition()
        self._stop = threading.Event()
        self._health = LIVE
        self._reading: Reading | None = None
        self._taken = 0  # number of the last reading given out
        self._last_s = 0.0
        self._thread = threading.Thread(target=self._run, name="camera", daemon=True)

    def start(self) -> None:
        """Open the camera; reading begins when somebody asks. Raises CameraError where it cannot be opened at all."""
        self.got = self.camera.open(self.asked)
        self._opened = datetime.now(UTC)

    def read(self, timeout_s: float) -> Reading | None:
        """The next frame not given out yet; None where there is none in time."""
        with self._changed:
            if self._thread.ident is None:
                self._last_s = time.monotonic()
                self._thread.start()
            self._changed.wait_for(lambda: self._is_new() or self.health.kind == "ended", timeout_s)
            if not self._is_new():
                return None
            self._taken = self._reading.number
            self._changed.notify_all()
            return self._reading

    @property
    def health(self) -> Health:
        silent_s = time.monotonic() - self._last_s
        if self._health is LIVE and self._thread.ident is not None and self.camera.is_live and silent_s > SILENT_S:
            return Health("silent", f"no frame from the camera for {silent_s:.0f} s")
        return self._health

    def close(self) -> None:
        self._stop.set()
        with self._changed:
            self._changed.notify_all()
        if self._thread.is_alive():
            self._thread.join(timeout=CLOSE_S)
        else:
            self.camera.close()

    def _is_new(self) -> bool:
        return self._reading is not None and self._reading.number > self._taken

    def _run(self) -> None:
        try:
            while not self._stop.is_set():
                try:
                    self._read_on()
                except CameraError as error:
                    self._say("lost", str(error))
                    self.camera.close()
                    self._reopen()
        except EndOfFrames:
            self._say("ended", "all frames have been read")
        finally:
            self.camera.close()

    def _read_on(self) -> None:
        """Until the camera is lost, at its end, or closed."""
        before, n_equal, equal_since_s = None, 0, 0.0
        while not self._stop.is_set():
            try:
                shot = self.camera.read()
            except BadFrame as error:
                self.n_bad, self.last_bad = self.n_bad + 1, str(error)
                self._say("bad", str(error))
                continue
            self._last_s = time.monotonic()
            if self.camera.is_live and before is not None and np.array_equal(before, shot.image):
                n_equal += 1
                if n_equal > FROZEN_READS and self._last_s - equal_since_s > FROZEN_S:
                    self._say("frozen", f"the picture has not changed for {self._last_s - equal_since_s:.0f} s")
                continue
            before, n_equal, equal_since_s = shot.image, 0, self._last_s
            self._publish(shot)

    def _publish(self, shot: Shot) -> None:
        now = datetime.now(UTC) if shot.elapsed_s is None else self._opened + timedelta(seconds=shot.elapsed_s)
        with self._changed:
            if not self.camera.is_live:  # every frame counts: wait until the one before was fetched
                self._changed.wait_for(lambda: not self._is_new() or self._stop.is_set())
            number = self._reading.number + 1 if self._reading else 1
            self._reading, self._health = Reading(number, now, shot.image), LIVE
            self._changed.notify_all()

    def _reopen(self) -> None:
        for attempt in range(1_000_000):
            if self._stop.wait(PAUSES_S[min(attempt, len(PAUSES_S) - 1)]):
                return
            try:
                self.got = self.camera.open(self.asked)
                return
            except CameraError as error:
                self._say("lost", str(error))

    def _say(self, kind: str, words: str) -> None:
        with self._changed:
            self._health = Health(kind, words)
            self._changed.notify_all()
