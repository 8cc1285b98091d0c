"""All that was asked of a patch attack on objects; frozen into run.json, so that `rig resume` needs nothing else."""

import dataclasses
from dataclasses import dataclass

from rig.attack.settings import AttackSettings, attack_settings
from rig.errors import RigError
from rig.metrics.patch import PATCH_JOB
from rig.scene import Scene, rebuilt
from rig.scene.scene import shrink
from rig.scene.sticker import Sticker, StickerSettings, stick, stick_all

ENOUGH_TEXELS = 64.0  # across the shorter side: the texture is kept finer where the patch would have fewer
MOST_TEXTURE_PX = 4096


@dataclass(frozen=True)
class PatchJob:
    """`scenes`: resolved configs of the objects that wear the patch, each at the same place."""

    scenes: tuple[dict, ...]
    models: tuple[str, ...]  # attacked together, each scored
    sticker: StickerSettings
    attack: AttackSettings
    views: int
    seed: int
    controls: bool = True
    target_picture: str | None = None

    def config(self) -> dict:
        return {
            "job": PATCH_JOB,
            "scenes": {scene["name"]: scene for scene in self.scenes},
            "models": list(self.models),
            "attack": self.attack.model_dump(mode="json"),
            "sticker": self.sticker.model_dump(mode="json"),
            "trade_off": [],
            "controls": self.controls,
            "target_picture": self.target_picture,
            "sweep": {"views": self.views, "policy": "random"},
        }


def patch_settings(values: dict, overrides=()) -> AttackSettings:
    """A texture attack's settings; what bounds a patch is its area, so it has no other budget."""
    none = {"max_delta_e": None, "distance_weight": 0.0, "narrow_frac": 0.0}
    settings = attack_settings(none | values, overrides)
    other = {"max_delta_e": None, "epsilon": None, "keep_success": None, "distance_weight": 0.0}
    asked = [name for name, none in other.items() if getattr(settings, name) != none]
    if settings.narrow_frac:
        hint = "leave it out: the middle of the ranges may not show the patch"
        raise RigError("not a setting of a patch", where="attack.narrow_frac", got=settings.narrow_frac, hint=hint)
    if settings.black_box is not None:
        raise RigError("a patch is optimised by gradients", where="attack.black_box", hint="leave it out")
    if asked:
        raise RigError("not a setting of a patch", where=f"attack.{asked[0]}", expected="a patch's budget is its size")
    return settings


def fitted(job: PatchJob) -> tuple[PatchJob, list[tuple[Scene, Sticker]]]:
    """Scenes with their stickers; textures as fine as the patch needs, where their files are. Raises RigError."""
    if len({scene["name"] for scene in job.scenes}) < len(job.scenes):
        raise RigError("two objects of the same name", got=", ".join(scene["name"] for scene in job.scenes))
    scenes = [rebuilt(scene, MOST_TEXTURE_PX) for scene in job.scenes]
    texture_px = max([job.attack.texture_px, *(_needed_px(scene, job) for scene in scenes)])
    finer = dataclasses.replace(job, attack=job.attack.model_copy(update={"texture_px": texture_px}))
    scenes = [scene.with_texture(shrink(scene.mesh.texture, texture_px)) for scene in scenes]
    return finer, list(zip(scenes, stick_all(scenes, job.sticker), strict=True))


def _needed_px(scene: Scene, job: PatchJob) -> int:
    """Of the texture's longer side, so that the patch has ENOUGH_TEXELS; no more than its file has."""
    own_px = max(scene.mesh.texture.shape[:2])
    if own_px <= job.attack.texture_px:
        return 0
    texels = min(job.sticker.size_mm) / stick(scene, job.sticker).texel_mm
    return min(own_px, int(own_px * ENOUGH_TEXELS / texels) + 1)
