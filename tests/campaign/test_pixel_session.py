"""`rig attack pixel SESSION` on a session that the virtual lab wrote: a real network, and one whose every answer is known."""

import dataclasses
import json
import shutil

import cv2
import numpy as np
import polars as pl
import pytest
from chromium import check_figures, needs_chromium
from lab_session import STAND_S, write_session
from magenta_network import write_magenta
from report_schema import conforming

from rig.attack.pixel.settings import search_settings
from rig.calibrate.lens import Lens
from rig.campaign import PixelSessionJob, attack_session_pixels, resume
from rig.campaign.pixel_scene_settings import persistence_settings
from rig.campaign.pixel_session_job import DotSettings
from rig.capture import SessionError, read_session
from rig.cli import main
from rig.errors import RigError, RunError
from rig.geometry import invert
from rig.model import DeployedModel, resolve
from rig.report import write_report
from rig.scene import load_scene

AZIMUTHS_DEG = (5, 7, 11, 39, 43, 143, 153)  # where the network is right by little, so that few queries suffice
LOST = 3  # number of the frame without a board
RADIUS_M = 0.05
LITE0 = "efficientnet-lite0"


@pytest.fixture(scope="module")
def session(tmp_path_factory):
    """The label is one of five kinds of turtle, so that a network has near misses to fall into."""
    scene = load_scene("turtle", (f"object.radius_m={RADIUS_M}", 'object.labels=["terrapin"]'), 512)
    return write_session(tmp_path_factory.mktemp("lab") / "desk", scene, AZIMUTHS_DEG, lost=(LOST,))


def copied(session, folder, labels=None, **header):
    """The session with another header, without its pictures where nothing needs them."""
    shutil.copytree(session, folder)
    document = json.loads((folder / "session.json").read_text()) | header
    if labels:
        document["scene"]["object"]["labels"] = labels
    (folder / "session.json").write_text(json.dumps(document))
    return folder


def job_of(session, model, **changes):
    search = search_settings("rig", {"max_queries": 128, "screen": 48})
    dots = persistence_settings(["persistence.dots_px=[1, 3]"], DotSettings)
    of_all = {"n_pixels": 3, "target": None, "items": 1}
    job = PixelSessionJob(
        str(session), str(model), search=search, crop="board", persistence=dots, threads=1, seed=0, **of_all
    )
    return dataclasses.replace(job, **changes)


def quiet(done, total, what):
    pass


def table(run, name):
    return pl.read_parquet(run / "pixel" / f"{name}.parquet")


@pytest.fixture(scope="module")
def done(session, tmp_path_factory):
    out = tmp_path_factory.mktemp("run") / "run"
    return attack_session_pixels(job_of(session, LITE0), out, ["rig", "attack", "pixel"], quiet).path


def crop_by_hand(captured, row):
    """1.25 times the object's bounding sphere about its centre: by the tangent cone, through OpenCV's projection."""
    camera_from_object, lens = captured.camera_from_object(row), captured.header.profile.lens
    u, v = lens.project(np.zeros((1, 3)), camera_from_object)[0]
    distance_m = np.linalg.norm(camera_from_object[:3, 3])
    side = round(2.5 * lens.fx_px * RADIUS_M / np.sqrt(distance_m**2 - RADIUS_M**2))
    top, left = round(v - (side - 1) / 2), round(u - (side - 1) / 2)
    return slice(top, top + side), slice(left, left + side)


def read(path):
    return cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB)


def test_pixels_are_the_sensor_s_own_and_counted_from_the_file(done, session):
    items = table(done, "items")
    assert items["fooled"].all()
    for item in items.iter_rows(named=True):
        taken = read(session / "frames" / f"{item['frame']:06d}.png")
        changed = read(done / "artefacts" / "single-frame" / f"{item['item']}.png")
        rows, columns = np.nonzero((taken != changed).any(axis=2))
        assert 1 <= len(rows) == item["l0_pixels"] <= 3
        pixels = json.loads((done / "artefacts" / "single-frame" / f"{item['item']}.pixels.json").read_text())["pixels"]
        assert {(row, column) for row, column, *_ in pixels} >= set(zip(rows.tolist(), columns.tolist(), strict=True))
        assert all((changed[row, column] == color).all() for row, column, *color in pixels[-1:])
        seen = 0.875 * item["height"] / 2 + 1  # what this network's card lets through of a crop
        for places, start in ((rows, item["top"]), (columns, item["left"])):
            assert np.abs(places - start - (item["height"] - 1) / 2).max() < seen, "an unseen pixel is a wasted one"


def test_every_carried_row_is_what_the_model_says_of_the_files(done, session):
    """Second road: pictures by OpenCV, crops by the tangent cone, poses by their matrices, answers asked again."""
    captured, model, rows = read_session(session), DeployedModel(resolve(LITE0), 1), table(done, "persistence")
    by_number = {row.frame: row for row in captured.rows}
    carried = rows.filter(pl.col("condition") == "carried")
    sensor = carried.filter(pl.col("reading") == "sensor-fixed")
    assert len(sensor) == len(AZIMUTHS_DEG) - 1, "all frames but the one without a pose"
    for row in sensor.iter_rows(named=True):
        home, there = by_number[int(row["item"][-6:])], by_number[int(row["frame"])]
        image, at = captured.image(there), crop_by_hand(captured, there)
        change = json.loads((done / "artefacts" / "single-frame" / f"{row['item']}.pixels.json").read_text())
        changed = image.copy()
        for place, column, *color in change["pixels"]:
            changed[place, column] = color
        clean, now = (model.predict(one[at][None])[0] for one in (image, changed))
        assert (row["predicted"], row["clean_predicted"]) == (model.labels[now.argmax()], model.labels[clean.argmax()])
        assert row["fooled"] == (row["predicted"] != "terrapin")
        assert row["seen_px"] == (changed[at] != image[at]).any(axis=2).sum()
        assert row["offset_s"] == STAND_S * (there.frame - home.frame)
        towards = [invert(captured.camera_from_object(one))[:3, 3] for one in (home, there)]
        cosine = np.dot(*towards) / np.prod(np.linalg.norm(towards, axis=1))
        assert row["angle_deg"] == pytest.approx(np.degrees(np.arccos(np.clip(cosine, -1, 1))), abs=1e-4)
    for item in table(done, "items").filter("printed").iter_rows(named=True):
        printed = read(done / "artefacts" / "printed" / f"{item['item']}.png")
        crop = printed[item["top"] : item["top"] + item["height"], item["left"] : item["left"] + item["width"]]
        mine = (pl.col("dot_px") == 3) & (pl.col("item") == item["item"]) & (pl.col("view") == item["item"])
        (home,) = carried.filter(mine).iter_rows(named=True)
        assert home["predicted"] == model.labels[model.predict(crop[None])[0].argmax()]


def test_conditions_are_of_the_item_s_own_frame(done):
    rows = table(done, "persistence").filter(pl.col("condition") != "carried")
    assert rows["condition"].n_unique() == 8 and (rows["view"] == rows["item"]).all()
    per_carrier = rows.group_by("item", "reading", "dot_px").len()["len"]
    assert per_carrier.n_unique() == 1
    bright = rows.filter((pl.col("condition") == "exposure_stops") & (pl.col("value") == 1))
    assert (bright["clean_true_prob"] != rows.filter(pl.col("condition") == "none")["clean_true_prob"]).any()


def test_the_report_says_what_the_rows_say(done):
    record = conforming(done / "report.json")
    metrics, items = record["metrics"], table(done, "items")
    carried = table(done, "persistence").filter((pl.col("condition") == "carried") & pl.col("reached"))
    assert record["ok"], record["notices"]
    assert record["headline"][0].startswith(f"3 pixels fool {LITE0} on {items['fooled'].sum()} of 1 frames")
    for row in metrics["elsewhere"]:
        mine = [one for one in carried.iter_rows(named=True)
                if (one["reading"], one["dot_px"]) == (row["reading"], row["dot_px"])]  # fmt: skip
        others = [one for one in mine if one["view"] != one["item"] and one["clean_correct"]]
        assert (row["others"]["k"], row["others"]["n"]) == (sum(one["fooled"] for one in others), len(others))
    assert 0.3 < metrics["dots"][0]["width_mm"] < 1.5, "0.38 m away a pixel is 0.6 mm wide, more where it is slanted"


@needs_chromium
def test_a_browser_draws_the_page_s_figures_without_a_console_message(done, tmp_path):
    angle_time_strip, conditions = 3, 7
    check_figures(done / "report.html", tmp_path, least=angle_time_strip + conditions)


@pytest.fixture(scope="module")
def magenta(session, tmp_path_factory):
    """The same session of what a network that only looks for magenta calls a ball."""
    folder = tmp_path_factory.mktemp("magenta")
    return copied(session, folder / "desk", ["ball"]), write_magenta(folder / "magenta.onnx", side_px=224)


@pytest.fixture(scope="module")
def known(magenta, tmp_path_factory):
    job = job_of(*magenta, n_pixels=1, items=2)
    return attack_session_pixels(job, tmp_path_factory.mktemp("known") / "run", ["rig"], quiet).path


def test_a_hot_pixel_fools_for_as_long_as_it_is_in_the_crop(known):
    rows, metrics = table(known, "persistence"), json.loads((known / "metrics.json").read_text())
    sensor = rows.filter((pl.col("condition") == "carried") & (pl.col("reading") == "sensor-fixed"))
    assert sensor["clean_correct"].all()
    assert sensor["fooled"].to_list() == (sensor["seen_px"] > 0).to_list()
    spell = next(row for row in metrics["spells"] if row["reading"] == "sensor-fixed")
    in_sight = sensor.group_by("item").agg(pl.col("fooled").all())["fooled"].all()
    assert in_sight and [one["frames"] for one in spell["items"]] == [3, 3], "the lost frame ends every run"
    assert spell["n_open"] == 2
    assert table(known, "items")["frame"].to_list() == [1, 5], "the middles of halves of the six frames"


def test_an_interrupted_run_goes_on_to_the_same_rows_and_done_frames_are_not_asked_again(known, magenta, tmp_path):
    def stop(frame, total, what):
        if frame == 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        attack_session_pixels(job_of(*magenta, n_pixels=1, items=2), tmp_path / "run", ["rig"], stop)
    parts = {path: path.stat().st_mtime_ns for path in (tmp_path / "run" / "pixel").glob("part-*.parquet")}
    assert len(parts) == 1
    again = resume(tmp_path / "run", quiet).path
    assert all(path.stat().st_mtime_ns == then for path, then in parts.items())
    for name in ("items", "persistence", "frames"):
        assert table(again, name).equals(table(known, name))
    page = (again / "report.html").read_bytes()
    assert write_report(again).read_bytes() == page
    with (magenta[0] / "frames.jsonl").open("a") as journal:
        journal.write(json.dumps({"undo": 6, "time": "2026-11-23T10:00:00Z"}) + "\n")
    with pytest.raises(RunError, match="session changed"):
        resume(tmp_path / "run", quiet)


@pytest.mark.parametrize(
    "changes, labels, error, message",
    [
        ({"n_pixels": 214**2}, None, RigError, "no such number of pixels.*of the smallest crop"),
        ({"search": search_settings("white-box", {"max_queries": 9})}, None, RigError, "not a search for sessions"),
        ({"search": search_settings("su2019", {})}, None, RigError, "not a search for sessions"),
        ({"crop": "middle"}, None, RigError, "not a crop"),
        ({"target": "ball"}, None, RigError, "true label"),
        ({}, ["magenta"], RigError, "nothing to attack.*right on 0 of 6 clean frames"),
    ],
)
def test_what_cannot_be_done_is_one_line(session, magenta, tmp_path, changes, labels, error, message):
    given = copied(session, tmp_path / "desk", labels or ["ball"])
    with pytest.raises(error, match=message) as caught:
        attack_session_pixels(job_of(given, magenta[1], **changes), tmp_path / "run", [], quiet)
    assert "\n" not in str(caught.value) and not (tmp_path / "run").exists()


def test_a_session_that_cannot_be_attacked_is_one_line(session, magenta, tmp_path):
    def refused(folder, message):
        with pytest.raises(SessionError, match=message):
            attack_session_pixels(job_of(folder, magenta[1]), tmp_path / "run", [], quiet)

    refused(copied(session, tmp_path / "bare", scene=None), "does not say what its object is")
    empty = copied(session, tmp_path / "empty", ["ball"])
    (empty / "frames.jsonl").write_text("")
    refused(empty, "no frames")
    worn = copied(session, tmp_path / "worn", ["ball"])
    for name in ("session.json", "frames.jsonl"):
        (worn / name).write_text((worn / name).read_text().replace('"clean"', '"painted"'))
    refused(worn, "no clean frames; got painted")
    lost = copied(session, tmp_path / "lost", ["ball"])
    rows = [json.loads(line) | {"pose": None, "no_pose": "no board"} for line in (lost / "frames.jsonl").open()]
    (lost / "frames.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    refused(lost, "can be cropped to the object; got 7 clean frames without a pose")
    odd = copied(session, tmp_path / "odd", ["ball"])
    header = json.loads((odd / "session.json").read_text())
    header["profile"] |= {"width_px": 638, "lens": Lens(fx_px=641, fy_px=640, cx_px=324, cy_px=236).model_dump()}
    (odd / "session.json").write_text(json.dumps(header))
    refused(odd, "not of the calibrated size; got 640 x 480; expected 638 x 480")


def test_without_a_pose_a_frame_has_a_sensor_but_no_surface(session, magenta, tmp_path):
    """Cropped without the board, the frame without one is attacked, too; nothing can be printed for it."""
    given = copied(session, tmp_path / "desk", ["ball"])
    out = attack_session_pixels(
        job_of(given, magenta[1], n_pixels=1, items=1, crop="fixed=0.3"), tmp_path / "run", [], quiet
    ).path
    items, rows = table(out, "items"), table(out, "persistence").filter(pl.col("condition") == "carried")
    lost = f"desk-{LOST:06d}"
    assert items.select("item", "printed").rows() == [(lost, False)], "the middle of all seven"
    assert set(rows["reading"]) == {"sensor-fixed"} and rows["angle_deg"].null_count() == len(rows) == 7
    assert json.loads((out / "report.json").read_text())["ok"]


@pytest.mark.parametrize(
    "words, message",
    [
        (["--set", "light.ambient=1"], "not a setting of a session's pixel attack"),
        (["--set", "persistence.looks=3"], 'unknown key "looks"'),
        (["--pixels", "1,3"], "a session takes one --pixels"),
        (["--any-target"], "are for images"),
    ],
)
def test_the_command_refuses_in_one_line(session, tmp_path, monkeypatch, capsys, words, message):
    base = ["rig", "attack", "pixel", str(session), "--model", LITE0, "--out", str(tmp_path / "run")]
    monkeypatch.setattr("sys.argv", base + words)
    with pytest.raises(SystemExit) as ended:
        main()
    said = capsys.readouterr().err
    assert ended.value.code == 2 and message in said and said.count("\n") == 1
