import dataclasses

import numpy as np
import pytest
import trimesh
from PIL import Image

from rig.errors import SceneError
from rig.images import encode_png
from rig.scene import load_scene, shrink
from rig.scene.mesh import normalized, read_mesh


@pytest.fixture
def textured() -> trimesh.Trimesh:
    """A tetrahedron with a 4 x 4 texture, away from the origin."""
    vertices = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1.0]]) + 5
    faces = [[0, 2, 1], [0, 1, 3], [0, 3, 2], [1, 2, 3]]
    uv = np.array([[0.1, 0.1], [0.9, 0.1], [0.1, 0.9], [0.5, 0.5]])
    pixels = np.arange(48, dtype=np.uint8).reshape(4, 4, 3) * 5
    material = trimesh.visual.material.PBRMaterial(baseColorTexture=Image.fromarray(pixels))
    return trimesh.Trimesh(
        vertices, faces, visual=trimesh.visual.TextureVisuals(uv=uv, material=material), process=False
    )


@pytest.mark.parametrize("suffix", ["glb", "obj"])
def test_a_written_mesh_is_read_back_with_uv_and_texture(tmp_path, textured, suffix):
    path = tmp_path / f"mesh.{suffix}"
    if suffix == "obj":
        textured.visual.material = textured.visual.material.to_simple()
    textured.export(path)
    mesh = read_mesh(path, up="z")
    assert mesh.texture.shape == (4, 4, 3)
    corners = mesh.vertices_m[mesh.faces]
    assert sorted(map(tuple, corners.reshape(-1, 3))) == sorted(
        map(tuple, textured.vertices[textured.faces].reshape(-1, 3))
    )
    by_place = {tuple(v): tuple(np.round(uv, 4)) for v, uv in zip(mesh.vertices_m, mesh.uv, strict=True)}
    assert by_place[tuple(textured.vertices[3])] == (0.5, 0.5)


def test_a_ply_with_uv_takes_its_texture_from_the_scene(tmp_path, textured):
    header = "ply\nformat ascii 1.0\nelement vertex 3\n" + "".join(
        f"property float {n}\n" for n in ("x", "y", "z", "s", "t")
    )
    body = (
        "element face 1\nproperty list uchar int vertex_indices\nend_header\n0 0 0 0 0\n1 0 0 1 0\n0 1 0 0 1\n3 0 1 2\n"
    )
    (tmp_path / "mesh.ply").write_text(header + body)
    (tmp_path / "t.png").write_bytes(encode_png(np.zeros((2, 2, 3), np.uint8)))
    mesh = read_mesh(tmp_path / "mesh.ply", tmp_path / "t.png")
    assert mesh.uv.shape == (3, 2)


def test_y_up_files_are_turned_to_z_up(tmp_path, textured):
    textured.export(tmp_path / "mesh.glb")
    as_z, as_y = (read_mesh(tmp_path / "mesh.glb", up=up) for up in "zy")
    np.testing.assert_allclose(as_y.vertices_m[:, 2], as_z.vertices_m[:, 1])
    np.testing.assert_allclose(as_y.vertices_m[:, 1], -as_z.vertices_m[:, 2])


def test_normalized_fills_its_bounding_sphere(tmp_path, textured):
    textured.export(tmp_path / "mesh.glb")
    mesh = normalized(read_mesh(tmp_path / "mesh.glb"), 0.25)
    distances = np.linalg.norm(mesh.vertices_m, axis=1)
    assert distances.max() == pytest.approx(0.25, rel=1e-6)
    assert np.sort(distances)[1] == pytest.approx(0.25, rel=1e-6)  # a minimal sphere touches several vertices


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("none.obj", None, "mesh file not found"),
        ("mesh.stl", b"solid", "not a mesh file; expected .obj .glb .gltf .ply"),
        ("mesh.glb", b"glTF not really", "cannot load the mesh"),
        ("mesh.obj", b"", "mesh"),
        ("mesh.obj", b"v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 3\n", "mesh has no UV coordinates"),
    ],
)
def test_an_unusable_mesh_is_one_line(tmp_path, name, content, message):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(SceneError, match=message) as caught:
        read_mesh(tmp_path / name)
    assert "\n" not in str(caught.value)


def test_a_texture_that_is_no_image_is_named(tmp_path):
    (tmp_path / "skin.png").write_text("not a picture")
    with pytest.raises(Exception, match="skin.png: not a readable image"):
        load_scene("baseball", (f"object.texture={tmp_path / 'skin.png'}",))


def test_a_mask_of_another_size_is_refused(tmp_path):
    (tmp_path / "mask.png").write_bytes(encode_png(np.zeros((8, 8, 3), np.uint8)))
    with pytest.raises(
        SceneError, match="mask and texture differ in size; got 8 x 8; expected the texture's, 512 x 512"
    ):
        load_scene("baseball", (f"object.paintable={tmp_path / 'mask.png'}",))


def test_shrink_averages_areas():
    checkers = np.indices((8, 8)).sum(0) % 2 * 255
    texture = np.repeat(checkers[..., None], 3, axis=2).astype(np.uint8)
    assert np.ptp(shrink(texture, 4)) <= 1
    assert shrink(texture, 4).mean() == pytest.approx(127.5, abs=1)
    assert shrink(texture, 16) is texture


def test_a_mesh_is_a_value():
    mesh = load_scene("baseball").mesh
    with pytest.raises(dataclasses.FrozenInstanceError):
        mesh.uv = None
