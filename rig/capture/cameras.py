"""Cameras behind one protocol with a life: open, read, close. What blocks, blocks here; rig.capture.feed sees to the rest."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit, urlunsplit

import numpy as np

from rig.calibrate.sources import IMAGES
from rig.errors import RigError
from rig.images import read_image

Settings = dict[str, float]


class CameraError(RigError):
    """No camera, or none any more: opening it again may help."""


class BadFrame(RigError):
    """One frame that is none; the next may be."""


class EndOfFrames(Exception):
    """A video or a folder has been read to its end."""


@dataclass(frozen=True)
class Shot:
    """One frame, and when: seconds of the video's own time, None for the moment it was read."""

    image: np.ndarray  # (H, W, 3) uint8 RGB
    elapsed_s: float | None = None


class Camera(Protocol):
    """`is_live`: frames come on their own, and one that never changes is an error. `source` is fit to be kept."""

    source: str
    is_live: bool

    def open(self, asked: Settings) -> Settings:
        """Ask for settings; returns what the camera says they are now. Raises CameraError."""

    def read(self) -> Shot:
        """The next frame. Raises CameraError, BadFrame or EndOfFrames, after some seconds at the latest."""

    def close(self) -> None: ...


class FolderCamera:
    """Images of a folder, by name."""

    is_live = False

    def __init__(self, folder: Path):
        self.source, self._folder = folder.name or str(folder), folder
        self._files: Iterator[Path] = iter(())

    def open(self, asked: Settings) -> Settings:
        try:
            files = sorted(file for file in self._folder.iterdir() if file.suffix.lower() in IMAGES)
        except OSError as error:
            raise CameraError(f"cannot be read ({error.strerror})", where=self._folder) from error
        if not files:
            raise CameraError("no images in the folder", where=self._folder, expected=", ".join(sorted(IMAGES)))
        self._files = iter(files)
        return {}

    def read(self) -> Shot:
        file = next(self._files, None)
        if file is None:
            raise EndOfFrames
        try:
            return Shot(read_image(file))
        except RigError as error:
            raise BadFrame(str(error)) from error

    def close(self) -> None:
        self._files = iter(())


def open_camera(text: str) -> Camera:
    """A camera by index, URL, video file or folder. It is not opened yet. Raises CameraError."""
    from rig.capture.opencv import OpenCvCamera
    from rig.capture.stream import HttpCamera

    if text.isdecimal():
        return OpenCvCamera(int(text), f"camera {int(text)}", is_live=True)
    if "://" in text:
        try:
            urlsplit(text)
        except ValueError as error:
            raise CameraError(f"not a URL ({error})", where="--camera") from error
        kind = HttpCamera if urlsplit(text).scheme in ("http", "https") else OpenCvCamera
        return kind(text, without_secrets(text), is_live=True)
    path = Path(text)
    if path.is_dir():
        return FolderCamera(path)
    if path.is_file():
        return OpenCvCamera(str(path), path.name, is_live=False)
    raise CameraError("no such camera", got=text, expected="an index (0), a URL, a video file or a folder of images")


def without_secrets(url: str) -> str:
    """Without user, password and query, where tokens stand.

    >>> without_secrets("rtsp://user:pass@10.0.0.7:554/stream1?token=x")
    'rtsp://10.0.0.7:554/stream1'
    """
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit((parts.scheme, host, parts.path, "", ""))


def differences(asked: Settings, got: Settings) -> list[str]:
    """In words, what the camera did not do as asked.

    >>> differences({"width_px": 640, "fps": 30}, {"width_px": 320, "height_px": 240, "fps": 30.0})
    ['width_px is 320, not 640']
    """
    return [
        f"{name} is {got[name]:g}, not {value:g}" if name in got else f"{name} cannot be set"
        for name, value in asked.items()
        if name not in got or abs(got[name] - value) > 1e-3 * max(1, abs(value))
    ]
