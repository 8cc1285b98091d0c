"""Frames of a camera session as they were cropped, and their rendered twins made again."""

from collections.abc import Iterable, Iterator
from functools import lru_cache
from pathlib import Path

import numpy as np
import polars as pl

from rig.audit.evidence import Evidence
from rig.capture import Captured, Row, read_session
from rig.capture.crops import parse_crop
from rig.errors import RunError
from rig.render.twin import TwinRenderer
from rig.scene import rebuilt
from rig.sweep.session import SessionCase, window_of
from rig.sweep.session import _view as twin_view


class FilmedFrames:
    order = ("session", "frame", "source", "artefact", "crop")

    def __init__(self, evidence: Evidence):
        captured = [read_session(Path(path)) for path in evidence.config["sessions"]]
        self.cases = {one.name: _case(one, evidence) for one in captured}
        self.painted = evidence.run.artefacts.keys() - {"clean"}  # textures that the run holds
        self._painted = lru_cache(lambda artefact: _texture(evidence, artefact))
        self._renderer = lru_cache(lambda name: _renderer(self.cases[name]))
        self._whole = lru_cache(1)(self._frame)  # its crops follow each other

    def placed(self, trials: pl.DataFrame) -> pl.DataFrame:
        return trials

    def images(self, rows: Iterable[dict]) -> Iterator[tuple[np.ndarray, np.ndarray | None]]:
        for row in rows:
            case = self.cases[row["session"]]
            taken = self.taken(row)
            image, mask = self._whole(row["session"], taken.frame, row["source"], row["artefact"])
            radius_m = case.scene.config.object.radius_m
            at = window_of(case.captured, taken, parse_crop(row["crop"]), radius_m, image.shape[:2])
            if at is None:
                raise RunError(
                    "no such crop of this frame", where=case.captured.path, got=f"{row['crop']}, {row['view']}"
                )
            yield np.ascontiguousarray(image[at]), None if mask is None else mask[at]

    def taken(self, row: dict) -> Row:
        """The session's record of a trial's frame."""
        captured = self.cases[row["session"]].captured
        found = [one for one in captured.rows if one.frame == int(row["frame"])]
        if not found:
            raise RunError("the session no longer has this frame", where=captured.path, got=f"frame {row['frame']:g}")
        return found[0]

    def texture(self, case: SessionCase, artefact: str) -> np.ndarray:
        """(h, w, 3) uint8. Raises RunError for what the camera saw worn, but no file was given for."""
        return case.scene.mesh.texture if artefact == "clean" else self._painted(artefact)

    def _frame(self, session: str, number: int, source: str, artefact: str) -> tuple[np.ndarray, np.ndarray | None]:
        case = self.cases[session]
        taken = self.taken({"session": session, "frame": number})
        if source == "capture":
            return case.captured.image(taken), None
        renderer = self._renderer(session)
        prepared = renderer.prepare(twin_view(case, taken), case.captured.camera_from_object(taken))
        (frame,) = renderer.frames(self.texture(case, artefact), [prepared])
        covered = renderer.bent(np.ones((len(prepared.pixels), 1), np.float32), prepared)[..., 0]
        return frame.image, covered > 0.5


def _case(captured: Captured, evidence: Evidence) -> SessionCase:
    """As the sweep had it, as far as frames depend on it."""
    if captured.header.scene is None:
        raise RunError("the session does not say what its object is", where=captured.path)
    scene = rebuilt(captured.header.scene, evidence.config["texture_px"])
    return SessionCase(captured, scene, {}, {}, (), evidence.run.record.seed)


def _texture(evidence: Evidence, artefact: str) -> np.ndarray:
    if artefact not in evidence.run.artefacts:
        raise RunError("the run holds no such texture", where=evidence.run.path / "artefacts", got=artefact)
    return evidence.texture(artefact)


def _renderer(case: SessionCase) -> TwinRenderer:
    return TwinRenderer(case.scene, case.captured.header.profile)
