"""A camera session, swept: frames as taken and as rendered, through a real network, to a report."""

import dataclasses
import json
from collections import Counter

import numpy as np
import polars as pl
import pytest
from chromium import check_figures, needs_chromium
from lab_session import STAND_S, write_session
from report_schema import conforming

from rig.campaign import SessionJob, resume, sweep_camera_sessions
from rig.capture import SessionError
from rig.cli import main
from rig.errors import RigError, RunError
from rig.gate.rows import measure
from rig.images import encode_png
from rig.metrics.load import read_run
from rig.runs import RunFolder
from rig.scene import load_scene

AZIMUTHS_DEG = (-150, -90, -30, 30, 90, 150)
LOST = 2  # number of the frame without a board
MODEL = "efficientnet-lite0"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A session of two passes, and the artefact that the second one wore."""
    folder = tmp_path_factory.mktemp("lab")
    scene = load_scene("turtle", ("object.radius_m=0.07",), 512)
    painted = scene.mesh.texture[..., ::-1].copy()
    write_session(folder / "desk", scene, AZIMUTHS_DEG, painted, lost=(LOST,))
    (folder / "run" / "artefacts" / "adversarial").mkdir(parents=True)
    (folder / "run" / "artefacts" / "adversarial" / "texture.png").write_bytes(encode_png(painted))
    return folder


def job(folder, **changes) -> SessionJob:
    artefacts = (str(folder / "run" / "artefacts" / "adversarial"),)
    asked = SessionJob((str(folder / "desk"),), (MODEL,), artefacts, ("board", "fixed=0.6"), "rifle", True, 512, 0)
    return dataclasses.replace(asked, **changes)


@pytest.fixture(scope="module")
def swept(folder, tmp_path_factory):
    run = sweep_camera_sessions(
        job(folder), tmp_path_factory.mktemp("runs") / "desk", ["rig", "sweep"], lambda *_: None
    )
    return run, pl.read_parquet(run.path / "trials" / "part-*.parquet")


def test_every_frame_is_judged_uncropped_and_cropped_beside_its_twin(swept):
    rows = swept[1]
    counts = Counter(rows.select("source", "crop", "artefact").iter_rows())
    for crop in ("full", "fixed=0.6"):
        assert counts["capture", crop, "clean"] == counts["capture", crop, "adversarial"] == 6
        assert counts["render", crop, "adversarial"] == 6
        assert counts["render", crop, "clean"] == 11  # every view with a pose, whatever it wore
    assert counts["capture", "board", "clean"] == 5  # a frame without a pose cannot be cropped by it
    lost = rows.filter(pl.col("frame") == LOST)
    assert set(lost["source"]) == {"capture"}
    assert lost["azimuth_deg"].null_count() == len(lost)


def test_poses_come_from_the_board_and_times_from_the_clock(swept):
    taken = swept[1].filter((pl.col("source") == "capture") & (pl.col("crop") == "board")).sort("frame")
    kept = [azimuth for number, azimuth in enumerate(2 * AZIMUTHS_DEG) if number != LOST]
    off = (taken["azimuth_deg"].to_numpy() - kept + 180) % 360 - 180
    assert np.abs(off).max() < 0.5
    assert taken["time_s"].to_list() == [STAND_S * number for number in range(12) if number != LOST]


def test_a_gate_judges_what_the_camera_saw_by_crop(swept):
    run, rows = swept
    measured = measure(read_run(run.path), "board")
    assert {row.place for row in measured.rows} == {f"turtle / {MODEL} / board crop"}
    taken = rows.filter((pl.col("source") == "capture") & (pl.col("crop") == "board"))
    for row in measured.rows:
        mine = taken.filter(pl.col("artefact") == row.artefact)
        assert row.figures["accuracy"]["k"] == (mine["outcome"] == "correct").sum()
        assert row.figures["accuracy"]["n"] == len(mine)
    with pytest.raises(RigError, match="no such crop; got middle; expected full, board, fixed=0.6"):
        measure(read_run(run.path), "middle")


def test_a_worn_frame_s_clean_twin_is_the_nearest_clean_frame(swept):
    """Same azimuths in both passes; where the clean frame has no pose, the next one is too far off."""
    worn = (
        swept[1]
        .filter((pl.col("source") == "capture") & (pl.col("crop") == "full") & (pl.col("artefact") == "adversarial"))
        .sort("frame")
    )
    expected = [f"desk-{number:06d}" if number != LOST else "" for number in range(6)]
    assert worn["twin"].to_list() == expected
    assert worn["twin_deg"].max() < 1


def test_the_report_states_what_the_trials_say(swept):
    run, rows = swept
    report = conforming(run.path / "report.json")
    assert report["ok"], report["notices"]
    by_hand = rows.filter(
        (pl.col("source") == "render") & (pl.col("crop") == "board") & (pl.col("artefact") == "clean")
    )
    (stated,) = [
        row
        for row in report["metrics"]["rates"]
        if (row["source"], row["crop"], row["artefact"]) == ("render", "board", "clean")
    ]
    assert stated["accuracy"]["k"] == (by_hand["outcome"] == "correct").sum()
    assert stated["accuracy"]["k"] >= 9  # the twin is a turtle to the network
    gap = next(row for row in report["metrics"]["gaps"] if (row["crop"], row["artefact"]) == ("board", "adversarial"))
    assert gap["fooled"]["n"] == 6
    assert (run.path / "report.html").stat().st_size < 10_000_000


@needs_chromium
def test_a_browser_draws_the_page_s_figures_without_a_console_message(swept, tmp_path):
    maps_and_time_and_gaps = 4 + 1 + 2
    check_figures(swept[0].path / "report.html", tmp_path, least=maps_and_time_and_gaps)


def test_a_session_sweep_resumes_and_repeats_nothing(folder, tmp_path):
    class Killed(Exception):
        pass

    def kill(done, total, _):
        raise Killed

    with pytest.raises(Killed):
        sweep_camera_sessions(job(folder, crops=()), tmp_path / "run", ["rig"], kill)
    part = next((tmp_path / "run" / "trials").glob("*.parquet"))
    before = part.stat().st_mtime_ns
    run = resume(tmp_path / "run", lambda *_: None)
    assert run.state["status"] == "done"
    assert part.stat().st_mtime_ns == before


def test_without_twins_nothing_is_rendered(folder, tmp_path):
    run = sweep_camera_sessions(job(folder, twins=False, crops=()), tmp_path / "run", ["rig"], lambda *_: None)
    rows = pl.read_parquet(run.path / "trials" / "part-*.parquet")
    assert set(rows["source"]) == {"capture"}
    assert set(rows["crop"]) == {"full"}
    assert json.loads((run.path / "report.json").read_text())["metrics"]["gaps"] == []


@pytest.mark.parametrize(
    ("changes", "error", "said"),
    [
        ({"crops": ("middle",)}, RigError, "not a crop"),
        ({"crops": ("fixed=2",)}, RigError, "not a crop"),
        ({"texture_px": 64}, RunError, "does not fit"),
        ({"target": "loggerhead"}, RigError, "true label"),
    ],
)
def test_what_cannot_be_swept_is_refused_in_one_line(folder, tmp_path, changes, error, said):
    with pytest.raises(error, match=said) as caught:
        sweep_camera_sessions(job(folder, **changes), tmp_path / "run", ["rig"], lambda *_: None)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "run").exists()


def test_a_session_without_a_scene_is_refused(folder, tmp_path):
    header = json.loads((folder / "desk" / "session.json").read_text()) | {"scene": None}
    (tmp_path / "bare").mkdir()
    (tmp_path / "bare" / "session.json").write_text(json.dumps(header))
    (tmp_path / "bare" / "frames.jsonl").write_text((folder / "desk" / "frames.jsonl").read_text())
    with pytest.raises(SessionError, match="what its object is"):
        sweep_camera_sessions(job(folder, sessions=(str(tmp_path / "bare"),)), tmp_path / "run", [], lambda *_: None)


def test_a_changed_picture_is_refused_before_anything_is_judged_by_it(folder, tmp_path):
    copy = tmp_path / "desk"
    (copy / "frames").mkdir(parents=True)
    for name in ("session.json", "frames.jsonl"):
        (copy / name).write_bytes((folder / "desk" / name).read_bytes())
    for frame in (folder / "desk" / "frames").iterdir():
        (copy / "frames" / frame.name).write_bytes(frame.read_bytes())
    (copy / "frames" / "000001.png").write_bytes((copy / "frames" / "000000.png").read_bytes())
    with pytest.raises(SessionError, match="not the one that was taken"):
        sweep_camera_sessions(job(folder, sessions=(str(copy),)), tmp_path / "run", [], lambda *_: None)


def test_the_command_tells_a_session_from_a_scene(folder, tmp_path, monkeypatch, capsys):
    words = ["rig", "sweep", str(folder / "desk"), "--model", MODEL, "--no-twins", "--out", str(tmp_path / "run")]
    monkeypatch.setattr("sys.argv", words)
    with pytest.raises(SystemExit) as ended:
        main()
    assert not ended.value.code
    assert "Before the camera" in capsys.readouterr().out
    assert RunFolder.open(tmp_path / "run").state["config"]["twins"] is False
