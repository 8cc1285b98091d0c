"""Frames come out exactly as the models saw them, or not at all."""

import json
import shutil

import numpy as np
import pytest

from rig.errors import RigError, RunError
from rig.images import content_hash, encode_png, read_image
from rig.interop.frames import RunFrames


def test_every_rendered_frame_is_the_one_that_was_judged(swept):
    frames = RunFrames(swept)
    seen = list(frames.seen(frames.pictures))
    assert len(seen) == len(frames.trials) == 2 * 2 * 2 * 8  # objects, artefacts, networks (of two sizes), views
    stored = set(frames.trials["frame_hash"])
    assert {content_hash(one.image) for one in seen} == stored
    assert len(stored) == len(seen)  # objects, textures, sizes and views all differ
    assert {one.image.shape for one in seen} == {(32, 32, 3), (48, 48, 3)}


def test_frames_come_out_the_same_in_any_order_and_number(swept):
    frames = RunFrames(swept)
    for few in (frames.pictures[17:18], frames.pictures[40:10:-9]):
        assert len(list(frames.seen(few))) == len(few)


def test_a_session_s_frames_are_read_and_its_twins_rendered_again(filmed):
    frames = RunFrames(filmed)
    seen = list(frames.seen(frames.pictures))
    assert {content_hash(one.image) for one in seen} == set(frames.trials["frame_hash"])
    assert all((one.mask is None) == (one.picture.row["source"] == "capture") for one in seen)
    sides = {one.image.shape[0] == one.image.shape[1] for one in seen if one.picture.row["crop"] == "board"}
    assert sides == {True}


def test_images_that_were_attacked_are_read_from_the_run(pixels):
    frames = RunFrames(pixels)
    seen = list(frames.seen(frames.pictures))
    assert {one.picture.row["artefact"] for one in seen} > {"clean"}
    assert all(content_hash(one.image) == one.picture.row["frame_hash"] for one in seen)
    assert len({one.picture.row["object"] for one in seen}) == 3  # the fourth was wrong from the start: not attacked


def test_a_texture_that_changed_by_one_step_is_told(swept, tmp_path):
    run = shutil.copytree(swept, tmp_path / "run")
    file = run / "artefacts" / "adversarial" / "texture.png"
    texture = read_image(file)
    file.write_bytes(encode_png(np.where(texture < 128, texture + 9, texture - 9).astype(np.uint8)))
    frames = RunFrames(run)
    with pytest.raises(RunError, match="does not come out as the model saw it"):
        list(frames.seen(frames.pictures))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"status": "running"}, "not finished"),
        ({"config": {"job": "attack pixel scene"}}, "cannot be had again"),
        ({"config": {}}, "no job in run.json"),
        ({"config": {"job": "sweep"}}, "run.json lacks"),
    ],
)
def test_a_run_without_such_frames_is_refused_in_one_line(swept, tmp_path, changes, said):
    run = shutil.copytree(swept, tmp_path / "run")
    state = json.loads((run / "run.json").read_text()) | changes
    (run / "run.json").write_text(json.dumps(state))
    with pytest.raises(RunError, match=said) as caught:
        RunFrames(run)
    assert "\n" not in str(caught.value)


def test_a_lost_scene_is_refused_before_anything_is_written(swept, tmp_path):
    run = shutil.copytree(swept, tmp_path / "run")
    state = json.loads((run / "run.json").read_text())
    state["config"]["scenes"].pop("other")
    (run / "run.json").write_text(json.dumps(state))
    frames = RunFrames(run)
    with pytest.raises(RigError, match="do not fit: 'other'"):
        list(frames.seen(frames.pictures))


def test_a_picture_outside_of_the_run_is_not_read(pixels):
    source = RunFrames(pixels).source
    with pytest.raises(RunError, match="outside of the run"):
        list(source.images([{"artefact": "clean", "object": "../../../set"}]))
    with pytest.raises(RunError, match="outside of the run"):
        list(source.images([{"artefact": "..", "object": "set"}]))
