"""`rig view`: a run as a Rerun recording. Each object in each texture, the cameras that saw it, their frames, the answers.

Rerun's cameras look as ours do (+x right, +y down, +z forward). Its pixels count from the corner of the image, not from
the centre of the first pixel, and its texture coordinates run down from the top.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from rig.contracts import Intrinsics, Mesh, Transform
from rig.errors import RigError, RunError
from rig.images import encode_jpeg
from rig.interop.cameras import Shot, shots_of
from rig.interop.frames import RunFrames
from rig.interop.names import group_of
from rig.runs import Progress, write_atomically

if TYPE_CHECKING:
    import rerun as rr

TIMELINE = "view"
# Okabe & Ito 2008, as on the report's pages: told apart by colour-blind eyes, too
COLORS = {"correct": (0, 114, 178), "fooled": (213, 94, 0), "other_wrong": (150, 150, 150)}
PLANE_SHARE = 0.25  # of the object's radius: how far before its camera a frame is drawn
JPEG_QUALITY = 85


def rerun() -> rr:
    try:
        import rerun
    except ImportError as error:
        raise RigError("rig view needs Rerun", hint="pip install 'physical-rig[rerun]'") from error
    return rerun


def record(path: Path, out: Path, most_views: int | None, progress: Progress) -> dict:
    """Write the recording whole or not at all; how many cameras it has, and trials it left out for want of a pose."""
    frames = RunFrames(path)
    rr = rerun()
    shots, n_without = shots_of(frames, most_views)
    if out.exists():
        raise RunError("there is something already", where=out, hint="choose another --save, or remove it")

    def write(partial: Path) -> None:
        stream = rr.RecordingStream(f"rig {frames.run.name}", recording_id=frames.run.name)
        stream.save(partial, default_blueprint=_layout(rr, shots))
        _draw(rr, stream, frames, shots, progress)
        stream.flush()
        stream.disconnect()

    write_atomically(out, write)
    return {"out": str(out), "cameras": len(shots), "without_pose": n_without}


def entity(row: dict) -> tuple[str, ...]:
    """Where an object in one texture stands, with the cameras of one model; any name is a name there."""
    return (row["object"], row["model"], group_of(row))


def _draw(rr, stream: rr.RecordingStream, frames: RunFrames, shots: list[Shot], progress: Progress) -> None:
    stream.log("/", rr.ViewCoordinates.RIGHT_HAND_Z_UP, static=True)
    drawn: set[tuple[str, ...]] = set()
    seen = frames.seen([shot.picture for shot in shots])
    for done, (shot, one) in enumerate(zip(shots, seen, strict=True), start=1):
        place = entity(shot.row)
        if place not in drawn:
            stream.log([*place, "object"], _solid(rr, shot.mesh, shot.texture), static=True)
            drawn.add(place)
        stream.set_time(TIMELINE, sequence=shot.number)
        _draw_camera(rr, stream, [*place, "cameras", shot.row["view"]], shot, one.image)
        progress(done, len(shots), "cameras")


def _draw_camera(rr, stream: rr.RecordingStream, place: list[str], shot: Shot, image: np.ndarray) -> None:
    row = shot.row
    stream.log(place, _pose(rr, shot.world_from_camera))
    stream.log(place, _pinhole(rr, shot.camera, COLORS[row["result"]], shot.mesh))
    stream.log(place, rr.EncodedImage(contents=encode_jpeg(image, JPEG_QUALITY), media_type="image/jpeg"))
    said = {name: row[name] for name in ("predicted", "predicted_prob", "result", "frame_hash")}
    stream.log(place, rr.AnyValues(**said))


def _pose(rr, world_from_camera: Transform):
    return rr.Transform3D(translation=world_from_camera[:3, 3], mat3x3=world_from_camera[:3, :3])


def _pinhole(rr, camera: Intrinsics, color: tuple[int, int, int], mesh: Mesh):
    radius_m = float(np.linalg.norm(mesh.vertices_m, axis=1).max())
    return rr.Pinhole(
        resolution=[camera.width_px, camera.height_px],
        focal_length=[camera.fx_px, camera.fy_px],
        principal_point=[camera.cx_px + 0.5, camera.cy_px + 0.5],
        image_plane_distance=PLANE_SHARE * radius_m,
        color=color,
    )


def _solid(rr, mesh: Mesh, texture: np.ndarray):
    return rr.Mesh3D(
        vertex_positions=mesh.vertices_m,
        triangle_indices=mesh.faces,
        vertex_normals=mesh.normals,
        vertex_texcoords=np.stack([mesh.uv[:, 0], 1 - mesh.uv[:, 1]], axis=1),
        albedo_texture=texture,
    )


def _layout(rr, shots: list[Shot]):
    """A tab for each object, model and texture."""
    import rerun.blueprint as rrb

    places = dict.fromkeys(entity(shot.row) for shot in shots)
    views = [
        rrb.Spatial3DView(origin="/" + rr.new_entity_path(list(place)).lstrip("/"), name=" / ".join(place))
        for place in places
    ]
    return rrb.Blueprint(rrb.Tabs(*views), collapse_panels=True)
