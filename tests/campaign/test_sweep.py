import json

import numpy as np
import polars as pl
import pytest
from report_schema import conforming

from rig.campaign import SweepJob, sweep_scenes
from rig.campaign.sweep import distinct, read_artefact
from rig.images import content_hash, encode_png, read_image
from rig.scene import load_config, load_scene

SCENES = ("turtle", "baseball")


@pytest.fixture(scope="module")
def swept(tmp_path_factory):
    """Both built-in objects under eot-sim, seen by a real network."""
    configs = tuple(load_config(name).model_dump(mode="json") for name in SCENES)
    job = SweepJob(configs, ("efficientnet-lite0",), (), "rifle", 50, "random", 512, 0)
    run = sweep_scenes(job, tmp_path_factory.mktemp("runs") / "clean", ["rig", "sweep"], lambda *_: None)
    return run, pl.read_parquet(run.path / "trials" / "part-*.parquet")


@pytest.mark.parametrize(("name", "least"), [("turtle", 0.7), ("baseball", 0.9)])
def test_builtin_objects_are_recognised_from_random_views(swept, name, least):
    outcomes = swept[1].filter(pl.col("object") == name)["outcome"].to_list()
    assert len(outcomes) == 50
    assert outcomes.count("correct") / len(outcomes) >= least


def test_a_sweep_of_several_scenes_keeps_the_texture_of_each(swept):
    run, _ = swept
    for name, file in zip(SCENES, ("texture.png", "baseball.png"), strict=True):
        stored = read_image(run.path / "artefacts" / "clean" / file)
        assert content_hash(stored) == content_hash(load_scene(name, texture_px=512).mesh.texture)


def test_the_report_has_every_scene(swept):
    report = conforming(swept[0].path / "report.json")
    assert report["ok"], report["notices"]
    assert {row["object"] for row in report["metrics"]["rates"]} == set(SCENES)


def write_attack(run, models=("first",), name="adversarial"):
    """An attack's run folder as far as a sweep reads it."""
    folder = run / "artefacts" / name
    folder.mkdir(parents=True)
    (folder / "texture.png").write_bytes(encode_png(np.zeros((8, 8, 3), np.uint8)))
    (folder / "artefact.json").write_text(json.dumps({"name": name}))
    record = {"config": {"attack": {"steps": 1}, "scenes": {"turtle": {}}}}
    (run / "run.json").write_text(json.dumps(record | {"models": [{"name": m, "sha256_before": "ab"} for m in models]}))
    return folder


def test_an_artefact_says_what_it_was_made_on(tmp_path):
    folder = write_attack(tmp_path / "attack")
    made_on = read_artefact(folder).details["made_on"]
    assert made_on == {"models": [{"name": "first", "sha256": "ab"}], "objects": ["turtle"]}
    again = write_attack(tmp_path / "sweep", ("second",))  # what an earlier sweep noted is kept
    (again / "artefact.json").write_text(json.dumps({"name": "adversarial", "made_on": made_on}))
    assert read_artefact(again).details["made_on"] == made_on


def test_a_texture_of_no_run_was_made_on_nothing_known(tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "texture.png").write_bytes(encode_png(np.zeros((8, 8, 3), np.uint8)))
    assert read_artefact(tmp_path / "mine").details["made_on"] is None


def test_artefacts_of_several_runs_keep_apart(tmp_path):
    folders = [write_attack(tmp_path / name) for name in ("a", "b", "c")]
    found = distinct([read_artefact(folder) for folder in folders])
    assert [artefact.name for artefact in found] == ["adversarial", "adversarial-2", "adversarial-3"]
    assert [artefact.details["name"] for artefact in found] == [artefact.name for artefact in found]
    assert [artefact.details["label"] for artefact in found] == [f"adversarial of {name}" for name in "abc"]
