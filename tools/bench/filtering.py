"""How close each rule for the mip level comes to a supersampled render.

    .venv/bin/python tools/bench/filtering.py [--scene turtle] [--views 40]

Prints the rms difference (of 255) inside the object between a 224 px render and the average of 6 x 6 samples a pixel.
"""

import argparse
import dataclasses

import numpy as np
import torch
import torch.nn.functional as F

from rig.render import Renderer, texture_tensor
from rig.render.gbuffer import MAX_LOD, _side_squared
from rig.scene import load_scene
from rig.views import draw_views

SIZE_PX, SAMPLES = 224, 6
RULES = {
    "half the diagonal (rig)": lambda x, y: (x + y) / 4,
    "longer side (OpenGL)": np.maximum,
    "shorter side": np.minimum,
    "geometric mean": lambda x, y: np.sqrt(x * y),
    "no mip levels": lambda x, y: np.ones_like(x),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scene", default="turtle")
    parser.add_argument("--views", type=int, default=40)
    asked = parser.parse_args()
    scene = load_scene(asked.scene, texture_px=512)
    coarse, fine = Renderer(scene, (SIZE_PX, SIZE_PX)), Renderer(scene, (SIZE_PX * SAMPLES, SIZE_PX * SAMPLES))
    texture = texture_tensor(scene.mesh.texture)
    errors = {name: [] for name in RULES}
    for view in draw_views(scene.config, asked.views, 0, "bench"):
        dense = fine.prepare(view)
        truth = F.avg_pool2d(fine.render(texture, [dense]), SAMPLES)[0]
        inside = F.avg_pool2d(mask(fine, dense)[None], SAMPLES)[0] == 1
        prepared = coarse.prepare(view)
        for name, lod in levels(prepared, texture.shape).items():
            image = coarse.render(texture, [dataclasses.replace(prepared, lod=lod)])[0]
            errors[name].append(((image - truth)[:, inside] ** 2).mean().item())
    for name, found in errors.items():
        print(f"{name:26} {255 * np.mean(found) ** 0.5:5.2f}")


def levels(prepared, texture_shape) -> dict[str, torch.Tensor]:
    """Every rule's level of detail at the covered pixels."""
    texels = np.zeros((SIZE_PX * SIZE_PX, 2), np.float32)
    texels[prepared.pixels] = prepared.uv.numpy() * [texture_shape[2], texture_shape[1]]
    covered = np.zeros(SIZE_PX * SIZE_PX, bool)
    covered[prepared.pixels] = True
    covered = covered.reshape(SIZE_PX, SIZE_PX)
    column, row = texels.T.reshape(2, SIZE_PX, SIZE_PX)
    along_u, along_v = _side_squared(column, row, covered), _side_squared(column.T, row.T, covered.T).T
    found = {}
    for name, rule in RULES.items():
        lod = np.clip(0.5 * np.log2(np.maximum(rule(along_u, along_v), 1.0)), 0, MAX_LOD)
        found[name] = torch.from_numpy(lod.reshape(-1)[prepared.pixels].astype(np.float32))
    return found


def mask(renderer: Renderer, prepared) -> torch.Tensor:
    covered = torch.zeros(renderer.height_px * renderer.width_px)
    covered[prepared.pixels] = 1
    return covered.view(renderer.height_px, renderer.width_px)


if __name__ == "__main__":
    main()
