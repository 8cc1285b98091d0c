"""A swept camera session of a cube in the virtual lab, and faults planted in copies of it."""

import shutil

import numpy as np
import polars as pl
import pytest
from lab_session import write_session
from tampered import Tampered, quiet

from rig.audit import FAIL, NOT_APPLICABLE, PASS, WARN, audit
from rig.campaign import SessionJob, sweep_camera_sessions
from rig.images import encode_png
from rig.scene import load_scene

AZIMUTHS_DEG = (-120, 0, 120)


def of(path, number: int):
    (finding,) = audit(path, only=(number,))
    return finding


@pytest.fixture(scope="module")
def whole(bench, tmp_path_factory):
    folder = tmp_path_factory.mktemp("lab")
    scene = load_scene(bench / "cube.toml", ("object.radius_m=0.07",), 32)
    painted = np.zeros_like(scene.mesh.texture) + np.array([220, 10, 10], np.uint8)
    write_session(folder / "desk", scene, AZIMUTHS_DEG, painted)
    worn = folder / "made" / "artefacts" / "adversarial"
    worn.mkdir(parents=True)
    (worn / "texture.png").write_bytes(encode_png(painted))
    job = SessionJob((str(folder / "desk"),), (str(bench / "toy.onnx"),), (str(worn),), ("board",), "red", True, 32, 0)
    return sweep_camera_sessions(job, folder / "swept", ["rig", "sweep"], quiet).path


@pytest.fixture
def session(whole, tmp_path):
    return Tampered(shutil.copytree(whole, tmp_path / "swept"))


def test_the_untouched_session_fails_nothing(whole):
    found = {finding.number: finding for finding in audit(whole)}
    assert {number: one.sentence for number, one in found.items() if one.status == FAIL} == {}
    assert {number for number, one in found.items() if one.status == PASS} >= {1, 2, 4, 20, 21, 22, 24}
    assert {number for number, one in found.items() if one.status == NOT_APPLICABLE} >= {3, 6, 9, 17}


def test_its_cells_are_those_of_each_crop_and_source(whole):
    rows = pl.read_parquet(whole / "trials/*.parquet").drop_nulls("azimuth_deg")
    table, key = pl.read_csv(whole / "cells.csv"), ["crop", "source", "artefact"]
    counted = rows.group_by(key).agg(n=pl.len(), k=(pl.col("predicted") == pl.col("target_label")).sum()).sort(key)
    assert table.group_by(key).agg(pl.sum("n", "k")).sort(key).rows() == counted.rows()


def test_frames_that_lost_their_clean_twin_are_caught(session):
    session.rows(lambda rows: rows.with_columns(twin=pl.lit("")))
    finding = of(session.path, 2)
    assert finding.status == FAIL
    assert "has a clean twin" in finding.sentence


def test_a_session_without_its_uncropped_condition_is_caught(session):
    session.rows(lambda rows: rows.filter(pl.col("crop") != "full"))
    finding = of(session.path, 24)
    assert finding.status == WARN
    assert "cropped only" in finding.sentence


def test_a_gap_that_the_rows_do_not_show_is_caught(session):
    session.metrics(lambda metrics: metrics["gaps"][0]["fooled"].update(k_first=2))
    finding = of(session.path, 24)
    assert finding.status == WARN
    assert "recounted" in finding.sentence


def test_a_session_without_rendered_twins_says_which_command_makes_them(session):
    session.rows(lambda rows: rows.filter(pl.col("source") == "capture"))
    assert "rig sweep SESSION --twins" in of(session.path, 24).sentence
