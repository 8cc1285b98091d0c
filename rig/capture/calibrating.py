"""Photographs for a calibration from a live camera, guided by what is still missing."""

import time
from collections.abc import Callable
from pathlib import Path

from rig.calibrate.board import Board
from rig.calibrate.camera import stands_still
from rig.calibrate.coverage import missing
from rig.calibrate.detect import Detection, detect, why_unseen
from rig.calibrate.fit import MIN_VIEWS, calibrate
from rig.capture.cameras import open_camera
from rig.capture.feed import Feed, Reading
from rig.capture.sight import STILL_PX, moved_px
from rig.errors import CalibrationError
from rig.images import encode_png
from rig.runs import write_atomically

ENOUGH_VIEWS = 15  # where nothing is missing any more
PATIENCE_S = 120.0  # without a new view
HINT_S = 5.0  # without a board, before it is said why that may be


def photograph_board(source: str, board: Board, folder: Path, most: int, say: Callable[[str], None]) -> Path:
    """Write a photograph of each new place of a board held still, until enough is covered, `most` or Ctrl-C.

    Returns the folder. Raises CalibrationError for one that holds something, CameraError for no camera.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise CalibrationError("is there already", where=folder, hint="calibrate from it, or choose another --out")
    feed = Feed(open_camera(source), {})
    feed.start()
    try:
        say("hold the board still in one place after another; Ctrl-C when it is enough")
        _Photographer(feed, board, folder, say).take(most)
    except KeyboardInterrupt:
        say("enough")
    finally:
        feed.close()
    return folder


class _Photographer:
    def __init__(self, feed: Feed, board: Board, folder: Path, say: Callable[[str], None]):
        self._feed, self._board, self._folder, self._say = feed, board, folder, say
        self._views: list[Detection] = []
        self._before: Detection | None = None
        self._seen_s = self._view_s = time.monotonic()
        self._said = ""

    def take(self, most: int) -> None:
        while len(self._views) < most and time.monotonic() - self._view_s < PATIENCE_S:
            reading = self._feed.read(1.0)
            if reading is None:
                if self._feed.health.kind == "ended":
                    return
                self._tell("" if self._feed.health.kind == "live" else self._feed.health.words)
            elif self._is_new(reading) and not self._still_missing() and len(self._views) >= ENOUGH_VIEWS:
                return

    def _is_new(self, reading: Reading) -> bool:
        """Whether this was a view worth keeping; then it is on disk."""
        seen, before = detect(self._board, reading.image), self._before
        self._before = seen
        now_s = time.monotonic()
        if seen is None:
            if now_s - self._seen_s > HINT_S:
                self._tell(f"the board is not seen: {why_unseen(self._board, [reading.image])}")
                self._seen_s = now_s
            return False
        self._seen_s = now_s
        if self._views and seen.size_px != self._views[0].size_px:
            self._tell("the camera's resolution has changed: these frames are left out")
            return False
        if moved_px(before, seen) > STILL_PX or stands_still(seen, self._views):
            return False
        png = encode_png(reading.image)
        write_atomically(self._folder / f"{len(self._views):03}.png", lambda partial: partial.write_bytes(png))
        self._views.append(seen)
        self._view_s = now_s
        return True

    def _still_missing(self) -> list[str]:
        """In words, and said; empty where nothing is."""
        n = len(self._views)
        if n < MIN_VIEWS:
            words = [f"at least {MIN_VIEWS - n} more views"]
        else:
            try:
                fit = calibrate(self._board, self._views)
                words = missing([self._views[view] for view in fit.views], list(fit.camera_from_board))
            except CalibrationError as error:
                words = [str(error)]
        self._tell(f"{n} views; " + (f"missing: {'; '.join(words[:2])}" if words else "frame and tilts are covered"))
        return words

    def _tell(self, words: str) -> None:
        if words and words != self._said:
            self._say(words)
            self._said = words
