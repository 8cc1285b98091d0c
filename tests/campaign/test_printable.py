"""`attack.printable` in whole jobs: what it does not go with is refused before any work."""

import pytest

from rig.attack.settings import AttackSettings
from rig.campaign import TextureJob, attack_texture
from rig.campaign.eot_study import EotStudyJob, study_eot
from rig.campaign.patch import attack_patch
from rig.campaign.patch_job import PatchJob
from rig.errors import RigError
from rig.scene import load_config
from rig.scene.sticker import StickerSettings

PRINTABLE = AttackSettings(printable=True)


def texture(scene, out):
    attack_texture(TextureJob(scene, "none.onnx", PRINTABLE, 1, 0), out, ["rig"], None)


def patch(scene, out):
    attack_patch(
        PatchJob((scene,), "none.onnx", StickerSettings(size_mm=(80, 80)), PRINTABLE, 1, 0), out, ["rig"], None
    )


def study(scene, out):
    study_eot(EotStudyJob((scene,), "none.onnx", (), {}, 1, PRINTABLE, 1, True, 0), out, ["rig"], None)


@pytest.mark.parametrize("job", [texture, patch, study])
def test_a_scene_with_a_measured_response_is_refused_in_one_line_and_leaves_nothing_behind(job, tmp_path):
    scene = load_config("turtle").model_dump(mode="json")
    scene["print"]["response"] = {"weights": [[0.0] * 3] * 4}
    with pytest.raises(RigError, match="attack.printable") as refused:
        job(scene, tmp_path / "run")
    assert "\n" not in str(refused.value) and not (tmp_path / "run").exists()
