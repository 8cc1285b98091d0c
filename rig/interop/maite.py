"""A run by MAITE's protocols for image classification: its frames a Dataset, its ONNX file a Model, its rates a Metric.

The protocols are structural: nothing here imports `maite`. See tests/interop/test_maite.py for a whole evaluation.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from scipy.special import softmax

from rig.contracts import POSE_DIMENSIONS
from rig.errors import ModelError, RunError
from rig.images import batch_from_images
from rig.interop.frames import RunFrames, true_labels
from rig.interop.maite_metric import RunMetric
from rig.interop.names import group_of
from rig.metrics.load import ModelRecord
from rig.metrics.session import with_blocks
from rig.model import DeployedModel, resolve
from rig.model.detect import Presence, open_judge
from rig.views import place_of


@dataclass(frozen=True, eq=False)
class Evaluation:
    """What `maite.tasks.evaluate` takes; its figures are then the run's own."""

    dataset: "RunDataset"
    model: "RunModel"
    metric: RunMetric


def open_run(path: Path, model: str | None = None) -> Evaluation:
    """The trials of one of the run's models (default: its first). Raises RunError or ModelError.

    The model's file must still be the one of the run.
    """
    frames = RunFrames(Path(path))
    record = _record(frames, model)
    deployed = _deployed(frames, record)
    return Evaluation(RunDataset(frames, deployed), RunModel(deployed), RunMetric(frames.run.record.seed or 0))


class RunDataset:
    """A datum is one trial's frame: (3, H, W) uint8, (K,) float32 with 1 at each true class, and what it is of.

    An object may be called several names: several classes are true, and any of them is right.
    """

    def __init__(self, frames: RunFrames, model: DeployedModel | Presence):
        trials = frames.trials.filter(frames.trials["model"] == model.card.name)
        if any(place_of(view) for view in trials["view"]):
            hint = "rig export has its frames, its metrics.json the rates"
            raise RunError(
                "views of a refined sweep do not count alike, as MAITE's do", where=frames.run.path, hint=hint
            )
        self._frames, self._labels = frames, model.labels
        self._pictures = frames.pictures_of(_with_clusters(trials))
        labels = dict(enumerate(model.labels))
        self.metadata = {"id": f"{frames.run.name}, frames of {model.card.name}", "index2label": labels}

    def __len__(self) -> int:
        return len(self._pictures)

    def __getitem__(self, index: int, /) -> tuple[np.ndarray, np.ndarray, dict]:
        return self.get_input(index), self.get_target(index), self.get_metadata(index)

    def get_input(self, index: int, /) -> np.ndarray:
        (seen,) = self._frames.seen([self._pictures[index]])
        return np.ascontiguousarray(seen.image.transpose(2, 0, 1))

    def get_target(self, index: int, /) -> np.ndarray:
        target = np.zeros(len(self._labels), np.float32)
        target[[self._labels.index_of(label) for label in true_labels(self._pictures[index].row)]] = 1
        return target

    def get_metadata(self, index: int, /) -> dict:
        """`group` and `id` name the trial, `twin` is its clean one's id, `target_index` the goal's class (-1: none).

        Trials of one `cluster` are not independent draws.
        """
        row = self._pictures[index].row
        aimed = row["target_label"]
        named = {
            name: row[name] for name in ("object", "artefact", "source", "session", "view", "cluster", "frame_hash")
        }
        pose = {name: row[name] for name in POSE_DIMENSIONS}
        twin = row.get("twin", row["view"])
        return (
            named
            | pose
            | {
                "id": f"{group_of(row)}/{row['object']}/{row['view']}",
                "group": group_of(row),
                "twin": f"{group_of(row | {'artefact': 'clean'})}/{row['object']}/{twin}",
                "target_index": self._labels.index_of(aimed) if aimed else -1,
            }
        )


class RunModel:
    """The deployed file. Images (3, H, W) of any size, uint8 or float in [0, 1], to (K,) float64 probabilities."""

    def __init__(self, model: DeployedModel | Presence):
        self._model = model
        self.metadata = {"id": model.card.name, "index2label": dict(enumerate(model.labels))}

    def __call__(self, batch: Sequence, /) -> list[np.ndarray]:
        fitted = torch.cat([self._model.fit(_batch(np.asarray(image))) for image in batch])
        return list(softmax(self._model.logits(fitted).astype(np.float64), axis=1))


def _batch(image: np.ndarray) -> torch.Tensor:
    if image.ndim != 3 or len(image) != 3:
        raise ModelError("not an image", got=f"shape {image.shape}", expected="(3, height, width), RGB")
    if image.dtype == np.uint8:
        return batch_from_images(image.transpose(1, 2, 0)[None])
    if not (np.issubdtype(image.dtype, np.floating) and image.min() >= 0 and image.max() <= 1):
        raise ModelError("not an image", got=f"{image.dtype}", expected="uint8, or floats in [0, 1]")
    return torch.from_numpy(image[None].astype(np.float32))


def _record(frames: RunFrames, model: str | None) -> ModelRecord:
    records = {record.name: record for record in frames.run.record.models}
    if model is None:
        return next(iter(records.values()))
    if model not in records:
        raise RunError("the run has no such model", where=frames.run.path, got=model, expected=" or ".join(records))
    return records[model]


def _deployed(frames: RunFrames, record: ModelRecord) -> DeployedModel | Presence:
    """The file that run.json names, which must be the one that was judged."""
    names = [one.name for one in frames.run.record.models]
    deployed = open_judge(resolve(frames.run.record.config["models"][names.index(record.name)]))
    if deployed.sha256 != record.sha256_before:
        got, expected = f"sha256 {deployed.sha256[:12]}", (record.sha256_before or "none")[:12]
        raise RunError("the model is not the one of the run", where=deployed.path, got=got, expected=expected)
    return deployed


def _with_clusters(trials):
    """Adds `cluster`: of a session a pass's neighbouring frames, of several objects the object, else each view its own."""
    if "pass" in trials.columns:
        return with_blocks(trials).rename({"block": "cluster"})
    several = trials["object"].n_unique() > 1
    return trials.with_columns(cluster=trials["object"] if several else trials["view"])
