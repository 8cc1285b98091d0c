"""The torch image of a clean scene against pyrender's own, and against other roads where pyrender has none."""

import dataclasses

import numpy as np
import pytest
import torch

from rig.errors import RigError
from rig.geometry import intrinsics_from_fov
from rig.render import Renderer, texture_tensor
from rig.render.reference import pyrender_flat
from rig.scene import load_scene
from rig.views import draw_views

SIZE_PX = 224


@pytest.fixture(scope="module", params=["turtle", "baseball"])
def pairs(request):
    """(ours, pyrender's, covered by both) for six views, bilinear lookup on both sides."""
    scene = load_scene(request.param)
    renderer = Renderer(scene, (SIZE_PX, SIZE_PX))
    found = []
    for view in draw_views(scene.config, 6, 0, "parity"):
        camera = intrinsics_from_fov(SIZE_PX, SIZE_PX, view.values["fov_deg"])
        try:
            reference = pyrender_flat(scene.mesh, camera, renderer.world_from_camera(view))
        except RigError as error:
            pytest.skip(str(error))
        prepared = renderer.prepare(view)
        unfiltered = dataclasses.replace(prepared, lod=torch.zeros_like(prepared.lod))
        covered = np.zeros(SIZE_PX * SIZE_PX, bool)
        covered[prepared.pixels.numpy()] = True
        ours = renderer.frames(scene.mesh.texture, [unfiltered])[0].image
        found.append(
            (ours.astype(int), reference[..., :3].astype(int), covered.reshape(SIZE_PX, SIZE_PX), reference[..., 3] > 0)
        )
    return found


def test_the_silhouette_is_pyrenders_to_a_few_edge_pixels(pairs):
    for _, _, ours, theirs in pairs:
        assert (ours != theirs).sum() <= 8  # pixel centres that an edge goes through, to rounding
        assert ours.sum() > 2000


def test_flat_colours_are_pyrenders_within_one_step_of_255(pairs):
    """llvmpipe filters 8-bit texels in fixed point: up to a step. Edge pixels between two charts may fall on either."""
    for ours, theirs, *covered in pairs:
        difference = np.abs(ours - theirs).max(axis=-1)[covered[0] & covered[1]]
        assert np.quantile(difference, 0.995) <= 1
        assert difference.mean() < 0.6


def test_mip_filtering_is_closer_to_supersampling_than_bilinear_lookup():
    """The truth is a render of 6 x 6 samples a pixel, averaged."""
    scene = load_scene("turtle")
    coarse, fine = Renderer(scene, (112, 112)), Renderer(scene, (672, 672))
    texture = texture_tensor(scene.mesh.texture)
    errors = {"mip": 0.0, "bilinear": 0.0}
    for view in draw_views(scene.config, 4, 0, "parity"):
        truth = torch.nn.functional.avg_pool2d(fine.render(texture, [fine.prepare(view)]), 6)[0]
        prepared = coarse.prepare(view)
        inside = torch.nn.functional.avg_pool2d(_mask(fine, view)[None], 6)[0] == 1
        for name, lod in (("mip", prepared.lod), ("bilinear", torch.zeros_like(prepared.lod))):
            image = coarse.render(texture, [dataclasses.replace(prepared, lod=lod)])[0]
            errors[name] += ((image - truth)[:, inside] ** 2).mean().item()
    assert errors["mip"] < 0.5 * errors["bilinear"]


def _mask(renderer: Renderer, view) -> torch.Tensor:
    mask = torch.zeros(renderer.height_px * renderer.width_px)
    mask[renderer.prepare(view).pixels] = 1
    return mask.view(renderer.height_px, renderer.width_px)
