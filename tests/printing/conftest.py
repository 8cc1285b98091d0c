"""A run of a cuboid whose every face is one island, each with colours and uv proportions of its own."""

from pathlib import Path

import numpy as np
import pytest

from rig.attack.settings import AttackSettings
from rig.campaign import TextureJob
from rig.campaign.records import scene_hashes
from rig.contracts import Artefact
from rig.images import encode_png
from rig.runs import RunFolder
from rig.scene import load_scene

SIDES_MM = np.array([40.0, 60.0, 90.0])
CELLS = 3, 2  # faces in the texture: columns, rows
TEXTURE_PX = 192  # 64 x 96 texels a face, in 8 x 8 blocks of one colour


def box_obj() -> str:
    """Six rectangles, counter-clockwise from outside; one is painted inside out."""
    lines, n = [], 0
    for axis in range(3):
        for side in (0, 1):
            along = [(axis + 1) % 3, (axis + 2) % 3][:: 1 if side else -1]
            corners = np.zeros((4, 3))
            corners[:, axis] = side
            corners[[1, 2], along[0]] = 1
            corners[[2, 3], along[1]] = 1
            number = 2 * axis + side
            left, low = number % CELLS[0] / CELLS[0], number // CELLS[0] / CELLS[1]
            uv = np.array([[0, 0], [1, 0], [1, 1], [0, 1]], float)
            if number == 3:
                uv[:, 0] = 1 - uv[:, 0]
            uv = (0.02 + 0.96 * uv) / CELLS + [left, low]
            lines += ["v {:.9f} {:.9f} {:.9f}".format(*corner) for corner in corners * SIDES_MM]
            lines += ["vt {:.9f} {:.9f}".format(*at) for at in uv]
            lines += ["f " + " ".join(f"{n + k}/{n + k}" for k in three) for three in ((1, 2, 3), (1, 3, 4))]
            n += 4
    return "\n".join(lines)


def blocks(seed: int) -> np.ndarray:
    colors = np.random.default_rng(seed).integers(40, 230, (TEXTURE_PX // 8, TEXTURE_PX // 8, 3)).astype(np.uint8)
    return np.repeat(np.repeat(colors, 8, axis=0), 8, axis=1)


def make_run(folder: Path, scene_path: Path | str, texture: np.ndarray, settings: tuple[str, ...] = ()) -> Path:
    """What `rig attack texture` leaves of a texture, through the functions it uses; nothing is optimised."""
    scene = load_scene(scene_path, settings, TEXTURE_PX)
    attack = AttackSettings(texture_px=TEXTURE_PX)
    job = TextureJob(scene.config.model_dump(mode="json"), ("none",), attack, views=1, seed=0)
    run = RunFolder.start(folder, ["rig"], job.config(), 0)
    run.state["hashes"] = scene_hashes(scene)
    run.save()
    for name, painted in (("clean", scene.mesh.texture), ("adversarial", texture)):
        run.save_artefact(Artefact(name, painted, {"name": name, "kind": "texture"}))
    return folder


@pytest.fixture(scope="session")
def box_run(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("box")
    (folder / "box.obj").write_text(box_obj())
    (folder / "box.png").write_bytes(encode_png(blocks(0)))
    (folder / "scene.toml").write_text(
        'preset = "eot-sim"\n[object]\nmesh = "box.obj"\ntexture = "box.png"\nlabels = ["carton"]\nup = "z"\n'
    )
    return make_run(folder / "run", folder, blocks(1))
