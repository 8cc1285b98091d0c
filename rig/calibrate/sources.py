"""Photographs of a board: image files, a folder of them, or a video, as named images of one size."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from rig.errors import CalibrationError
from rig.images import content_hash, read_image, video_frames

IMAGES = {".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp"}
MAX_VIDEO_FRAMES = 300  # looked at, evenly over the video


@dataclass(frozen=True)
class Photograph:
    name: str
    image: np.ndarray  # (H, W, 3) uint8 RGB
    sha256: str  # of the file; of a video's frame, its 16-digit content hash


def read_photographs(paths: list[Path]) -> Iterator[Photograph]:
    """One after the other, refusing what is of another size than the first."""
    first = None
    for photograph in _every(paths):
        size = photograph.image.shape[1::-1]
        first = first or (photograph.name, size)
        if size != first[1]:
            raise CalibrationError(
                "images are of different sizes",
                where=photograph.name,
                got="{} x {}".format(*size),
                expected="{} x {} as {}".format(*first[1], first[0]),
                hint="a camera is calibrated at one resolution",
            )
        yield photograph


def _every(paths: list[Path]) -> Iterator[Photograph]:
    for path in paths:
        if path.is_dir():
            files = sorted(file for file in path.iterdir() if file.suffix.lower() in IMAGES)
            if not files:
                raise CalibrationError("no images in the folder", where=path, expected=", ".join(sorted(IMAGES)))
            yield from map(_photograph, files)
        elif not path.exists():
            raise CalibrationError("no such file or folder", where=path)
        elif path.suffix.lower() in IMAGES:
            yield _photograph(path)
        else:
            yield from _frames(path)


def _photograph(path: Path) -> Photograph:
    return Photograph(path.name, read_image(path), hashlib.sha256(path.read_bytes()).hexdigest())


def _frames(path: Path) -> Iterator[Photograph]:
    number = None
    for number, image in video_frames(path, MAX_VIDEO_FRAMES):
        yield Photograph(f"{path.name} frame {number}", image, content_hash(image))
    if number is None:
        raise CalibrationError("neither an image nor a video that can be read", where=path)
