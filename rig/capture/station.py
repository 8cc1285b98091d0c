"""The one state of a capture: frames in, sights, what is taken, and in words how things stand. Pages only look at it."""

import threading
import time
from dataclasses import dataclass

from rig.capture.cells import Grid
from rig.capture.feed import Feed, Reading
from rig.capture.record import Note, Pass, Row, SessionError
from rig.capture.session import Session
from rig.capture.sight import Observer, Sight
from rig.capture.triggers import Trigger
from rig.capture.verdicts import Watch
from rig.errors import RigError
from rig.images import content_hash

READ_S = 0.25
ASKED_S = 2.0  # a request for a frame is dropped where none comes for so long
FLOWING = ("live", "ended")  # a file's last frames may still be looked at when it has been read to its end
GIVE_UP_S = 60.0  # without a page nobody can plug the camera in again


@dataclass(frozen=True)
class State:
    """`level`: good, waiting or error."""

    level: str
    title: str
    words: str


class Station:
    """`run` it in a thread, or in the main one without a page; every other method may be called from any thread."""

    def __init__(
        self, feed: Feed, observer: Observer, trigger: Trigger, session: Session, one: Pass, grid: Grid, watch: Watch
    ):
        self.feed, self.observer, self.trigger, self.session, self.watch = feed, observer, trigger, session, watch
        self.one, self.grid = one, grid
        self.recording, self.at_end, self.failed, self.last = False, False, "", ""
        self.sight: Sight | None = None
        self.fps = 0.0
        self._asked_until_s = 0.0
        self._stop = threading.Event()
        self._acting = threading.RLock()
        self._refresh()

    def run(self, max_frames: int | None = None, give_up: bool = False) -> None:
        """Until `stop`, the source's end or so many kept frames of this pass. Raises RigError where `give_up`."""
        self.watch.start()
        last_s = time.monotonic()
        while not self._stop.is_set() and not self._is_full(max_frames):
            reading = self._next()
            now_s = time.monotonic()
            if reading is not None:
                self._see(self.observer.look(reading), now_s - last_s)
                last_s = now_s
            elif self.feed.health.kind == "ended":
                self.recording, self.at_end = False, True
                return
            elif give_up and now_s - last_s > GIVE_UP_S:
                raise SessionError(self.feed.health.words, where=self.feed.camera.source, hint="the session is whole")
            if give_up and self.failed:
                raise SessionError(self.failed)

    def stop(self) -> None:
        self._stop.set()

    def start_recording(self) -> None:
        self.recording, self.failed, self.last = True, "", ""

    def stop_recording(self) -> None:
        self.recording = False

    def take(self) -> None:
        """Take the next frame, whatever the trigger."""
        if self.at_end or self.feed.health.kind not in FLOWING:
            self.last = f"nothing taken: {self.feed.health.words}"
            return
        self.failed, self._asked_until_s = "", time.monotonic() + ASKED_S

    def undo(self) -> Row | None:
        with self._acting:
            row = self._guarded(lambda: self.session.undo(self.one.name))
            self._refresh()
            if not self.failed:
                self.last = "nothing to undo in this pass" if row is None else f"frame {row.frame} undone"
            return row

    def note(self, text: str) -> Note | None:
        if not text.strip():
            return None
        with self._acting:
            note = self._guarded(lambda: self.session.note(text))
            if note is not None:
                self.last = "noted" if note.frame is None else f"noted at frame {note.frame}"
            return note

    @property
    def now(self) -> Sight | None:
        """The last sight, as long as it shows how things are."""
        return self.sight if self.feed.health.kind in FLOWING else None

    @property
    def state(self) -> State:
        """What a person at the desk must know first."""
        health, sight = self.feed.health, self.sight
        if self.failed:
            return State("error", "Not saved", self.failed)
        if self.at_end:
            return State("waiting", "At the end", health.words)
        if health.kind not in FLOWING:
            again = "; opening it again" if health.kind == "lost" else ""
            return State("error", TITLES[health.kind], health.words + again)
        if sight is None:
            return State("waiting", "Waiting", "no frame yet")
        if not sight.fits_profile:
            return State("error", "Wrong resolution", sight.no_pose.partition(": ")[2])
        if sight.seen is None:
            return State("waiting", "Board not seen", "is it in the picture, sharp, evenly lit, uncovered?")
        if sight.pose is None:
            return State("waiting", "Pose not trusted", sight.no_pose.removeprefix("pose rejected: "))
        return State("good", "Recording" if self.recording else "Ready", self._ready_words(sight))

    def _ready_words(self, sight: Sight) -> str:
        if self.trigger.name != "turntable" or not self.recording:
            return "board seen, pose trusted"
        cell = self.grid.cell(sight.angles.azimuth_deg, sight.angles.elevation_deg)
        return "this side is covered: turn on" if cell in self.covered else "new side: hold still"

    def _next(self) -> Reading | None:
        """Frames of a file come only while recording, after the first one, which is shown."""
        if self.feed.camera.is_live or self.recording or self.sight is None:
            return self.feed.read(READ_S)
        self._stop.wait(READ_S / 5)
        return None

    def _is_full(self, max_frames: int | None) -> bool:
        return max_frames is not None and self.n_kept >= max_frames

    def _see(self, sight: Sight, took_s: float) -> None:
        rate = 1 / max(took_s, 1e-3)
        self.fps = rate if self.fps == 0 else 0.9 * self.fps + 0.1 * rate
        self.sight = sight
        self.watch.show(sight)
        asked = time.monotonic() < self._asked_until_s
        wanted = self.recording and self.trigger.wants(sight, self.covered)
        if asked or wanted:
            self._asked_until_s = 0.0
            self._take(sight, "key" if asked else self.trigger.name)

    def _take(self, sight: Sight, trigger: str) -> None:
        if not sight.fits_profile:
            self.last = f"nothing taken: {sight.no_pose}"
            return
        image, one = sight.reading.image, self.one
        row = {"pass": one.name, "artefact": one.artefact, "trigger": trigger, "hash": content_hash(image)}
        with self._acting:
            taken = self._guarded(lambda: self.session.append(image, **row, **sight.row()))
            if taken is None:
                return
            self._refresh()
            self.last = f"frame {taken.frame} saved" + ("" if sight.is_good else f", without a pose: {sight.no_pose}")
        self.watch.taken(taken.frame, sight)

    def _guarded(self, act):
        """A disk that is full stops the recording, in words; what was acknowledged before stays."""
        try:
            return act()
        except RigError as error:
            self.recording, self.failed = False, str(error)
            return None

    def _refresh(self) -> None:
        rows = [row for row in self.session.kept if row.pass_ == self.one.name]
        self.n_kept, self.covered = len(rows), self.grid.covered(rows)


TITLES = {
    "lost": "No camera",
    "silent": "Camera silent",
    "frozen": "Picture frozen",
    "bad": "Broken frames",
}
