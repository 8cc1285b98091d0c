"""COCO: images/ with annotations.json (what is true), and results-<model>.json (what each model said)."""

import json

import numpy as np

from rig.interop.frames import RunFrames, Seen, about, true_labels
from rig.interop.names import FrameNames, safe_names

ANNOTATIONS = "annotations.json"


class Coco:
    """`add` names the file of each frame; `finish` gives what else belongs into the folder. Raises RunError."""

    def __init__(self, frames: RunFrames):
        rows = [row for picture in frames.pictures for row in picture.rows]
        said = {label for row in rows for label in (*true_labels(row), *(label for label, _ in _scores(row)))}
        self._categories = {label: number for number, label in enumerate(sorted(said), start=1)}
        self._names = FrameNames(rows)
        self._models = safe_names(row["model"] for row in rows)
        self._about = {"run": frames.run.name, "rig": frames.run.record.rig, "date_created": frames.run.record.finished}
        self._images: list[dict] = []
        self._annotations: list[dict] = []
        self._results: dict[str, list[dict]] = {model: [] for model in self._models}

    def add(self, seen: Seen) -> str:
        row, number = seen.picture.row, len(self._images) + 1
        file = f"{self._names.group(row)}/{self._names.file(row)}"
        height, width = seen.image.shape[:2]
        size = {"id": number, "file_name": file, "width": width, "height": height}
        self._images.append(size | about(row))
        true = [self._categories[label] for label in true_labels(row)]
        truth = {"id": number, "image_id": number, "category_id": true[0], "true_category_ids": true, "iscrowd": 0}
        self._annotations.append(truth | _place(seen.mask))
        for trial in seen.picture.rows:
            self._add_results(number, trial)
        return f"images/{file}"

    def _add_results(self, image: int, trial: dict) -> None:
        results = self._results[trial["model"]]
        for label, prob in _scores(trial):
            named = {"image_id": image, "category_id": self._categories[label], "score": prob}
            results.append({"id": len(results) + 1} | named)

    def finish(self) -> dict[str, bytes]:
        categories = [{"id": number, "name": label} for label, number in self._categories.items()]
        info = {"description": f"frames of the rig run {self._about['run']}"} | self._about
        truth = {"info": info, "images": self._images, "annotations": self._annotations, "categories": categories}
        results = {f"results-{self._models[model]}.json": found for model, found in self._results.items()}
        return {name: _json(document) for name, document in ({ANNOTATIONS: truth} | results).items()}


def _scores(trial: dict) -> list[tuple[str, float]]:
    """The most probable classes, the first one's probability as it was stored, the others' to four digits."""
    (_, _), *others = json.loads(trial["top5"])
    return [(trial["predicted"], trial["predicted_prob"]), *((label, prob) for label, prob in others)]


def _place(mask: np.ndarray | None) -> dict:
    """bbox and area of the object's pixels; nothing where no object was rendered, or none is in sight."""
    if mask is None or not mask.any():
        return {}
    rows, columns = (np.flatnonzero(mask.any(axis=axis)) for axis in (1, 0))
    left, top = int(columns[0]), int(rows[0])
    return {
        "bbox": [left, top, int(columns[-1]) - left + 1, int(rows[-1]) - top + 1],
        "area": int(mask.sum()),
    }


def _json(document: object) -> bytes:
    return json.dumps(document, ensure_ascii=False, allow_nan=False).encode()
