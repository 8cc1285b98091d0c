"""`rig attack patch` on a box with a network that looks for red: files, trials, page and audit of whole runs."""

import json
import shutil

import numpy as np
import polars as pl
import pytest
from report_schema import conforming
from sticker_scene import write_box
from tampered import Tampered
from typer.testing import CliRunner

from rig.audit import FAIL, PASS, WARN, audit
from rig.audit.deep import deepen
from rig.campaign import resume
from rig.campaign.patch import attack_patch
from rig.campaign.patch_job import PatchJob, patch_settings
from rig.cli import app
from rig.errors import RigError
from rig.images import encode_png, read_image
from rig.metrics.patch import VISIBLE_FRAC
from rig.metrics.rates import proportion
from rig.report import write_report
from rig.runs import RunFolder
from rig.scene import load_config, load_scene
from rig.scene.gamut import gamut_of
from rig.scene.sticker import StickerSettings, stick

STICKER = StickerSettings(size_mm=(450, 450), at_deg=(0, 0), object_mm=900)
ATTACK = {"target": "red", "steps": 12, "views_per_step": 4, "texture_px": 192, "validation_views": 6, "scales": 3}
ATTACK |= {"validate_every": 6, "step_size": 0.2}


def quiet(*_):
    pass


@pytest.fixture(scope="module")
def bench(tmp_path_factory):
    """A box with its network, and a pale picture of what the network calls red."""
    folder = tmp_path_factory.mktemp("bench")
    write_box(folder)
    write_box(folder, "other")
    (folder / "pale.png").write_bytes(encode_png(np.full((60, 60, 3), (150, 120, 120), np.uint8)))
    (folder / "red.png").write_bytes(encode_png(np.full((60, 60, 3), (255, 0, 0), np.uint8)))
    return folder


@pytest.fixture
def without_page(monkeypatch):
    """Pages take longer than these runs, and are looked at elsewhere."""
    monkeypatch.setattr("rig.campaign.patch.write_report", quiet)


def job_of(bench, scenes=("box",), **changes) -> PatchJob:
    configs = tuple(load_config(bench / f"{name}.toml").model_dump(mode="json") for name in scenes)
    asked = {"sticker": STICKER, "attack": patch_settings(ATTACK), "views": 24, "seed": 0}
    asked |= {"target_picture": str(bench / "pale.png")} | changes
    return PatchJob(scenes=configs, models=(str(bench / "toy.onnx"),), **asked)


@pytest.fixture(scope="module")
def made(bench, tmp_path_factory):
    path = tmp_path_factory.mktemp("runs") / "box"
    attack_patch(job_of(bench), path, ["rig", "attack", "patch", "box.toml"], quiet)
    return path


@pytest.fixture
def tampered(made, tmp_path) -> Tampered:
    return Tampered(shutil.copytree(made, tmp_path / "box"))


def trials_of(run) -> pl.DataFrame:
    rows = pl.concat([pl.read_parquet(part) for part in sorted((run / "trials").glob("part-*.parquet"))])
    return rows.sort("artefact", "view")


def test_targeted_success_is_the_target_predicted_and_the_page_counts_the_same(made):
    rows = trials_of(made).filter(pl.col("split") == "eval")
    assert set(rows["artefact"]) == {
        "clean", "adversarial", "control_random", "control_single_view", "control_target_object"
    }  # fmt: skip
    assert ((rows["outcome"] == "target") == (rows["predicted"] == "red")).all()
    metrics = json.loads((made / "metrics.json").read_text())
    for kept, part in (
        (metrics["rates"], rows),
        (metrics["patch"]["visible"], rows.filter(pl.col("patch_frac") >= VISIBLE_FRAC)),
    ):
        for row in kept:
            mine = part.filter(pl.col("artefact") == row["artefact"])
            counted = proportion(int((mine["predicted"] == "red").sum()), len(mine))
            assert row["adversariality"] == counted
    seen = rows.filter((pl.col("patch_frac") >= VISIBLE_FRAC) & (pl.col("artefact") == "adversarial"))
    assert 10 <= len(seen) < 24 and (seen["predicted"] == "red").mean() > 0.5
    clean = rows.filter(pl.col("artefact") == "clean")
    assert (clean["predicted"] == "plain").all()


def test_nothing_outside_the_sticker_changes_in_the_saved_files(made, bench):
    """The outline worked out on paper: the front face's island, half of its height, three quarters of its width."""
    scene = load_scene(bench / "box.toml")
    found = stick(scene, STICKER)
    for name in ("adversarial", "control_random", "control_single_view", "control_target_object"):
        changed = (read_image(made / "artefacts" / name / "texture.png") != scene.mesh.texture).any(2)
        rows, columns = np.nonzero(changed)
        assert not changed.ravel()[np.setdiff1d(np.arange(changed.size), found.texels)].any()
        island = np.ptp(rows) + 1, np.ptp(columns) + 1
        texels = np.array([450 / 900 * 0.96 * 96, 450 / 600 * 0.96 * 64])  # faces are 600 x 900 mm on 64 x 96 texels
        np.testing.assert_allclose(island, texels, atol=2)


def test_what_the_files_say_of_the_patch(made):
    record = json.loads((made / "artefacts" / "adversarial" / "artefact.json").read_text())
    assert record["kind"] == "patch" and record["patch"]["size_mm"] == [450, 450]
    assert record["patch"]["area_mm2"] == pytest.approx(450 * 450, rel=1e-6)
    threat = json.loads((made / "run.json").read_text())["threat_model"]
    assert "patch of 450 x 450 mm" in threat["capability"] and "202500 mm2" in threat["budget"]
    picture = read_image(made / "artefacts" / "control_target_object" / "patch.png")
    assert (picture == (150, 120, 120)).all()


def test_a_run_killed_between_checkpoints_and_in_its_sweep_equals_an_uninterrupted_one(
    made, bench, tmp_path, without_page
):
    def at_step_11(done, total, what):
        if done == 11 and what.startswith("adversarial:"):
            raise KeyboardInterrupt

    def in_the_sweep(done, total, what):
        if what == "box, adversarial":
            raise KeyboardInterrupt

    path = tmp_path / "box"
    with pytest.raises(KeyboardInterrupt):
        attack_patch(job_of(bench, controls=False), path, ["rig"], at_step_11)
    assert not (path / "artefacts" / "adversarial").exists()
    with pytest.raises(KeyboardInterrupt):
        resume(path, in_the_sweep)
    assert json.loads((path / "run.json").read_text())["status"] == "running"
    resume(path, quiet)
    for file in ("patch.png", "texture.png"):
        assert (path / "artefacts/adversarial" / file).read_bytes() == (
            made / "artefacts/adversarial" / file
        ).read_bytes()
    whole = trials_of(made).filter(pl.col("artefact").is_in(["clean", "adversarial"]))
    assert len(whole) == 48 and trials_of(path).equals(whole)


def test_the_audit_fails_nothing_and_recounts_the_patch(made):
    found = {one.number: one for one in audit(made)}
    assert {number: one.sentence for number, one in found.items() if one.status == FAIL} == {}
    assert {number for number, one in found.items() if one.status == PASS} >= {
        1,
        2,
        3,
        4,
        5,
        7,
        10,
        15,
        17,
        18,
        20,
        21,
        22,
    }
    assert "450 x 450 mm over 202500 mm2" in found[5].sentence
    assert "picture of the target 0" in found[18].sentence
    assert found[14].status == WARN


def other_place(run):
    texture = read_image(run.path / "artefacts/adversarial/texture.png")
    texture[0, 0] ^= 128
    run.paint("adversarial", texture)


def other_texture(run):
    texture = read_image(run.path / "artefacts/adversarial/texture.png")
    clean = read_image(run.path / "artefacts/clean/texture.png")
    row, column = np.argwhere((texture != clean).any(2)).mean(axis=0).astype(int)
    texture[row, column] ^= 64
    run.paint("adversarial", texture)


def other_area(run):
    run.json("artefacts/adversarial/artefact.json", lambda record: record["patch"].update(area_mm2=1000.0))


def other_shares(run):
    run.put(pl.lit(True), patch_frac=pl.lit(0.5))


def other_patch_kept(run):
    table = pl.read_parquet(run.path / "attack/history.parquet")
    better = pl.when(pl.col("step") == 6).then(1.0).otherwise(0.5)
    better = pl.when(pl.col("validation_success").is_null()).then(None).otherwise(better)
    table.with_columns(validation_success=better).write_parquet(run.path / "attack/history.parquet")
    with np.load(run.path / "attack/adversarial/state.npz") as state:
        arrays = dict(state) | {"best_success": np.array(0.5)}
    np.savez(run.path / "attack/adversarial/state.npz", **arrays)


def no_random_patch(run):
    run.rows(lambda rows: rows.filter(pl.col("artefact") != "control_random"))


def seen_before(run):
    """One evaluation view becomes the first that the attack saw."""
    config = load_config_of(run)
    from rig.attack.patch_views import first_facing
    from rig.render import Renderer
    from rig.scene import rebuilt
    from rig.views import derive_seed

    scene = rebuilt(config)
    view = first_facing(Renderer(scene, (48, 48)), stick(scene, STICKER), 1, derive_seed(0, "adversarial"), "attack")[0]
    values = {name: pl.lit(value) for name, value in view.values.items()}
    run.put(pl.col("view") == "eval-000003", **values)


def load_config_of(run) -> dict:
    return json.loads((run.path / "run.json").read_text())["config"]["scenes"]["box"]


FAULTS = {
    other_place: (5, "texels outside the patch changed"),
    other_texture: (5, "is not what its patch.png makes"),
    other_area: (5, "is stated to cover 1000 mm2"),
    other_shares: (5, "of patch, it shows"),
    other_patch_kept: (10, "kept at 50.0 %"),
    no_random_patch: (18, "control_random is not in the run"),
    seen_before: (3, "1 of 24 evaluation views were seen"),
}


@pytest.mark.parametrize("plant", FAULTS, ids=lambda plant: plant.__name__)
def test_a_planted_fault_is_found(tampered, plant):
    number, says = FAULTS[plant]
    plant(tampered)
    (found,) = audit(tampered.path, only=(number,))
    assert found.status == (WARN if number == 10 else FAIL) and says in found.sentence


def test_a_patch_and_its_controls_keep_to_printable_colours_and_the_run_says_so(bench, tmp_path, without_page):
    attack = patch_settings(ATTACK | {"steps": 6, "printable": True})
    path = attack_patch(job_of(bench, attack=attack, views=6), tmp_path / "run", ["rig"], quiet).path
    assert "a colour of coated paper, offset" in json.loads((path / "run.json").read_text())["threat_model"]["budget"]
    for name in ("adversarial", "control_random", "control_single_view", "control_target_object"):
        assert not gamut_of(None).outside(read_image(path / "artefacts" / name / "patch.png")).any()
    (found,) = audit(path, only=(5,))
    assert found.status == PASS and "in printable colours" in found.sentence
    state = RunFolder.open(path).state["config"]["attack"]
    assert state["printable"] and "printable" not in job_of(bench).config()["attack"]


def test_one_patch_on_two_objects_is_judged_on_both_and_a_picture_that_does_as_well_is_told(
    bench, tmp_path, without_page
):
    few = patch_settings(ATTACK | {"steps": 2})
    job = job_of(bench, ("box", "other"), views=8, attack=few, target_picture=str(bench / "red.png"))
    run = attack_patch(job, tmp_path / "run", ["rig"], quiet)
    rows = trials_of(run.path)
    assert set(rows["object"]) == {"box", "other"} and len(rows) == 2 * 5 * 8
    folder = run.path / "artefacts" / "adversarial"
    assert (read_image(folder / "texture.png") == read_image(folder / "texture-other.png")).all()  # the same box twice
    found = {one.number: one for one in audit(run.path, only=(3, 5, 6, 10, 18))}
    assert {number: one.sentence for number, one in found.items() if one.status == FAIL} == {}
    assert found[18].status == WARN and "not shown to do more than the picture" in found[18].sentence


def test_the_page_says_sticker_and_its_size_and_both_rates(made):
    page = (made / "report.html").read_text()
    text = page[: page.index("<script>")]
    assert "Painted" not in text and "450 × 450 mm" in text and "202500 mm²" in text
    assert "Views that show it" in text and "All views" in text and "at least 1 % of the frame" in text
    said = conforming(made / "report.json")["headline"]
    assert said[0].startswith("Sticker of 450 × 450 mm on the box: called red") and "of all" in said[0]
    assert said[2].startswith("Controls at the same views: random patch")


def test_a_hostile_label_stays_text_and_a_damaged_record_is_one_line(tampered):
    label = "<img src=x onerror=alert(1)>"
    tampered.json("artefacts/adversarial/artefact.json", lambda record: record.update(label=label))
    tampered.state(lambda state: state.update(controls_not_run={"control_target_object": "no <script>"}))
    write_report(tampered.path)
    page = (tampered.path / "report.html").read_text()
    assert label not in page and "Not run: control target object: no &lt;script&gt;" in page
    tampered.state(lambda state: state["config"].update(sticker={"size_mm": [450, 450], "lies": "loose"}))
    with pytest.raises(RigError, match="lies"):
        write_report(tampered.path)
    tampered.state(lambda state: state["config"].update(sticker=STICKER.model_dump(mode="json")))
    tampered.json("artefacts/adversarial/artefact.json", lambda record: record["patch"].update(size_mm="wide"))
    with pytest.raises(RigError, match="size_mm"):
        write_report(tampered.path)


BAD = {
    "larger than the object": (["--size-mm", "1000x200"], "the patch is larger than the object"),
    "no two numbers": (["--size-mm", "300"], "not two numbers"),
    "no extent": (["--size-mm", "0x20"], "above 0 mm"),
    "off the sphere": (["--at", "0,100"], "elevation within -90 .. 90"),
    "never in sight": (["--at", "180,0"], "no view of the scene shows the patch"),
    "the target is right": (["--target", "plain"], "the target is a true label of the object"),
    "no such target": (["--target", "toaster"], "toaster"),
    "a mask of another size": (["--shape", "wide.png"], "other proportions than the sticker"),
    "no such mask": (["--shape", "none.png"], "none.png"),
    "no such picture": (["--target-picture", "none.png"], "none.png"),
    "another budget": (["--set", "attack.max_delta_e=10"], "a patch's budget is its size"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_one_clear_line_and_leaves_nothing_behind(bench, tmp_path, monkeypatch, name):
    more, says = BAD[name]
    monkeypatch.chdir(tmp_path)
    (tmp_path / "wide.png").write_bytes(encode_png(np.full((10, 40, 3), 255, np.uint8)))
    asked = ["attack", "patch", str(bench / "box.toml"), "--model", str(bench / "toy.onnx"), "--size-mm", "300x300"]
    asked += ["--at", "0,0", "--object-mm", "900", "--target", "red", "--steps", "1", "--views", "4", "--out", "run"]
    asked += ["--set", "views.azimuth_deg=[-20,20]"]
    found = CliRunner().invoke(app, [*asked, *more])
    assert isinstance(found.exception, RigError), found.exception
    assert says in str(found.exception) and "\n" not in str(found.exception)
    assert not (tmp_path / "run").exists()


def test_a_run_of_another_job_is_not_gone_on_with(made, bench):
    with pytest.raises(RigError):
        attack_patch(job_of(bench, seed=1), made, ["rig"], quiet)
    assert RunFolder.open(made).state["seed"] == 0


def test_deep_checks_ask_the_file_again_and_measure_slopes(tampered):
    deepen(tampered.path, resume, quiet)
    found = {one.number: one for one in audit(tampered.path, only=(6, 8, 9, 21))}
    assert {number: one.sentence for number, one in found.items() if one.status != PASS} == {}
    assert "gradient over finite differences" in found[6].sentence and "asked of the file again" in found[21].sentence
