"""Frames of rendered views, made again from the run's scene and each trial's own view.

A blurred frame depends a little on what was rendered with it (the kernel of a batch is as wide as its widest), so whole
parts of trials are rendered again, as the sweep rendered them.
"""

import dataclasses
from collections.abc import Iterable, Iterator
from functools import lru_cache
from pathlib import Path

import numpy as np
import polars as pl

from rig.audit.distance import frame_size_px
from rig.audit.evidence import Evidence
from rig.contracts import View
from rig.render import PreparedView, Renderer
from rig.views import draw_views

TRIAL = ["object", "artefact", "model", "view"]


class RenderedFrames:
    order = ("part", "view")

    def __init__(self, evidence: Evidence):
        self._evidence = evidence
        self.scenes = evidence.scenes
        self._cards = {model.name: model.card for model in evidence.run.record.models}
        self._part = lru_cache(1)(self._render)  # its frames follow each other

    def placed(self, trials: pl.DataFrame) -> pl.DataFrame:
        """Adds `part`, the file that a trial is in."""
        parts = sorted((self._evidence.run.path / "trials").glob("part-*.parquet"))
        read = [pl.read_parquet(part, columns=TRIAL).with_columns(part=pl.lit(str(part))) for part in parts]
        return trials.join(pl.concat(read), on=TRIAL, how="left", maintain_order="left")

    def images(self, rows: Iterable[dict]) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        return (self._part(row["part"])[tuple(row[name] for name in TRIAL)] for row in rows)

    def _render(self, part: str) -> dict[tuple, tuple[np.ndarray, np.ndarray]]:
        """Frames and masks of the trials of a part: one object in one texture, by one model's size."""
        rows = pl.read_parquet(Path(part)).to_dicts()
        first = rows[0]
        renderer = self.renderer(first["object"], first["model"])
        prepared = [renderer.prepare(self.view(row)) for row in rows]
        frames = renderer.frames(self.texture(first["object"], first["artefact"]), prepared)
        keys = [tuple(row[name] for name in TRIAL) for row in rows]
        made = [(frame.image, _mask(one, renderer)) for frame, one in zip(frames, prepared, strict=True)]
        return dict(zip(keys, made, strict=True))

    def renderer(self, name: str, model: str) -> Renderer:
        scene = self.scenes[name]
        return Renderer(scene, frame_size_px(scene, self._cards[model]))

    def texture(self, name: str, artefact: str) -> np.ndarray:
        """(h, w, 3) uint8; of several objects, each has a clean texture of its own."""
        return self.scenes[name].mesh.texture if artefact == "clean" else self._evidence.texture(artefact)

    def view(self, row: dict) -> View:
        """The trial's own numbers; what is random beyond them depends on seed, split and number alone."""
        number = int(row["view"].rpartition("-")[2])
        config, seed = self.scenes[row["object"]].config, self._evidence.run.record.seed
        (drawn,) = draw_views(config, 1, seed, row["split"], start=number)
        return dataclasses.replace(drawn, id=row["view"], values={name: row[name] for name in drawn.values})


def _mask(prepared: PreparedView, renderer: Renderer) -> np.ndarray:
    mask = np.zeros(renderer.height_px * renderer.width_px, bool)
    mask[prepared.pixels.numpy()] = True
    return mask.reshape(renderer.height_px, renderer.width_px)
