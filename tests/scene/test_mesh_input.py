"""Meshes as people have them: each oddity is repaired, or told in one line."""

import numpy as np
import pytest
import trimesh
from typer.testing import CliRunner
from uv_ball import ball

from rig.cli import app
from rig.contracts import Mesh
from rig.errors import SceneError
from rig.render import Renderer
from rig.scene import bounding, load_scene
from rig.scene import mesh as mesh_module
from rig.scene.bounding import bounding_sphere
from rig.scene.findings import file_findings, texture_findings
from rig.scene.layout import layout_of
from rig.scene.mesh import read_mesh
from rig.scene.outward import Edges
from rig.scene.unwrap import laid_out, unwrap
from rig.views import draw_views


def looks_outwards(mesh: Mesh) -> float:
    """Share of normals that point away from the centre, of faces likewise."""
    a, b, c = np.moveaxis(mesh.vertices_m[mesh.faces], 1, 0)
    of_faces = np.einsum("fi,fi->f", np.cross(b - a, c - a), a + b + c) > 0
    of_normals = np.einsum("ni,ni->n", mesh.normals, mesh.vertices_m) > 0
    return min(of_faces.mean(), of_normals.mean())


def test_a_sound_mesh_is_not_talked_about(tmp_path):
    path = ball(tmp_path / "ball.glb", normals=trimesh.creation.icosphere().vertices[:1].repeat(325, 0))
    vertices = read_mesh(path, up="z").vertices_m
    path = ball(tmp_path / "ball.glb", normals=vertices)
    assert file_findings(path) == []
    assert texture_findings(read_mesh(path)) == []


def test_a_mesh_inside_out_is_turned_and_told(tmp_path):
    path = ball(tmp_path / "ball.glb", lambda vertices, faces, uv: (vertices, faces[:, ::-1], uv))
    assert looks_outwards(read_mesh(path, up="z")) == 1
    assert "the mesh is inside out: all its faces are turned" in file_findings(path)


@pytest.mark.parametrize("spoil", [np.negative, np.zeros_like, lambda normals: np.full_like(normals, np.nan)])
def test_normals_that_point_inwards_or_nowhere_are_made_anew(tmp_path, spoil):
    sound = read_mesh(ball(tmp_path / "ball.glb"), up="z")
    normals = sound.vertices_m.copy()
    normals[:100] = spoil(normals[:100])
    path = ball(tmp_path / "spoilt.glb", normals=normals)
    mesh = read_mesh(path, up="z")
    assert looks_outwards(mesh) == 1
    np.testing.assert_allclose(np.linalg.norm(mesh.normals, axis=1), 1, rtol=1e-6)
    np.testing.assert_allclose(mesh.normals[100:], sound.vertices_m[100:], atol=0.01)  # the file's own are kept
    assert any(line.startswith("100 of 325 normals are missing or point inwards") for line in file_findings(path))


def test_the_files_own_normals_are_used(tmp_path):
    """Tilted by a known turn, so that those made from the faces would differ."""
    sound = read_mesh(ball(tmp_path / "ball.glb"), up="z")
    tilted = sound.vertices_m @ trimesh.transformations.rotation_matrix(0.3, [1, 2, 3])[:3, :3].T
    mesh = read_mesh(ball(tmp_path / "tilted.glb", normals=tilted), up="z")
    np.testing.assert_allclose(mesh.normals, tilted, atol=0.01)
    assert "the file has no normals: made from the faces" in file_findings(tmp_path / "ball.glb")


def test_faces_turned_over_open_edges_and_crowded_ones_are_counted_as_trimesh_does(tmp_path):
    def spoil(vertices, faces, uv):
        faces = np.concatenate([faces[1:], faces[5:6]])  # one missing, one twice
        faces[100] = faces[100, ::-1]
        return vertices, faces, uv

    path = ball(tmp_path / "ball.glb", spoil)
    raw = trimesh.load_mesh(path)
    merged = trimesh.Trimesh(raw.vertices, raw.faces, process=False)
    merged.merge_vertices(merge_tex=True, merge_norm=True)
    counts = np.unique(merged.edges_sorted, axis=0, return_counts=True)[1]
    edges = Edges(raw.vertices, raw.faces)
    assert (edges.n, edges.n_open, edges.n_crowded) == (len(counts), (counts == 1).sum(), (counts > 2).sum())
    assert (edges.n_open, edges.n_crowded, edges.n_against) == (3, 3, 3)
    said = " ".join(file_findings(path))
    assert "not a manifold: 3 edges join more than two faces" in said and "open: 3 edges" in said
    assert "of which one is turned over" in said


def test_the_share_of_overlapping_uvs_is_that_of_known_squares():
    """Two unit squares on a layout of which 0.25 x 1 lies on the other: 0.25 of 1.75."""
    square = np.array([[0, 0], [1, 0], [1, 1], [0, 1.0]]) / 2
    uv = np.concatenate([square, square + [0.375, 0]]) % 1.0001
    faces = np.array([[0, 1, 2], [0, 2, 3], [4, 5, 6], [4, 6, 7]], np.int32)
    vertices = np.c_[uv, np.zeros(8)]
    mesh = Mesh(vertices, faces, uv, vertices, np.zeros((256, 256, 3), np.uint8))
    layout = layout_of(mesh)
    assert layout.shared.sum() / layout.used.sum() == pytest.approx(0.25 / 1.75, abs=0.01)
    assert texture_findings(mesh)[0].startswith("UVs overlap: 14% of the used texels")
    mirrored = Mesh(vertices, faces[:, ::-1], uv, vertices, mesh.texture)
    assert layout_of(mirrored).shared.sum() == layout.shared.sum()
    elsewhere = Mesh(vertices, faces, uv + [3, -2], vertices, mesh.texture)  # textures repeat
    assert layout_of(elsewhere).shared.sum() == pytest.approx(layout.shared.sum(), rel=0.01)


def mirrored_halves(vertices, faces, uv):
    """Left and right show the same texels, as artists do."""
    return vertices, faces, np.stack([np.abs(2 * uv[:, 0] - 1), uv[:, 1]], axis=1)


def test_an_unwrapped_mesh_shares_no_texel_and_looks_the_same(tmp_path):
    path = ball(tmp_path / "ball.glb", mirrored_halves)
    assert any("UVs overlap" in line for line in texture_findings(read_mesh(path)))
    result = CliRunner().invoke(app, ["scene", "unwrap", str(path), "--out", str(tmp_path / "new"), "--size", "256"])
    assert result.exit_code == 0, result.output
    layout = layout_of(read_mesh(tmp_path / "new/ball.glb"))
    assert layout.shared.sum() < 0.001 * layout.used.sum()
    images = [seen(one) for one in (path, tmp_path / "new/ball.glb")]
    assert np.abs(images[0].astype(int) - images[1]).mean() < 2 < images[0].std()


def seen(path):
    scene = load_scene("baseball", (f"object.mesh={path}", "object.up=z"))
    renderer = Renderer(scene, (64, 64))
    prepared = [renderer.prepare(view) for view in draw_views(scene.config, 4, 0, "eval")]
    return np.stack([frame.image for frame in renderer.frames(scene.mesh.texture, prepared)])


def test_unwrapping_without_xatlas_names_the_package(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "xatlas", None)
    with pytest.raises(SceneError, match="unwrapping needs xatlas; pip install"):
        unwrap(ball(tmp_path / "ball.glb"), tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_several_materials_are_named_in_the_summary(tmp_path):
    ball(tmp_path / "one.glb")
    one = trimesh.load_scene(tmp_path / "one.glb").dump()[0]
    two = one.copy().apply_translation([3, 0, 0])
    two.visual.material = two.visual.material.copy()
    two.visual.material.name = "shell"
    two.visual.uv = two.visual.uv * 2
    trimesh.Scene([one, two]).export(tmp_path / "two.glb")
    result = CliRunner().invoke(
        app, ["scene", "check", "baseball", "--set", f"object.mesh={tmp_path / 'two.glb'}"], catch_exceptions=False
    )
    assert "2 materials, their textures packed into one: " in result.output
    assert "UVs of shell lie outside 0 .. 1" in result.output
    assert set(read_mesh(tmp_path / "two.glb").materials) == {"skin", "shell"}


def test_tiny_and_large_textures_and_many_faces_are_told(tmp_path, monkeypatch):
    small = texture_findings(read_mesh(ball(tmp_path / "ball.glb", texture_px=16)))
    assert small[0].startswith("the texture has 16 x 16 texels only: too coarse to paint on")
    large = ball(tmp_path / "large.glb", texture_px=128)
    monkeypatch.setattr("rig.scene.findings.FINE_PX", 128)
    monkeypatch.setattr("rig.scene.findings.MANY_FACES", 500)
    assert [line.split(":")[0].split(";")[0] for line in texture_findings(read_mesh(large))] == [
        "the texture has 128 x 128 texels",
        "620 faces",
    ]


def test_a_mesh_beyond_all_bounds_is_refused_in_one_line(tmp_path, monkeypatch):
    monkeypatch.setattr(mesh_module, "MOST_FACES", 100)
    with pytest.raises(SceneError, match="mesh is too large; got 620 faces; expected at most 100; decimate it"):
        read_mesh(ball(tmp_path / "ball.glb"))


def test_the_sphere_around_many_points_is_the_smallest(monkeypatch):
    """The unit ball's, wherever it lies: a cloud inside it and points of its surface on all sides."""
    rng = np.random.default_rng(0)
    directions = trimesh.unitize(rng.normal(size=(400, 3)))
    points = np.concatenate([directions, -directions, 0.9 * directions * rng.random((400, 1))]) + [1, 2, 3]
    monkeypatch.setattr(bounding, "FEW_POINTS", 100)
    center, radius = bounding_sphere(points)
    np.testing.assert_allclose(center, [1, 2, 3], atol=2e-3)
    assert 1 <= radius < 1.002


def test_a_flat_mesh_has_a_sphere_too():
    square = np.array([[0, 0, 0], [2, 0, 0], [2, 1, 0], [0, 1, 0.0]])
    center, radius = bounding_sphere(square)
    np.testing.assert_allclose(center, [1, 0.5, 0], atol=2e-3)
    assert radius == pytest.approx(np.sqrt(5) / 2, rel=2e-3)


def test_the_new_layout_keeps_faces_and_materials(tmp_path):
    mesh = read_mesh(ball(tmp_path / "ball.glb"))
    found = laid_out(mesh, 128)
    np.testing.assert_allclose(found.vertices_m[found.faces], mesh.vertices_m[mesh.faces], atol=1e-6)
    assert set(found.materials) == {"skin"}
