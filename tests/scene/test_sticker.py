"""Stickers in millimetres: measured on the painted texture itself, lifted back to the mesh, and by closed forms."""

import dataclasses
import sys
from pathlib import Path

import numpy as np
import pytest
import trimesh

sys.path.insert(0, str(Path(__file__).parents[1]))  # sticker_scene
from sticker_scene import SIDES_MM, TEXTURE_PX, lifted, write_box  # noqa: E402

from rig.attack.patch import stuck
from rig.contracts import Mesh
from rig.errors import RigError
from rig.geometry import direction
from rig.images import encode_png
from rig.render import Renderer
from rig.scene import load_scene
from rig.scene.mesh import normalized
from rig.scene.sticker import StickerSettings, outline_of, stick
from rig.views import draw_views

ON_FRONT = {"size_mm": (300, 200), "at_deg": (0, 10), "object_mm": 900}


@pytest.fixture(scope="module")
def box(tmp_path_factory):
    return load_scene(write_box(tmp_path_factory.mktemp("box")))


@pytest.fixture(scope="module")
def ball(box):
    """A sphere of 100 mm whose texture is longitude and latitude."""
    made = trimesh.creation.uv_sphere(radius=1.0, count=[32, 64])
    azimuth = np.arctan2(made.vertices[:, 1], made.vertices[:, 0])
    uv = np.stack([azimuth / (2 * np.pi) + 0.5, np.arcsin(made.vertices[:, 2].clip(-1, 1)) / np.pi + 0.5], axis=1)
    seam = np.ptp(uv[made.faces][..., 0], axis=1) > 0.5  # round the back, where no sticker of these tests is
    texture = np.zeros((256, 512, 3), np.uint8)
    mesh = Mesh(made.vertices, made.faces[~seam].astype(np.int32), uv, made.vertices.copy(), texture)
    return dataclasses.replace(box, mesh=mesh)


def settings(**changes) -> StickerSettings:
    return StickerSettings(**(ON_FRONT | changes))


def painted(scene, sticker) -> np.ndarray:
    """Flat indices of the texels that a white sticker changes in the saved 8-bit texture, by half or more."""
    black = np.zeros_like(scene.mesh.texture)
    white = np.full((*sticker.patch_px, 3), 255, np.uint8)
    return np.flatnonzero(stuck(sticker, black, white)[..., 0].ravel() >= 128)


def on_surface(scene, sticker) -> tuple[np.ndarray, np.ndarray]:
    points, owner = lifted(scene.mesh, painted(scene, sticker))
    return points[owner >= 0], owner[owner >= 0]


def on_ball(scene, sticker) -> np.ndarray:
    """Directions of the painted texels, by the texture's own longitudes and latitudes."""
    rows, columns = np.divmod(painted(scene, sticker), 512)
    return direction((columns + 0.5) / 512 * 360 - 180, 90 - (rows + 0.5) / 256 * 180)


def mm_of(scene, longest_mm: float = 900.0) -> float:
    return longest_mm / np.ptp(scene.mesh.vertices_m, axis=0).max()


@pytest.mark.parametrize("lies", ["planar", "curved"])
def test_a_sticker_on_a_flat_face_has_its_millimetres(box, lies):
    sticker = stick(box, settings(lies=lies))
    points, owner = on_surface(box, sticker)
    points_mm, texel_mm = points * mm_of(box), 600 / (0.96 * TEXTURE_PX / 3)
    assert len(set(owner)) == 2  # both triangles of the front face
    np.testing.assert_allclose(points_mm[:, 0], SIDES_MM[0] / 2, atol=1e-6)
    spans = np.ptp(points_mm[:, 1:], axis=0)  # of texels' middles: a texel short of the whole
    np.testing.assert_allclose(spans + texel_mm, (300, 200), atol=1.5 * texel_mm)
    assert sticker.area_mm2 == pytest.approx(300 * 200, rel=1e-6)


def test_the_painted_area_is_the_stated_one_within_a_quarter_texel_at_each_edge(box):
    for at in ((0, 10), (3, -7), (95, 20)):
        sticker = stick(box, settings(at_deg=at))
        points, owner = lifted(box.mesh, sticker.texels)
        corners = box.mesh.vertices_m[box.mesh.faces]
        surface = np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1) / 2
        drawn = np.abs(np.linalg.det(np.diff(box.mesh.uv[box.mesh.faces], axis=1))) / 2 * TEXTURE_PX**2
        area_mm2 = float((sticker.coverage * (surface / drawn)[owner])[owner >= 0].sum()) * mm_of(box) ** 2
        quarter_mm = 0.25 * sticker.texel_mm * 1.5
        most = (300 + 2 * quarter_mm) * (200 + 2 * quarter_mm) - 300 * 200
        assert area_mm2 == pytest.approx(sticker.area_mm2, abs=most)


def test_a_curved_sticker_folds_around_an_edge_and_keeps_its_size(box):
    at_deg = float(np.degrees(np.arctan2(SIDES_MM[1] / 2, SIDES_MM[0] / 2))) - 12
    sticker = stick(box, settings(at_deg=(at_deg, 0), size_mm=(300, 300)))
    points, _ = on_surface(box, sticker)
    points_mm, half = points * mm_of(box), SIDES_MM[0] / 2
    front, side = np.isclose(points_mm[:, 0], half), np.isclose(points_mm[:, 1], half)
    assert front.sum() > 100 and side.sum() > 100 and (front | side).all()
    along = np.where(front, points_mm[:, 1] - half, half - points_mm[:, 0])  # from the edge, flat
    assert np.ptp(along) == pytest.approx(300, abs=3 * sticker.texel_mm)
    assert np.ptp(points_mm[:, 2]) == pytest.approx(300, abs=3 * sticker.texel_mm)
    assert sticker.area_mm2 == pytest.approx(300 * 300, rel=0.02)


def test_a_curved_sticker_on_a_ball_keeps_lengths_from_its_middle(ball):
    """Great-circle distances of the painted texels; the area by the closed form of geodesic polar coordinates."""
    sticker = stick(ball, StickerSettings(size_mm=(60, 40), at_deg=(0, 20), object_mm=100))
    points, middle = on_ball(ball, sticker), direction(0, 20)
    right, up = np.array([0.0, 1.0, 0.0]), np.cross(middle, [0.0, 1.0, 0.0])
    away_mm = 50 * np.arccos(np.clip(points @ middle, -1, 1))
    bearing = np.arctan2(points @ up, points @ right)
    x, y = np.abs(away_mm * np.cos(bearing)), np.abs(away_mm * np.sin(bearing))
    assert x[y < 2].max() == pytest.approx(30, abs=0.7) and y[x < 2].max() == pytest.approx(20, abs=0.7)
    assert away_mm.max() == pytest.approx(np.hypot(30, 20), abs=1.5)  # at the corners
    grid = np.stack(np.meshgrid((np.arange(600) + 0.5) / 10 - 30, (np.arange(400) + 0.5) / 10 - 20))
    angle = np.linalg.norm(grid, axis=0) / 50
    assert sticker.area_mm2 == pytest.approx(float((np.sin(angle) / angle).sum()) / 100, rel=0.01)


def test_a_planar_sticker_on_a_ball_has_its_size_as_seen_from_in_front(ball):
    sticker = stick(ball, StickerSettings(size_mm=(60, 40), at_deg=(0, 20), object_mm=100, lies="planar"))
    points_mm, middle = on_ball(ball, sticker) * 50, direction(0, 20)
    assert np.ptp(points_mm[:, 1]) == pytest.approx(60, abs=1.5)
    assert np.ptp(points_mm @ np.cross(middle, [0, 1, 0])) == pytest.approx(40, abs=1.5)
    grid = np.stack(np.meshgrid((np.arange(600) + 0.5) / 10 - 30, (np.arange(400) + 0.5) / 10 - 20))
    under = float((1 / np.sqrt(1 - ((grid / 50) ** 2).sum(axis=0))).sum()) / 100
    assert sticker.area_mm2 == pytest.approx(under, rel=0.01)


@pytest.mark.parametrize(("roll_deg", "red_is"), [(0, "left"), (90, "below"), (180, "right")])
def test_the_picture_stands_upright_unmirrored_and_turns_counter_clockwise(box, roll_deg, red_is):
    sticker = stick(box, settings(size_mm=(300, 300), roll_deg=roll_deg))
    patch = np.zeros((*sticker.patch_px, 3), np.uint8)
    patch[:, : patch.shape[1] // 2, 0] = 255
    patch[:, patch.shape[1] // 2 :, 1] = 255
    (view,) = draw_views(box.config, 1, 0, "eval")
    still = {"azimuth_deg": 0.0, "elevation_deg": 0.0, "offset_x_frac": 0.0, "offset_y_frac": 0.0}
    renderer = Renderer(box, (96, 96))
    prepared = [renderer.prepare(dataclasses.replace(view, values={**view.values, **still}))]
    frame = renderer.frames(stuck(sticker, box.mesh.texture, patch), prepared)[0].image.astype(int)
    places = [np.argwhere(frame[..., one] - frame[..., 1 - one] > 100).mean(axis=0) for one in (0, 1)]
    down, right = places[1] - places[0]  # from red to green
    towards = {"left": right > 5 > abs(down), "below": -down > 5 > abs(right), "right": -right > 5 > abs(down)}
    assert towards[red_is]


def test_the_way_back_is_the_transpose_and_nothing_else_changes(box):
    sticker, rng = stick(box, settings(shape="ellipse", at_deg=(20, 30))), np.random.default_rng(0)
    clean = rng.random((3, TEXTURE_PX, TEXTURE_PX), np.float32)
    first, second = rng.random((2, 3, *sticker.patch_px), np.float32)
    pull = rng.normal(size=clean.shape).astype(np.float32)
    moved = sticker.on(clean, first) - sticker.on(clean, second)
    assert float((moved.astype(float) * pull).sum()) == pytest.approx(
        float(((first - second).astype(float) * sticker.back(pull)).sum()), rel=1e-4
    )
    np.testing.assert_array_equal(
        sticker.on(clean, first)[:, sticker.coverage_map == 0], clean[:, sticker.coverage_map == 0]
    )
    np.testing.assert_allclose(sticker.mix.sum(axis=1), 1, rtol=1e-5)


def test_an_ellipse_covers_its_share(box):
    sticker = stick(box, settings(shape="ellipse"))
    assert sticker.area_mm2 == pytest.approx(np.pi / 4 * 300 * 200, rel=0.005)


def test_a_mask_is_cut_out_as_it_is_drawn(box, tmp_path):
    mask = np.zeros((20, 30, 3), np.uint8)
    mask[:10, :15] = 255  # the upper left quarter
    (tmp_path / "mask.png").write_bytes(encode_png(mask))
    sticker = stick(box, settings(shape=tmp_path / "mask.png"))
    points_mm = on_surface(box, sticker)[0] * mm_of(box)
    whole = on_surface(box, stick(box, settings()))[0] * mm_of(box)
    assert sticker.area_mm2 == pytest.approx(300 * 200 / 4, rel=0.01)
    assert points_mm[:, 1].max() < whole[:, 1].mean() + 15 and points_mm[:, 2].min() > whole[:, 2].mean() - 15


BAD = {
    "larger than the object": ({"size_mm": (1000, 200)}, "the patch is larger than the object"),
    "no room": (
        {"size_mm": (300, 200), "at_deg": (0, 80), "lies": "planar", "roll_deg": 45, "object_mm": 320},
        "no room",
    ),
    "smaller than a texel": ({"size_mm": (4, 4)}, "smaller than a texel"),
    "too coarse a texture": ({"size_mm": (40, 40)}, "too coarse"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_does_not_fit_is_one_clear_line(box, name):
    changes, says = BAD[name]
    with pytest.raises(RigError, match=says) as caught:
        stick(box, settings(**changes))
    assert "\n" not in str(caught.value)


def test_a_place_off_the_object_is_refused(box):
    """A ring around the z axis: the ray from above passes through its hole."""
    ring = trimesh.creation.annulus(r_min=0.5, r_max=1.0, height=0.4)
    uv = np.random.default_rng(0).random((len(ring.vertices), 2))
    mesh = Mesh(ring.vertices, ring.faces.astype(np.int32), uv, ring.vertices.copy(), box.mesh.texture)
    with pytest.raises(RigError, match="the place is not on the object"):
        stick(dataclasses.replace(box, mesh=normalized(mesh, 1.0)), settings(at_deg=(0, 90)))


def test_a_mask_of_other_proportions_or_without_white_is_refused(tmp_path):
    for mask, says in ((np.full((20, 20, 3), 255), "other proportions"), (np.zeros((20, 30, 3)), "black all over")):
        (tmp_path / "mask.png").write_bytes(encode_png(mask.astype(np.uint8)))
        with pytest.raises(RigError, match=says):
            outline_of(settings(shape=tmp_path / "mask.png"))


def test_shared_and_protected_texels_are_refused(box):
    halves = box.mesh.uv.copy()
    halves[:, 0] = (halves[:, 0] % (1 / 3)) + 1 / 3  # three faces each on the same texels
    shared = dataclasses.replace(box, mesh=dataclasses.replace(box.mesh, uv=halves))
    with pytest.raises(RigError, match="other parts of the object share the texels"):
        stick(shared, settings())
    black = dataclasses.replace(box, mask=np.zeros((TEXTURE_PX, TEXTURE_PX), bool))
    with pytest.raises(RigError, match="reaches outside the paintable area"):
        stick(black, settings())
