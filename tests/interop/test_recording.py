"""Recordings read back by Rerun's own reader, cameras held against the geometry they came from."""

import subprocess
import sys
from collections import defaultdict

import numpy as np
import polars as pl
import pyarrow as pa
import pytest

from rig import geometry
from rig.capture import read_session
from rig.errors import RigError, RunError
from rig.images import decode_jpeg
from rig.interop.recording import COLORS, record
from rig.interop.viewer import RERUN
from rig.scene import load_scene

rr = pytest.importorskip("rerun", reason="the extra 'rerun' is not installed (170 MB)")


def quiet(*_) -> None:
    pass


def read_back(path) -> dict[str, dict]:
    """By entity: every component's first value."""
    import rerun.chunk

    found = defaultdict(dict)
    for chunk in rerun.chunk.RrdReader(str(path)).stream():
        batch = chunk.to_record_batch()
        for name, column in zip(batch.schema.names, batch.columns, strict=True):
            if len(column) and column[0].is_valid and not pa.types.is_timestamp(column.type):
                found[str(chunk.entity_path)][name.rpartition(":")[2]] = column[0].as_py()
    return dict(found)


@pytest.fixture(scope="module")
def recorded(swept, tmp_path_factory):
    path = tmp_path_factory.mktemp("recording") / "out.rrd"
    return record(swept, path, None, quiet), path, read_back(path)


def cameras_of(found: dict[str, dict]) -> dict[str, dict]:
    return {place: one for place, one in found.items() if "/cameras/" in place}


def test_rerun_accepts_the_recording(recorded, tmp_path):
    def verified(path) -> bool:
        return subprocess.run([*RERUN, "rrd", "verify", str(path)], capture_output=True).returncode == 0

    assert verified(recorded[1])
    damaged = tmp_path / "damaged.rrd"
    damaged.write_bytes(recorded[1].read_bytes()[:-5000])
    assert not verified(damaged)


def test_every_trial_has_a_camera_in_its_outcome_s_colour(recorded, swept):
    made, _, found = recorded
    rows = pl.read_parquet(swept / "trials" / "part-*.parquet").to_dicts()
    cameras = cameras_of(found)
    assert made["cameras"] == len(cameras) == len(rows)
    results = {"correct": "correct", "target": "fooled", "other_wrong": "other_wrong"}
    for row in rows:
        camera = cameras[f"/{row['object']}/{row['model']}/{row['artefact']}/cameras/{row['view']}"]
        red, green, blue = COLORS[results[row["outcome"]]]
        assert camera["color"] == [(red << 24) + (green << 16) + (blue << 8) + 255]
        assert camera["predicted"] == [row["predicted"]]
        assert camera["frame_hash"] == [row["frame_hash"]]
    assert len({row["outcome"] for row in rows}) == 2


def test_cameras_stand_where_the_trials_say_and_look_as_opencv_s_do(recorded, swept):
    """From the trial's own angles by trigonometry: the object's centre lies where the offsets put it, z ahead."""
    found = cameras_of(recorded[2])
    for row in pl.read_parquet(swept / "trials" / "part-*.parquet").to_dicts():
        camera = found[f"/{row['object']}/{row['model']}/{row['artefact']}/cameras/{row['view']}"]
        position = np.array(camera["translation"][0])
        rotation = np.array(camera["mat3x3"][0]).reshape(3, 3).T  # column by column
        np.testing.assert_allclose(rotation.T @ rotation, np.eye(3), atol=1e-6)
        offset = [row["offset_x_frac"], row["offset_y_frac"], row["distance_m"]]
        np.testing.assert_allclose(rotation.T @ -position, offset, atol=1e-5)
        towards = geometry.direction(row["azimuth_deg"], row["elevation_deg"])
        np.testing.assert_allclose(-rotation[:, 2], towards, atol=1e-6)


def test_a_projected_corner_of_the_object_lies_in_its_frame_by_rerun_s_own_numbers(recorded, swept):
    """Rerun's pinhole and pose applied to the recorded mesh bound the object as the rasteriser drew it."""
    place = "/turtle/small/clean"
    mesh, found = recorded[2][f"{place}/object"], cameras_of(recorded[2])
    points = np.array(mesh["vertex_positions"])
    scene = load_scene("turtle")
    np.testing.assert_allclose(points, scene.mesh.vertices_m, atol=1e-6)
    camera = found[f"{place}/cameras/eval-000000"]
    intrinsics = np.array(camera["image_from_camera"][0]).reshape(3, 3).T
    rotation = np.array(camera["mat3x3"][0]).reshape(3, 3).T
    seen = (points - camera["translation"][0]) @ rotation @ intrinsics.T
    edges = seen[:, :2] / seen[:, 2:]  # counted from the image's corner
    row = pl.read_parquet(swept / "trials" / "part-turtle-clean-small-*.parquet").row(0, named=True)
    pinhole = geometry.intrinsics_from_fov(32, 32, row["fov_deg"])
    ours = geometry.project(pinhole, (points - camera["translation"][0]) @ rotation)
    np.testing.assert_allclose(edges, ours + 0.5, atol=1e-3)
    assert camera["resolution"] == [[32.0, 32.0]]


def test_the_object_wears_its_texture_with_v_down(recorded):
    mesh = load_scene("turtle", (), 64).mesh
    found = recorded[2]["/turtle/small/clean/object"]
    columns, rows = geometry.texels_from_uv(mesh.uv, 64, 64)
    recorded_px = np.array(found["vertex_texcoords"]) * 64 - 0.5  # texel centres, as images have them
    np.testing.assert_allclose(recorded_px, np.stack([columns, rows], axis=1), atol=1e-3)
    texels = np.array(found["albedo_texture_buffer"][0], np.uint8).reshape(mesh.texture.shape)
    np.testing.assert_array_equal(texels, mesh.texture)


def test_frames_are_the_judged_ones_but_for_jpeg(recorded, swept):
    from rig.interop.frames import RunFrames

    frames = RunFrames(swept)
    found = cameras_of(recorded[2])
    for one in frames.seen(frames.pictures[:6]):
        row = one.picture.row
        camera = found[f"/{row['object']}/{row['model']}/{row['artefact']}/cameras/{row['view']}"]
        image = decode_jpeg(bytes(camera["blob"][0]))
        assert image.shape == one.image.shape
        assert np.abs(image.astype(float) - one.image).mean() < 12


def test_a_session_s_cameras_stand_where_the_board_says(filmed, tmp_path):
    made = record(filmed, tmp_path / "out.rrd", None, quiet)
    found = cameras_of(read_back(tmp_path / "out.rrd"))
    captured = read_session(filmed.parent / "desk")
    posed = [row for row in captured.rows if row.pose is not None]
    assert made["without_pose"] == 1
    taken = {place: one for place, one in found.items() if "capture" in place}
    assert len(taken) == len(posed) == 3
    for row in posed:
        (camera,) = [one for place, one in taken.items() if place.endswith(captured.view_id(row))]
        towards = geometry.direction(row.pose.azimuth_deg, row.pose.elevation_deg)
        np.testing.assert_allclose(camera["translation"][0], row.pose.distance_m * towards, atol=1e-4)
        assert camera["resolution"] == [[640.0, 480.0]]


def test_fewer_views_are_recorded_where_asked(swept, tmp_path):
    made = record(swept, tmp_path / "out.rrd", 2, quiet)
    assert made["cameras"] == 2 * 2 * 2 * 2


def test_images_on_their_own_and_files_that_exist_are_refused(swept, pixels, tmp_path):
    with pytest.raises(RunError, match="no cameras and no object"):
        record(pixels, tmp_path / "out.rrd", None, quiet)
    (tmp_path / "out.rrd").write_text("mine")
    with pytest.raises(RunError, match="something already"):
        record(swept, tmp_path / "out.rrd", None, quiet)
    assert [path.name for path in tmp_path.iterdir()] == ["out.rrd"]


def test_without_rerun_one_line_says_what_to_install(swept, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "rerun", None)
    with pytest.raises(RigError, match=r"rig view needs Rerun; pip install 'physical-rig\[rerun\]'"):
        record(swept, tmp_path / "out.rrd", None, quiet)
