"""Pictures of an attack on images: no view, no object; the files of the run are what the model was given."""

from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import polars as pl

from rig.audit.evidence import Evidence
from rig.errors import RunError
from rig.images import read_rgb


class StillFrames:
    order = ("artefact", "object")

    def __init__(self, evidence: Evidence):
        self._folder = evidence.run.path / "artefacts"

    def placed(self, trials: pl.DataFrame) -> pl.DataFrame:
        return trials

    def images(self, rows: Iterable[dict]) -> Iterator[tuple[np.ndarray, None]]:
        return ((read_rgb(self._file(row)), None) for row in rows)

    def _file(self, row: dict) -> Path:
        file = self._folder / row["artefact"] / f"{row['object']}.png"
        if file.parent.parent != self._folder or ".." in file.parts[len(self._folder.parts) :]:
            raise RunError("a trial names a file outside of the run", where=self._folder.parent, got=file)
        return file
