"""Exports read back by other tools, or by path, and counted again."""

import json
from collections import Counter

import numpy as np
import polars as pl
import pytest
from pycocotools.coco import COCO

from rig import geometry
from rig.errors import RigError, RunError
from rig.images import content_hash, read_image
from rig.interop.cameras import shots_of
from rig.interop.export import export
from rig.interop.frames import RunFrames


def quiet(*_) -> None:
    pass


@pytest.fixture(scope="module")
def coco(swept, tmp_path_factory):
    folder = tmp_path_factory.mktemp("coco") / "out"
    made = export(swept, "coco", folder, quiet)
    return made, folder, COCO(str(folder / "annotations.json"))


def trials(run) -> pl.DataFrame:
    return pl.read_parquet(run / "trials" / "part-*.parquet")


def test_coco_has_every_frame_once_with_its_file(coco, swept):
    made, folder, read = coco
    assert made["frames"] == len(read.imgs) == len(trials(swept))
    for image in read.loadImgs(read.getImgIds()):
        pixels = read_image(folder / "images" / image["file_name"])
        assert pixels.shape == (image["height"], image["width"], 3)
        assert content_hash(pixels) == image["frame_hash"]
    assert len(list(folder.rglob("*.png"))) == len(read.imgs)


def test_coco_s_truth_is_the_trials(coco):
    read = coco[2]
    assert {one["name"] for one in read.loadCats(read.getCatIds())} == {"ball", "magenta"}
    (ball,) = read.getCatIds(catNms=["ball"])
    assert {one["category_id"] for one in read.anns.values()} == {ball}


def test_coco_s_predictions_give_the_run_s_rates_again(coco, swept):
    """Top-1 of each image, from the results file alone, against the truth file alone."""
    _, folder, read = coco
    stored = trials(swept)
    for model in ("small", "wide"):
        said = read.loadRes(str(folder / f"results-{model}.json"))
        images = {one["image_id"] for one in said.anns.values()}
        top = {image: max(said.imgToAnns[image], key=lambda one: one["score"]) for image in images}
        right = Counter(read.imgs[image]["artefact"] for image, one in top.items() if _is_true(read, image, one))
        expected = stored.filter((pl.col("model") == model) & (pl.col("outcome") == "correct"))
        assert right == Counter(expected["artefact"].to_list())
        assert len(images) == len(stored.filter(pl.col("model") == model))
        scores = sorted(one["score"] for one in top.values())
        np.testing.assert_allclose(scores, stored.filter(pl.col("model") == model)["predicted_prob"].sort())


def _is_true(read: COCO, image: int, said: dict) -> bool:
    (truth,) = read.imgToAnns[image]
    return said["category_id"] in truth["true_category_ids"]


def test_coco_s_boxes_enclose_the_projected_object(coco, swept):
    """A second road to the box: every vertex projected by the pinhole, no rasteriser."""
    read = coco[2]
    by_hash = {image["frame_hash"]: read.imgToAnns[number][0] for number, image in read.imgs.items()}
    shots, _ = shots_of(RunFrames(swept))
    short = []  # pixels by which each side of the box stays inside the projection
    for shot in shots:
        points = geometry.apply(geometry.invert(shot.world_from_camera), shot.mesh.vertices_m)
        pixels = geometry.project(shot.camera, points)
        size = np.array([shot.camera.width_px, shot.camera.height_px])
        low, high = np.clip(pixels.min(axis=0), 0, size - 1), np.clip(pixels.max(axis=0), 0, size - 1)
        left, top, width, height = by_hash[shot.row["frame_hash"]]["bbox"]
        short += [left - low[0], top - low[1], high[0] - (left + width - 1), high[1] - (top + height - 1)]
        assert by_hash[shot.row["frame_hash"]]["area"] <= width * height
    assert min(short) > -0.1
    assert max(short) < 4  # one sample a pixel: a thin tip between two pixels' centres is not seen
    assert np.mean(short) == pytest.approx(0.5, abs=0.3)


def test_an_image_folder_has_a_class_folder_for_each_artefact(swept, tmp_path):
    made = export(swept, "imagefolder", tmp_path / "out", quiet)
    stored = trials(swept)
    found = sorted((tmp_path / "out").rglob("*.png"))
    assert made["frames"] == len(found) == len(stored)
    assert {path.relative_to(tmp_path / "out").parts[:2] for path in found} == {
        ("clean", "ball"),
        ("adversarial", "ball"),
    }
    for artefact in ("clean", "adversarial"):
        folder = tmp_path / "out" / artefact
        lines = [json.loads(line) for line in (folder / "metadata.jsonl").read_text().splitlines()]
        mine = stored.filter(pl.col("artefact") == artefact)
        assert {content_hash(read_image(folder / line["file_name"])) for line in lines} == set(mine["frame_hash"])
        said = Counter(trial["outcome"] for line in lines for trial in line["trials"])
        assert said == Counter(mine["outcome"].to_list())
        assert {(line["view"], line["azimuth_deg"]) for line in lines} == set(mine.select("view", "azimuth_deg").rows())


def test_captured_frames_have_no_box_and_rendered_twins_have_one(filmed, tmp_path):
    export(filmed, "coco", tmp_path / "out", quiet)
    read = COCO(str(tmp_path / "out" / "annotations.json"))
    sources = {number: image["source"] for number, image in read.imgs.items()}
    assert set(sources.values()) == {"capture", "render"}
    assert all(("bbox" in one) == (sources[one["image_id"]] == "render") for one in read.anns.values())


def test_attacked_images_are_exported_without_pose_and_box(pixels, tmp_path):
    export(pixels, "coco", tmp_path / "out", quiet)
    read = COCO(str(tmp_path / "out" / "annotations.json"))
    assert len(read.imgs) == 6  # three attacked, each clean and changed
    assert not any("bbox" in one for one in read.anns.values())
    assert not any("azimuth_deg" in image for image in read.imgs.values())


def test_an_interrupted_export_is_not_there_and_can_be_begun_again(swept, tmp_path):
    def kill(done, *_):
        if done == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        export(swept, "coco", tmp_path / "out", kill)
    assert not (tmp_path / "out").exists()
    export(swept, "coco", tmp_path / "out", quiet)
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    assert not list((tmp_path / "out").rglob("*partial*"))


def test_nothing_is_written_over(swept, tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    for out in (tmp_path, tmp_path / "notes.txt"):
        with pytest.raises(RunError, match="there is something already"):
            export(swept, "coco", out, quiet)
    assert (tmp_path / "notes.txt").read_text() == "mine"


def test_an_unknown_format_and_a_missing_run_are_refused(swept, tmp_path):
    with pytest.raises(RigError, match="unknown format; got voc; expected imagefolder or coco"):
        export(swept, "voc", tmp_path / "out", quiet)
    with pytest.raises(RunError, match="no such run folder"):
        export(tmp_path / "none", "coco", tmp_path / "out", quiet)
    assert list(tmp_path.iterdir()) == []
