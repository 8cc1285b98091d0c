"""What may be painted: by mask image, material and ball, at every size of the texture."""

import dataclasses
import re

import numpy as np
import pytest
import trimesh
from PIL import Image

from rig.errors import SceneError
from rig.images import encode_png
from rig.scene import load_scene, rebuilt
from rig.scene.areas import MaterialArea, fitted, mask_of

SIDE_PX = 64


def squares(path, names=("body", "logo")):
    """A box of 6 quads in a GLB, the top one of the second material; each material with a 64 px texture of its own."""
    parts = []
    for name, faces in zip(names, (slice(0, 5), slice(5, 6)), strict=True):
        quads = QUADS[faces]
        corners = np.arange(4 * len(quads)).reshape(-1, 4)
        triangles = np.concatenate([corners[:, [0, 1, 2]], corners[:, [0, 2, 3]]])
        cell = 1 / len(quads)
        uv = [[(i + u) * cell, v] for i in range(len(quads)) for u, v in ((0, 0), (1, 0), (1, 1), (0, 1))]
        color = np.full((SIDE_PX, SIDE_PX, 3), 60 if name == names[0] else 200, np.uint8)
        material = trimesh.visual.material.PBRMaterial(name=name, baseColorTexture=Image.fromarray(color))
        visual = trimesh.visual.TextureVisuals(uv=np.array(uv), material=material)
        parts.append(trimesh.Trimesh(quads.reshape(-1, 3), triangles, visual=visual, process=False))
    trimesh.Scene(parts).export(path)
    return path


def _quads() -> np.ndarray:
    """(6, 4, 3) of the cube of side 2, counter-clockwise seen from outside, the top (+z) last."""
    found = []
    for axis in (0, 1, 2):
        for side in (-1.0, 1.0):
            flat = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1.0]])[:: int(side)]
            found.append(np.insert(flat if axis != 1 else flat[::-1], axis, side, axis=1))
    return np.array(found)


QUADS = _quads()


def box_scene(path, *settings, texture_px=None):
    common = (f"object.mesh={path}", "object.up=z", 'object.labels=["x"]')
    return load_scene("baseball", (*common, *settings), texture_px)


@pytest.fixture(scope="module")
def box_path(tmp_path_factory):
    return squares(tmp_path_factory.mktemp("box") / "box.glb")


def texels_of_logo(scene):
    """By colour: the second road."""
    return np.abs(scene.mesh.texture.astype(int) - 200).max(axis=2) <= 1


def test_a_material_alone_is_painted(box_path):
    scene = box_scene(box_path, 'object.paintable={material="logo"}')
    assert scene.paintable.sum() > 0.9 * texels_of_logo(scene).sum() > 1000
    assert not scene.paintable[np.abs(scene.mesh.texture.astype(int) - 60).max(axis=2) <= 1].any()


def test_a_protected_material_is_left_out_whole(box_path):
    scene = box_scene(box_path, 'object.protected={material="logo"}')
    in_logo = texels_of_logo(scene)
    assert not scene.paintable[in_logo].any()
    assert scene.paintable[~in_logo].mean() > 0.9


@pytest.mark.parametrize("texture_px", [None, 50, 16])
def test_a_ball_protects_the_surface_within_it_at_every_texture_size(box_path, texture_px):
    """The texels of the quad at x = +1 whose place, on a grid of that quad, lies in a ball: pi r^2 / 4 of its area."""
    free = box_scene(box_path, texture_px=texture_px)
    radius = free.mesh.vertices_m[:, 0].max()  # half a side after scaling
    ball = f"object.protected={{center_m=[{radius},0,0],radius_m={0.8 * radius}}}"
    scene = box_scene(box_path, ball, texture_px=texture_px)
    protected = (~scene.paintable).sum() / scene.paintable.size
    disc = np.pi * 0.8**2 / 4 * _share_of_a_body_quad(scene)
    assert disc * 0.95 <= protected <= disc * 1.2 + 8 / scene.paintable.shape[0]


def _share_of_a_body_quad(scene):
    texture = scene.mesh.texture.astype(int)
    return (np.abs(texture - 60).max(axis=2) <= 1).mean() / 5


def test_a_mask_shrinks_with_the_texture_and_never_gives_up_a_black_texel(tmp_path, box_path):
    mask = np.full((512, 512, 3), 255, np.uint8)
    (tmp_path / "skin.png").write_bytes(encode_png(mask))
    mask[101:200, 37:300] = 0
    (tmp_path / "mask.png").write_bytes(encode_png(mask))
    for texture_px in (512, 200, 64):
        files = f"object.texture={tmp_path / 'skin.png'}", f"object.paintable={tmp_path / 'mask.png'}"
        scene = box_scene(box_path, *files, texture_px=texture_px)
        assert scene.paintable.shape == scene.mesh.texture.shape[:2] == (texture_px, texture_px)
        blown_up = np.kron(scene.paintable, np.ones((-(-512 // texture_px),) * 2, bool))
        if 512 % texture_px == 0:
            assert not (blown_up & (mask[..., 0] == 0)).any()
        assert scene.paintable.mean() == pytest.approx((mask[..., 0] > 0).mean(), abs=0.02)


def test_fitted_asks_for_all_that_a_texel_stands_for():
    mask = np.ones((6, 6), bool)
    mask[0, 0] = mask[3, 4] = False
    np.testing.assert_array_equal(fitted(mask, (3, 3)), [[False, True, True], [True, True, False], [True, True, True]])
    np.testing.assert_array_equal(fitted(mask, (12, 12)), np.kron(mask, np.ones((2, 2), bool)))


def test_without_a_mask_everything_is_painted_and_another_texture_keeps_the_mask(box_path):
    assert box_scene(box_path).paintable.all()
    scene = box_scene(box_path, 'object.protected={material="logo"}')
    assert not scene.with_texture(255 - scene.mesh.texture).paintable[texels_of_logo(scene)].any()


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ('object.paintable={material="lgo"}', "no such material; got lgo; expected body or logo"),
        ('object.paintable={material=["logo","x"]}', "no such material; got x"),
        ("object.protected={center_m=[0,0,9],radius_m=0.1}", "[object] protected: no texel lies in the area"),
        ("object.protected={center_m=[0,0,0],radius_m=9}", "nothing is left that may be changed"),
        ("object.protected={center_m=[0,0,0],radius_m=-1}", "[object] protected: radius_m: Input should be greater"),
        ("object.paintable={center_m=[0,0]}", 'paintable: expected "all", a mask image, {material = "NAME"} or'),
        ("object.paintable=3", 'paintable: expected "all", a mask image'),
        ("object.protected=none.png", "none.png: cannot read the file"),
    ],
)
def test_a_bad_area_is_one_line_before_anything_is_made(box_path, setting, message):
    with pytest.raises(SceneError if "none.png" not in setting else Exception, match=re.escape(message)) as caught:
        box_scene(box_path, setting)
    assert "\n" not in str(caught.value)


def test_an_objects_material_without_a_name_cannot_be_chosen(box_path):
    mesh = dataclasses.replace(box_scene(box_path).mesh, materials=None)  # as a built-in object's
    with pytest.raises(SceneError, match="this object's materials have no names"):
        mask_of("all", MaterialArea(material=("logo",)), mesh, "scene")


@pytest.mark.parametrize("key", ["paintable", "protected"])
def test_a_scene_files_mask_lies_in_its_folder(tmp_path, key):
    path = tmp_path / "scene.toml"
    path.write_text(f'[object]\nbuiltin = "baseball"\nlabels = ["x"]\n{key} = "../mask.png"\n')
    with pytest.raises(SceneError, match="path leaves the scene's folder"):
        load_scene(path)


def test_areas_stand_in_scene_files_and_come_back_from_a_runs_config(tmp_path, box_path):
    (tmp_path / "box.glb").write_bytes(box_path.read_bytes())
    area = "protected = {center_m = [1.0, 0, 0], radius_m = 0.6}"
    (tmp_path / "scene.toml").write_text(f'[object]\nmesh = "box.glb"\nlabels = ["x"]\n{area}\n')
    scene = load_scene(tmp_path)
    again = rebuilt(scene.config.model_dump(mode="json"))
    np.testing.assert_array_equal(again.paintable, scene.paintable)
    assert 0.5 < scene.paintable.mean() < 0.99
