"""Sweeps and attacks on a detector that looks for red and green: files, trials, page and audit of whole runs."""

import json

import numpy as np
import polars as pl
import pytest
from planted import detector
from report_schema import conforming
from sticker_scene import write_box
from typer.testing import CliRunner

from rig.attack.settings import attack_settings
from rig.audit import FAIL, PASS, audit
from rig.audit.deep import deepen
from rig.audit.deep.answers import ask_again
from rig.audit.deep.slopes import measure_slopes
from rig.audit.evidence import Evidence
from rig.audit.store import keep
from rig.campaign import SweepJob, TextureJob, attack_texture, resume, sweep_scenes
from rig.campaign.patch import attack_patch
from rig.campaign.patch_job import PatchJob, patch_settings
from rig.cli import app
from rig.errors import RigError
from rig.images import content_hash, encode_png, read_image
from rig.metrics.load import read_run
from rig.model.card import write_card
from rig.model.detect import NOTHING, DeployedDetector, open_judge
from rig.render import Renderer
from rig.scene import load_config, rebuilt
from rig.scene.sticker import StickerSettings
from rig.views import draw_views

STEPS = {"steps": 16, "views_per_step": 4, "validation_views": 6, "validate_every": 8, "step_size": 0.05, "scales": 3}
LABELS = {"yolov8": ["red", "green"], "nms": ["background", "red", "green"]}


def quiet(*_):
    pass


@pytest.fixture(scope="module")
def bench(tmp_path_factory):
    """A reddish box before grey, a detector with its overlaps still to be suppressed, and one that does it itself."""
    folder = tmp_path_factory.mktemp("bench")
    scene = write_box(folder)
    scene.write_text(scene.read_text().replace('"plain"', '"red"'))
    grey = np.random.default_rng(0).integers(0, 60, (192, 192, 1), np.uint8)
    (folder / "box.png").write_bytes(encode_png(grey + np.array([170, 70, 70], np.uint8)))
    for layout, labels in LABELS.items():
        path = detector(folder / f"{layout}.onnx", layout, batch=1 if layout == "nms" else "n", doubt=4.0)
        card = DeployedDetector(path, threads=1).card
        write_card(card.model_copy(update={"labels": labels, "guessed": []}), path)
    return folder


def scene_of(bench) -> dict:
    return load_config(bench / "box.toml").model_dump(mode="json")


def texture_job(bench, layout="yolov8", target=NOTHING, **changes) -> TextureJob:
    settings = attack_settings(STEPS | {"target": target, "texture_px": 96, "max_delta_e": 40.0} | changes)
    return TextureJob(scene_of(bench), (str(bench / f"{layout}.onnx"),), settings, 24, 0)


@pytest.fixture(scope="module")
def attacked(bench, tmp_path_factory):
    path = tmp_path_factory.mktemp("runs") / "box"
    attack_texture(texture_job(bench), path, ["rig", "attack", "texture", "box.toml"], quiet)
    return path


def trials_of(run) -> pl.DataFrame:
    return pl.read_parquet(run / "trials" / "part-*.parquet").sort("artefact", "view")


def frames_of(run, artefact: str, size_px):
    """The run's frames, rendered again: one part, as the sweep rendered them."""
    scene = rebuilt(json.loads((run / "run.json").read_text())["config"]["scenes"]["box"], 96)
    renderer = Renderer(scene, size_px)
    prepared = [renderer.prepare(view) for view in draw_views(scene.config, 24, 0, "eval")]
    return renderer.frames(read_image(run / "artefacts" / artefact / "texture.png"), prepared)


def share(run, artefact: str, label: str) -> float:
    return trials_of(run).filter(pl.col("artefact") == artefact)["predicted"].eq(label).mean()


def failures(run) -> dict[int, str]:
    return {one.number: one.sentence for one in audit(run) if one.status == FAIL}


def test_a_texture_makes_the_object_disappear(attacked):
    for artefact in ("clean", "control_random"):
        assert share(attacked, artefact, "red") > 0.9
    assert share(attacked, "clean", NOTHING) == 0 and share(attacked, "adversarial", NOTHING) > 0.9
    report = conforming(attacked / "report.json")
    assert report["ok"], report["notices"]
    assert report["headline"][0].startswith("Painted texture: called nothing on ")
    (rates,) = (row for row in report["metrics"]["rates"] if row["artefact"] == "adversarial")
    assert rates["adversariality"]["k"] / 24 == share(attacked, "adversarial", NOTHING)
    assert "called nothing on" in (attacked / "report.html").read_text()


def test_stored_answers_are_the_files_own_detections(attacked, bench):
    file = DeployedDetector(bench / "yolov8.onnx", threads=1)
    for artefact in ("clean", "adversarial"):
        rows = trials_of(attacked).filter(pl.col("artefact") == artefact).sort("view").to_dicts()
        frames = sorted(frames_of(attacked, artefact, file.size_px), key=lambda frame: frame.view.id)
        found = file.predict([frame.image for frame in frames])
        said = [LABELS["yolov8"][each.labels[0]] if len(each.labels) else NOTHING for each in found]
        assert [row["frame_hash"] for row in rows] == [content_hash(frame.image) for frame in frames]
        assert [row["predicted"] for row in rows] == said


def test_the_audit_fails_nothing_and_asks_the_file_again(attacked, bench):
    assert failures(attacked) == {}
    evidence, judge = Evidence(read_run(attacked)), open_judge(bench / "yolov8.onnx")
    keep(evidence, "answers", ask_again(evidence, judge))
    keep(evidence, "slopes", measure_slopes(evidence, judge))
    found = {one.number: one for one in audit(attacked, only=(1, 2, 4, 6, 7, 8, 9, 20, 21))}
    assert {number: one.sentence for number, one in found.items() if one.status != PASS} == {}
    assert "gradient over finite differences" in found[6].sentence and "raw head" in found[9].sentence


def test_a_run_killed_in_attack_and_sweep_equals_an_uninterrupted_one(attacked, bench, tmp_path):
    def at_step_11(done, total, what):
        if done == 11 and what.startswith("adversarial:"):
            raise KeyboardInterrupt

    def in_the_sweep(done, total, what):
        if what == "box, adversarial":
            raise KeyboardInterrupt

    path = tmp_path / "box"
    with pytest.raises(KeyboardInterrupt):
        attack_texture(texture_job(bench), path, ["rig"], at_step_11)
    with pytest.raises(KeyboardInterrupt):
        resume(path, in_the_sweep)
    resume(path, quiet)
    texture = "artefacts/adversarial/texture.png"
    assert (path / texture).read_bytes() == (attacked / texture).read_bytes()
    assert trials_of(path).equals(trials_of(attacked))


def test_a_sweep_of_frames_of_another_size_by_two_files_that_say_the_same(attacked, bench, tmp_path):
    """One suppresses overlaps in its graph, the other leaves it to its card; untargeted, so every other answer counts."""
    scene = load_config(bench / "box.toml", ("sensor.size_px=120",)).model_dump(mode="json")
    models = tuple(str(bench / f"{layout}.onnx") for layout in LABELS)
    job = SweepJob((scene,), models, (str(attacked / "artefacts/adversarial"),), None, 24, "random", 96, 0)
    run = sweep_scenes(job, tmp_path / "swept", ["rig", "sweep"], quiet)
    rows = trials_of(run.path)
    one, other = (rows.filter(pl.col("model") == layout) for layout in LABELS)
    assert len(one) == 48 and one["predicted"].equals(other["predicted"])
    fooled = one.filter(pl.col("artefact") == "adversarial")
    assert fooled["outcome"].eq("other_wrong").mean() > 0.9
    assert failures(run.path) == {}
    assert conforming(run.path / "report.json")["ok"]


def test_a_patch_has_a_detector_that_suppresses_overlaps_itself_see_another_class(bench, tmp_path):
    sticker = StickerSettings(size_mm=(450, 450), at_deg=(0, 0), object_mm=900)
    attack = patch_settings(STEPS | {"target": "green", "texture_px": 192, "step_size": 0.2})
    path, job = tmp_path / "box", PatchJob((scene_of(bench),), (str(bench / "nms.onnx"),), sticker, attack, 24, 0)
    attack_patch(job, path, ["rig", "attack", "patch"], quiet)
    assert share(path, "clean", "green") == 0 and share(path, "adversarial", "green") > 0.3
    deepen(path, resume, quiet)
    assert failures(path) == {}
    found = {one.number: one for one in audit(path, only=(6, 8, 9, 21))}
    assert {number: one.sentence for number, one in found.items() if one.status != PASS} == {}
    assert "before NonMaxSuppression" in found[9].sentence


def nameless(bench, folder):
    """As `rig models inspect` would guess it: the graph does not say how many labels there are."""
    return (detector(folder / "nameless.onnx", "nms", batch=1), [])


BAD = {
    "no names": (("attack", "texture"), nameless, "the detector's labels have no names"),
    "no such target": (("attack", "texture"), ["--target", "toaster"], "unknown label; got toaster"),
    "the target is right": (("sweep",), ["--target", "red"], "the target is a true label of the object"),
    "poses": (("attack", "pose"), [], "no output is a row of class scores"),
    "pixels": (("attack", "pixel"), ["--pixels", "1", "--max-queries", "10"], "no output is a row of class scores"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_one_clear_line_and_leaves_nothing_behind(bench, tmp_path, monkeypatch, name):
    command, more, says = BAD[name]
    model, more = more(bench, tmp_path) if callable(more) else (bench / "yolov8.onnx", more)
    monkeypatch.chdir(tmp_path)
    asked = [*command, str(bench / "box.toml"), "--model", str(model), "--out", "run", *more]
    found = CliRunner().invoke(app, asked)
    assert isinstance(found.exception, RigError), found.output
    assert says in str(found.exception) and "\n" not in str(found.exception)
    assert not (tmp_path / "run").exists()
