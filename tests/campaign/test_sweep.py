import json

import polars as pl
import pytest

from rig.campaign import SweepJob, sweep_scenes
from rig.images import content_hash, read_image
from rig.scene import load_config, load_scene

SCENES = ("turtle", "baseball")


@pytest.fixture(scope="module")
def swept(tmp_path_factory):
    """Both built-in objects under eot-sim, seen by a real network."""
    configs = tuple(load_config(name).model_dump(mode="json") for name in SCENES)
    job = SweepJob(configs, ("efficientnet-lite0",), (), "rifle", 100, "random", 512, 0)
    run = sweep_scenes(job, tmp_path_factory.mktemp("runs") / "clean", ["rig", "sweep"], lambda *_: None)
    return run, pl.read_parquet(run.path / "trials" / "part-*.parquet")


@pytest.mark.parametrize(("name", "least"), [("turtle", 0.7), ("baseball", 0.9)])
def test_builtin_objects_are_recognised_from_random_views(swept, name, least):
    outcomes = swept[1].filter(pl.col("object") == name)["outcome"].to_list()
    assert len(outcomes) == 100
    assert outcomes.count("correct") / len(outcomes) >= least


def test_a_sweep_of_several_scenes_keeps_the_texture_of_each(swept):
    run, _ = swept
    for name, file in zip(SCENES, ("texture.png", "baseball.png"), strict=True):
        stored = read_image(run.path / "artefacts" / "clean" / file)
        assert content_hash(stored) == content_hash(load_scene(name, texture_px=512).mesh.texture)


def test_the_report_has_every_scene(swept):
    report = json.loads((swept[0].path / "report.json").read_text())
    assert report["ok"], report["notices"]
    assert {row["object"] for row in report["metrics"]["rates"]} == set(SCENES)
