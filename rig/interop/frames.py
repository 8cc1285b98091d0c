"""A run's frames, each exactly what the model was given: made again or read again, and held against the trial's hash."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Protocol

import numpy as np
import polars as pl

from rig.audit.evidence import PIXEL, SESSION, SWEEP, TEXTURE, Evidence
from rig.contracts import POSE_DIMENSIONS
from rig.errors import RunError
from rig.images import content_hash
from rig.interop.filmed import FilmedFrames
from rig.interop.rendered import RenderedFrames
from rig.interop.stills import StillFrames
from rig.metrics.load import SEPARATOR, Run, read_run, read_trials
from rig.metrics.pixel_load import read_pixel_trials
from rig.metrics.rates import with_verdict
from rig.metrics.session_load import read_session_trials

SAME = ("object", "artefact", "source", "view", "crop", "frame_hash")  # trials of one picture, one a model
DESCRIBED = ("object", "artefact", "source", "session", "view", "crop", "frame_hash", "target_label")


@dataclass(frozen=True, eq=False)
class Picture:
    """`rows`: the trials of this picture, one for each model that was given it."""

    rows: tuple[dict, ...]

    @property
    def row(self) -> dict:
        """What all of its trials have in common, and the first one's answer."""
        return self.rows[0]


@dataclass(frozen=True, eq=False)
class Seen:
    """`image` (H, W, 3) uint8 as the model was given it; `mask` (H, W) bool, where the object is: None if not rendered."""

    picture: Picture
    image: np.ndarray
    mask: np.ndarray | None


class Source(Protocol):
    """How one kind of run makes its frames again: trials in any order, fastest in that of the columns `order`.

    `placed` adds the columns that it needs.
    """

    order: tuple[str, ...]

    def placed(self, trials: pl.DataFrame) -> pl.DataFrame: ...

    def images(self, rows: Iterable[dict]) -> Iterator[tuple[np.ndarray, np.ndarray | None]]: ...


STILL_SOURCE = "image"  # a picture that nobody posed for
SOURCES = {TEXTURE: RenderedFrames, SWEEP: RenderedFrames, SESSION: FilmedFrames, PIXEL: StillFrames}


class RunFrames:
    """The frames of a finished run. Raises RunError for what is no such run, or holds no frames."""

    def __init__(self, path: Path):
        self.run = read_run(path)
        _require_frames(self.run)
        self.trials = _trials(self.run)
        evidence = Evidence(self.run)
        try:
            self.source: Source = SOURCES[evidence.job](evidence)
            self.trials = self.source.placed(self.trials)
        except KeyError as error:
            hint = "was it written by another version of rig?"
            raise RunError(f"run.json lacks {error}", where=self.run.path, hint=hint) from error

    @cached_property
    def pictures(self) -> list[Picture]:
        """Every picture once, whoever was given it."""
        return self.pictures_of(self.trials)

    def pictures_of(self, trials: pl.DataFrame) -> list[Picture]:
        found: dict[tuple, list[dict]] = {}
        for row in trials.sort(self.source.order, maintain_order=True).iter_rows(named=True):
            found.setdefault(tuple(row.get(name) for name in SAME), []).append(row)
        return [Picture(tuple(rows)) for rows in found.values()]

    def seen(self, pictures: Iterable[Picture]) -> Iterator[Seen]:
        """In the order given. Raises RunError where a picture does not come out as it was."""
        pictures = list(pictures)
        made = self.source.images(picture.row for picture in pictures)
        try:
            for picture, (image, mask) in zip(pictures, made, strict=True):
                self._require_same(picture.row, image)
                yield Seen(picture, image, mask)
        except KeyError as error:
            raise RunError(
                f"trials and run.json do not fit: {error} is in the first alone", where=self.run.path
            ) from error

    def _require_same(self, row: dict, image: np.ndarray) -> None:
        if (found := content_hash(image)) != row["frame_hash"]:
            raise RunError(
                f"{row['artefact']}, {row['object']}, {row['view']}: the frame does not come out as the model saw it",
                where=self.run.path,
                got=found,
                expected=row["frame_hash"],
                hint="scene, texture or session files, or rig itself, changed since the run was made",
            )


def _require_frames(run: Run) -> None:
    job = run.record.config.get("job")
    if job not in SOURCES:
        raise RunError(
            "the frames of this kind of run cannot be had again: its rows are rates over conditions, not frames",
            where=run.path,
            got=job or "no job in run.json",
            expected=" or ".join(f'"{kind}"' for kind in SOURCES),
        )
    if run.record.status != "done":
        raise RunError("the run is not finished", where=run.path, hint=f"finish it with: rig resume {run.path}")


def _trials(run: Run) -> pl.DataFrame:
    """Every evaluated trial that has a picture, checked as strictly as a report does, with `result`."""
    if run.record.config["job"] == SESSION:
        return read_session_trials(run)
    if run.record.config["job"] == PIXEL:  # images that were judged and then not attacked are not kept by the run
        attacked = read_pixel_trials(run).select("object").unique()
        return with_verdict(Evidence(run).trials).join(attacked, on="object", how="semi", maintain_order="left")
    return with_verdict(read_trials(run).filter(pl.col("split") == "eval"))


def true_labels(row: dict) -> list[str]:
    """What the object may be called; the first is the one that a scene names first."""
    return row["true_label"].split(SEPARATOR)


def about(row: dict) -> dict:
    """What a picture is of and where it was seen from, as plain values; what a kind of run does not know is left out."""
    named = {name: row[name] for name in DESCRIBED if row.get(name)}
    pose = {name: row[name] for name in POSE_DIMENSIONS if row[name] is not None}
    return named | {"true_labels": true_labels(row)} | (pose if row["source"] != STILL_SOURCE else {})
