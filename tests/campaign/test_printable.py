"""`attack.printable` in whole jobs: every artefact obeys it, and what it does not go with is refused before any work."""

import json

import pytest

from rig.attack.settings import AttackSettings
from rig.audit import PASS, audit
from rig.audit.deep.toy import write_cube, write_toy
from rig.campaign import TextureJob, attack_texture
from rig.campaign.eot_study import EotStudyJob, study_eot
from rig.campaign.patch import attack_patch
from rig.campaign.patch_job import PatchJob
from rig.errors import RigError
from rig.images import read_image
from rig.scene import load_config
from rig.scene.gamut import gamut_of
from rig.scene.sticker import StickerSettings

PRINTABLE = AttackSettings(printable=True)


def texture(scene, out):
    attack_texture(TextureJob(scene, ("none.onnx",), PRINTABLE, 1, 0), out, ["rig"], None)


def patch(scene, out):
    attack_patch(
        PatchJob((scene,), ("none.onnx",), StickerSettings(size_mm=(80, 80)), PRINTABLE, 1, 0), out, ["rig"], None
    )


def study(scene, out):
    study_eot(EotStudyJob((scene,), ("none.onnx",), (), {}, 1, PRINTABLE, 1, True, 0), out, ["rig"], None)


@pytest.mark.parametrize("job", [texture, patch, study])
def test_a_scene_with_a_measured_response_is_refused_in_one_line_and_leaves_nothing_behind(job, tmp_path):
    scene = load_config("turtle").model_dump(mode="json")
    scene["print"]["response"] = {"weights": [[0.0] * 3] * 4}
    with pytest.raises(RigError, match="attack.printable") as refused:
        job(scene, tmp_path / "run")
    assert "\n" not in str(refused.value) and not (tmp_path / "run").exists()


def test_every_texture_of_a_run_paints_printable_colours_only_and_the_run_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr("rig.campaign.texture.write_report", lambda path: None)
    write_toy(tmp_path / "toy.onnx", 10.0)
    scene = load_config(write_cube(tmp_path)).model_dump(mode="json")
    few = {"steps": 6, "views_per_step": 2, "texture_px": 32, "validation_views": 4, "validate_every": 3}
    attack = AttackSettings(target="red", max_delta_e=60.0, printable=True, **few)
    job = TextureJob(scene, (str(tmp_path / "toy.onnx"),), attack, 8, 0, (None,), True)
    path = attack_texture(job, tmp_path / "run", ["rig"], lambda *_: None).path
    clean = read_image(path / "artefacts" / "clean" / "texture.png")
    for name in ("adversarial", "adversarial-2", "control_random", "control_single_view"):
        texture = read_image(path / "artefacts" / name / "texture.png")
        painted = (texture != clean).any(axis=2)
        assert painted.mean() > 0.3 and not gamut_of(None).outside(texture)[painted].any()
    budget = json.loads((path / "run.json").read_text())["threat_model"]["budget"]
    assert budget.endswith("every painted texel within Delta-E 3 of a colour of coated paper, offset (ISO 12647-2)")
    (found,) = audit(path, only=(5,))
    assert found.status == PASS and "every painted texel is printable" in found.sentence
