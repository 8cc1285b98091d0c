"""A folder for each artefact, in it one for each class: what torchvision and others call ImageFolder.

Beside the classes lies metadata.jsonl, a line a frame, as Hugging Face's `imagefolder` reads it: what a folder cannot say.
"""

import json

from rig.interop.frames import Picture, RunFrames, Seen, about, true_labels
from rig.interop.names import FrameNames, safe_names

METADATA = "metadata.jsonl"


class ImageFolder:
    """`add` names the file of each frame; `finish` gives what else belongs into the folder. Raises RunError."""

    def __init__(self, frames: RunFrames):
        self._names = FrameNames([picture.row for picture in frames.pictures])
        self._classes = safe_names(true_labels(picture.row)[0] for picture in frames.pictures)
        self._lines: dict[str, list[dict]] = {}

    def add(self, seen: Seen) -> str:
        """An object with several true labels lies in the folder of the first."""
        row = seen.picture.row
        group = self._names.group(row)
        file = f"{self._classes[true_labels(row)[0]]}/{self._names.file(row)}"
        self._lines.setdefault(group, []).append({"file_name": file} | _described(seen.picture))
        return f"{group}/{file}"

    def finish(self) -> dict[str, bytes]:
        return {f"{group}/{METADATA}": _text(lines).encode() for group, lines in self._lines.items()}


def _described(picture: Picture) -> dict:
    answers = ("model", "predicted", "predicted_prob", "outcome")
    return about(picture.row) | {"trials": [{name: row[name] for name in answers} for row in picture.rows]}


def _text(lines: list[dict]) -> str:
    return "".join(json.dumps(line, ensure_ascii=False, allow_nan=False) + "\n" for line in lines)
