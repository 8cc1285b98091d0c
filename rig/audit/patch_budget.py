"""Check 5 of a patch on objects: its budget is an area, measured again on the 8-bit files and on the mesh."""

from functools import lru_cache
from pathlib import Path

import numpy as np
import polars as pl

from rig.attack.patch import stuck
from rig.attack.patch_views import shown
from rig.audit.budget import other_pictures, unprintable
from rig.audit.distance import frame_size_px
from rig.audit.evidence import Evidence
from rig.audit.finding import Verdict, met, unmet
from rig.contracts import View
from rig.images import content_hash, read_image
from rig.metrics.patch import SHARE, patch_record, sticker_settings
from rig.render import Renderer
from rig.scene import Scene
from rig.scene.sticker import Sticker, stick_all

SOME_VIEWS = 12  # of each object, whose share of the frame is measured again
SAME_SHARE = 1e-4  # of the frame: sums of floating-point numbers differ between machines
SAME_AREA_FRAC = 1e-3


@lru_cache(maxsize=1)
def worn(evidence: Evidence) -> list[tuple[Scene, Sticker]]:
    """Every object of the run with the sticker put on it again. Raises RigError where one does not load."""
    scenes = list(evidence.scenes.values())
    return list(zip(scenes, stick_all(scenes, sticker_settings(evidence.run)), strict=True))


def renderer_of(evidence: Evidence, scene: Scene) -> Renderer:
    return Renderer(scene, frame_size_px(scene, evidence.run.record.models[0].card))


def within_budget(evidence: Evidence) -> Verdict:
    """From the 8-bit files: nothing beside the patch changed, the textures are patch.png's, its area is as stated."""
    if other := other_pictures(evidence):
        return unmet(
            f"texture.png of {', '.join(other)} is not the picture whose hash artefact.json holds.", files=other
        )
    names = [name for name, one in evidence.run.artefacts.items() if one.kind == "patch"]
    if "adversarial" not in names:
        return unmet("The attack's patch is not stored, so no budget can be measured.")
    if said := unprintable(evidence.settings, {name: patch_of(evidence, name) for name in names}):
        return unmet(said)
    texels = {}
    for number, (scene, sticker) in enumerate(worn(evidence)):
        clean = scene.mesh.texture
        if number == 0 and not np.array_equal(evidence.texture("clean"), clean):
            return unmet("The stored clean texture is not the object's own, so nothing can be compared with it.")
        outside = sticker.coverage_map == 0
        for name in names:
            stored = read_image(_texture_path(evidence, name, scene, number))
            if n := int((stored != clean).any(2)[outside].sum()):
                return unmet(f"{n} texels outside the patch changed in {name} on {scene.name}.", outside=n)
            if not np.array_equal(stored, stuck(sticker, clean, patch_of(evidence, name))):
                return unmet(f"The texture of {name} on {scene.name} is not what its patch.png makes of the clean one.")
        texels[scene.name] = int(outside.size - outside.sum())
    if wrong := _other_size(evidence, names) or _other_shares(evidence):
        return unmet(wrong, texels=texels)
    record = patch_record(evidence.run, "adversarial")
    said = f"{record.size_mm[0]:g} x {record.size_mm[1]:g} mm over {record.area_mm2:.0f} mm2 of surface"
    said += ", in printable colours" if evidence.settings.printable else ""
    return met(
        f"From the 8-bit files: {said}; no texel outside it changed in {len(names)} patches; what a frame shows of it "
        f"agrees on {min(SOME_VIEWS, evidence.trials['view'].n_unique())} views.",
        texels=texels,
    )  # fmt: skip


def patch_of(evidence: Evidence, name: str) -> np.ndarray:
    return read_image(evidence.run.path / "artefacts" / name / "patch.png")


def _texture_path(evidence: Evidence, name: str, scene: Scene, number: int) -> Path:
    folder = evidence.run.path / "artefacts" / name
    return folder / (f"texture-{scene.name}.png" if number else "texture.png")


def _other_size(evidence: Evidence, names: list[str]) -> str:
    """ "" where size, area and picture are those that the files state."""
    _, sticker = worn(evidence)[0]
    for name in names:
        record, said = patch_record(evidence.run, name), (evidence.run.artefacts[name].model_extra or {})
        if content_hash(patch_of(evidence, name)) != said.get("patch_sha256"):
            return f"patch.png of {name} is not the picture whose hash artefact.json holds."
        if tuple(record.size_mm) != tuple(sticker.size_mm):
            return f"{name} is stated to be {record.size_mm} mm, run.json asked for {sticker.size_mm}."
        if abs(record.area_mm2 / sticker.area_mm2 - 1) > SAME_AREA_FRAC:
            return f"{name} is stated to cover {record.area_mm2:.0f} mm2, it covers {sticker.area_mm2:.0f}."
    return ""


def _other_shares(evidence: Evidence) -> str:
    """ "" where the stored share of the frame is what a render of some stored views gives."""
    for scene, sticker in worn(evidence):
        rows = evidence.clean.filter(pl.col("object") == scene.name).unique("view", maintain_order=True)
        rows = rows.gather_every(max(1, -(-len(rows) // SOME_VIEWS))).to_dicts()
        renderer = renderer_of(evidence, scene)
        prepared = [renderer.prepare(View(row["view"], "eval", row, 0)) for row in rows]
        of_frame, _ = shown(renderer, sticker.coverage_map, prepared)
        for row, share in zip(rows, of_frame, strict=True):
            if abs(row[SHARE] - share) > SAME_SHARE:
                return f"{row['view']} is stated to show {row[SHARE]:.2%} of patch, it shows {share:.2%}."
    return ""
