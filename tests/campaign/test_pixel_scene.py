"""`rig attack pixel SCENE` with a network that only looks for magenta: every outcome is known, and worked out again."""

import dataclasses
import json
import shutil
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from chromium import check_figures, needs_chromium
from magenta_network import SIDE_PX, is_magenta, write_magenta
from report_schema import conforming

from rig.attack.pixel.settings import search_settings
from rig.campaign import PixelSceneJob, attack_scene_pixels, resume
from rig.campaign.pixel_scene_settings import is_scene, only, persistence_settings
from rig.errors import RigError, RunError
from rig.images import encode_png, read_image
from rig.report import write_report
from rig.scene import load_config

ITEMS, MOST = 3, 80
ANGLES_DEG = (0.0, 6.0, 20.0)


def write_cube(folder, *settings):
    """A grey cube whose six faces share one small texture; before grey backgrounds, so that nothing else is magenta."""
    corners = [(x, y, z) for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)]
    faces = [(1, 2, 4, 3), (5, 7, 8, 6), (1, 5, 6, 2), (3, 4, 8, 7), (1, 3, 7, 5), (2, 6, 8, 4)]  # seen from outside
    lines = [f"v {x} {y} {z}" for x, y, z in corners] + ["vt 0 0", "vt 1 0", "vt 1 1", "vt 0 1"]
    lines += [f"f {a}/1 {b}/2 {c}/3 {d}/4" for a, b, c, d in faces]
    (folder / "cube.obj").write_text("\n".join(lines))
    texture = np.random.default_rng(0).integers(100, 140, (64, 64, 1), dtype=np.uint8)
    (folder / "grey.png").write_bytes(encode_png(np.repeat(texture, 3, axis=2)))
    text = 'preset = "eot-sim"\n[object]\nmesh = "cube.obj"\ntexture = "grey.png"\nlabels = ["ball"]\n'
    (folder / "scene.toml").write_text(text + "[background]\ncolor = 0.5\n")
    return load_config(folder, settings).model_dump(mode="json")


def quiet(done, total, what):
    pass


@pytest.fixture(scope="module")
def job(tmp_path_factory):
    folder = tmp_path_factory.mktemp("given")
    path = write_magenta(folder / "magenta.onnx")
    return PixelSceneJob(
        scene=write_cube(folder),
        model=str(path),
        n_pixels=1,
        search=search_settings("rig", {"max_queries": MOST, "population": 8, "screen": 16}),
        target=None,
        items=ITEMS,
        persistence=persistence_settings(
            [f"persistence.angles_deg={list(ANGLES_DEG)}", "persistence.bearings=2", "persistence.looks=3",
             "persistence.map_side=8", "persistence.dots_px=[1, 4]"]
        ),
        threads=1,
        seed=0,
    )  # fmt: skip


@pytest.fixture(scope="module")
def done(job, tmp_path_factory):
    return attack_scene_pixels(job, tmp_path_factory.mktemp("run") / "run", ["rig", "attack", "pixel"], quiet).path


def table(run, name):
    return pl.read_parquet(run / "pixel" / f"{name}.parquet")


def test_every_frame_is_fooled_by_one_pixel_of_its_file(done):
    items = table(done, "items")
    assert len(items) == ITEMS and items["fooled"].all()
    for item in items["item"]:
        clean, changed = (read_image(done / "artefacts" / name / f"{item}.png") for name in ("clean", "single-frame"))
        assert (clean != changed).any(axis=2).sum() == 1
        assert is_magenta(np.stack([clean, changed])).tolist() == [False, True]
    assert (items["l0_pixels"] == 1).all() and set(items["predicted"]) == {"magenta"}


def test_the_rows_hold_every_attack_reading_angle_and_condition(done):
    rows = table(done, "persistence")
    assert set(rows["attack"]) == {"single-frame", "EOT"}
    single = rows.filter((pl.col("attack") == "single-frame") & (pl.col("reading") == "sensor-fixed"))
    turned = single.filter(pl.col("condition") == "angle_deg")
    assert turned.group_by("item", "value").len().sort("item", "value")["len"].to_list() == [1, 2, 2] * ITEMS
    assert turned["fooled"].all() and turned["clean_correct"].all(), "a sensor-fixed pixel is magenta from everywhere"
    assert single["condition"].n_unique() == 9
    assert rows.filter(pl.col("condition") == "shift_down_px")["clean_correct"].all()
    assert (rows["queries"] <= MOST).all()


def test_the_report_says_what_the_rows_say(done):
    record = conforming(done / "report.json")
    metrics, rows = record["metrics"], table(done, "persistence")
    assert record["ok"] and record["headline"][0].startswith(
        "One pixel fools magenta on 3 of 3 rendered frames (100.0 %"
    )
    for curve in metrics["curves"]:
        mine = [row for row in rows.iter_rows(named=True)
                if all(row[name] == curve[name] for name in ("attack", "reading", "dot_px"))]  # fmt: skip
        for point in curve["points"]:
            at = [row for row in mine if (row["condition"], row["value"]) == ("angle_deg", point["angle_deg"])]
            assert (point["k"], point["n"]) == (
                sum(row["fooled"] for row in at),
                sum(row["clean_correct"] for row in at),
            )
    sensor = next(c for c in metrics["curves"] if (c["attack"], c["reading"]) == ("single-frame", "sensor-fixed"))
    assert sensor["half_width"]["deg"] is None
    (dot,) = [row for row in metrics["dots"] if row["dot_px"] == 1]
    assert dot["n"] >= 1 and 0.5 < dot["area_mm2"] / (dot["width_mm"] * dot["height_mm"]) < 1.5
    assert {row["over"] for row in metrics["gains"]} == {"views", "conditions"}
    assert metrics["labels"] is None, "no tree knows magenta"
    page = (done / "report.html").read_text()
    assert "half-width at 50 %" in page and page.count('<img src="data:image/png') == 2 * ITEMS + 2


def test_the_place_map_is_what_numpy_says(done):
    maps = json.loads((done / "pixel" / "maps" / "maps.json").read_text())
    arrays = np.load(done / "pixel" / "maps" / "places.npz")
    clean = read_image(done / "artefacts" / "clean" / f"{maps['places']['item']}.png")
    for i, row in enumerate(arrays["rows"]):
        for j, column in enumerate(arrays["columns"]):
            changed = clean.copy()
            changed[row, column] = maps["places"]["color"]
            assert arrays["predicted"][i, j] == is_magenta(changed[None])[0]
    assert sum(one["share"] for one in maps["plane"]["classes"]) == pytest.approx(1)
    middle = np.load(done / "pixel" / "maps" / "plane.npz")["predicted"][4]
    assert middle[4] == 0 and middle[6] == 1, "the clean frame, and the changed one a length to the right"


def test_an_edited_part_is_refused_in_one_line(done, tmp_path):
    run = shutil.copytree(done, tmp_path / "run")
    assert write_report(run).exists()
    table(run, "persistence").with_columns(outcome=pl.lit("correct")).write_parquet(run / "pixel/persistence.parquet")
    with pytest.raises(RunError, match="pixel/persistence.parquet is edited since it was written; its figures"):
        write_report(run)


def test_an_interrupted_run_goes_on_to_the_same_rows_and_done_frames_are_not_asked_again(done, job, tmp_path):
    seen = []

    def stop(frame, total, what):
        seen.append(frame)
        if frame == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        attack_scene_pixels(job, tmp_path / "run", ["rig"], stop)
    parts = {path: path.stat().st_mtime_ns for path in (tmp_path / "run" / "pixel").glob("part-*.parquet")}
    assert len(parts) == 2
    again = resume(tmp_path / "run", quiet).path
    assert all(path.stat().st_mtime_ns == then for path, then in parts.items())
    for name in ("items", "persistence"):
        assert table(again, name).equals(table(done, name))
    page = (again / "report.html").read_bytes()
    assert write_report(again).read_bytes() == page


@pytest.mark.parametrize(
    "changes, settings, message",
    [
        ({"n_pixels": SIDE_PX**2 + 1}, (), "no such number of pixels"),
        ({"search": search_settings("white-box", {"max_queries": 9})}, (), "not a search for scenes"),
        ({"search": search_settings("su2019", {})}, (), "not a search for scenes"),
        ({}, ('object.labels=["magenta"]',), "nothing to attack"),
        ({}, ("sensor.size_px=64",), "another size"),
    ],
)
def test_what_cannot_be_done_is_one_line(job, tmp_path, changes, settings, message):
    changes = changes | ({"scene": write_cube(tmp_path, *settings)} if settings else {})
    with pytest.raises(RigError, match=message):
        attack_scene_pixels(dataclasses.replace(job, **changes), tmp_path / "run", [], quiet)


def test_scenes_are_told_from_images(tmp_path):
    assert is_scene(Path("turtle")) and is_scene(Path("my/scene.toml")) and not is_scene(tmp_path)
    (tmp_path / "scene.toml").write_text("")
    assert is_scene(tmp_path) and not is_scene(Path("no-such-scene"))
    assert only(["a"], "--model") == "a"
    with pytest.raises(RigError, match="a scene takes one --model"):
        only(["a", "b"], "--model")
    with pytest.raises(RigError, match="look"):
        persistence_settings(["persistence.look=3"])


@needs_chromium
def test_a_browser_draws_the_page_s_figures_without_a_console_message(done, tmp_path):
    check_figures(done / "report.html", tmp_path, least=2)
