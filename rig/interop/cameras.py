"""Where each trial's camera stood, what it was, and what the object looked like: for pictures in space."""

from dataclasses import dataclass

import numpy as np
import polars as pl

from rig.contracts import Intrinsics, Mesh, Transform
from rig.errors import RunError
from rig.geometry import intrinsics_from_fov, invert
from rig.interop.filmed import FilmedFrames
from rig.interop.frames import Picture, RunFrames
from rig.interop.rendered import RenderedFrames


@dataclass(frozen=True, eq=False)
class Shot:
    """One trial's camera; `number` counts the views of an object. World is the object's frame.

    `texture` (h, w, 3) uint8 is what the object wore; of a real object without a file, the clean one's.
    """

    picture: Picture
    number: int
    camera: Intrinsics
    world_from_camera: Transform
    mesh: Mesh
    texture: np.ndarray

    @property
    def row(self) -> dict:
        return self.picture.row


def shots_of(frames: RunFrames, most_views: int | None = None) -> tuple[list[Shot], int]:
    """Cameras in the order in which their frames are made fastest, and how many trials have no pose.

    Of a camera session whole frames alone: a crop has no camera. Raises RunError for a run without objects or poses.
    """
    if not isinstance(frames.source, RenderedFrames | FilmedFrames):
        hint = "rig export has its frames"
        raise RunError("images on their own have no cameras and no object to show", where=frames.run.path, hint=hint)
    trials = frames.trials.filter(pl.col("crop") == "full") if "crop" in frames.trials.columns else frames.trials
    posed = trials.drop_nulls("azimuth_deg")
    if posed.is_empty():
        raise RunError("no frame of the run has a pose", where=frames.run.path)
    n_without = len(trials) - len(posed)
    posed = posed.with_columns(number=pl.col("view").rank("dense").over("object").cast(pl.Int64) - 1)
    posed = posed if most_views is None else posed.filter(pl.col("number") < most_views)
    by_model = [frames.pictures_of(part) for part in posed.partition_by("model", maintain_order=True)]
    shot = _filmed if isinstance(frames.source, FilmedFrames) else _rendered
    return [shot(frames.source, picture) for pictures in by_model for picture in pictures], n_without


def _rendered(source: RenderedFrames, picture: Picture) -> Shot:
    row = picture.row
    renderer, view = source.renderer(row["object"], row["model"]), source.view(row)
    camera = intrinsics_from_fov(renderer.width_px, renderer.height_px, view.values["fov_deg"])
    texture = source.texture(row["object"], row["artefact"])
    mesh = source.scenes[row["object"]].mesh
    return Shot(picture, row["number"], camera, renderer.world_from_camera(view), mesh, texture)


def _filmed(source: FilmedFrames, picture: Picture) -> Shot:
    """The calibrated camera without its distortion: where its frame is bent, it and the object part by as much."""
    row = picture.row
    case, taken = source.cases[row["session"]], source.taken(row)
    camera, camera_from_object = case.captured.header.profile.intrinsics, case.captured.camera_from_object(taken)
    texture = source.texture(case, row["artefact"] if row["artefact"] in source.painted else "clean")
    return Shot(picture, row["number"], camera, invert(camera_from_object), case.scene.mesh, texture)
