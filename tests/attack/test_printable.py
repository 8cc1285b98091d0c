"""Attacks held to printable colours: against brute force, and on saved textures whose goal, magenta, is not printable."""

import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from scipy.interpolate import RegularGridInterpolator
from scipy.spatial.distance import cdist

sys.path.insert(0, str(Path(__file__).parents[1]))  # magenta_network
from magenta_network import write_magenta  # noqa: E402
from uv_ball import ball  # noqa: E402

from rig.attack.controls import random_texture, single_view_attack
from rig.attack.distance import DeltaE
from rig.attack.goal import goal_of
from rig.attack.method import roads_for, texture_attack
from rig.attack.poses import PoseWindow
from rig.attack.printable import printable_of, require_no_response
from rig.attack.settings import AttackSettings, attack_settings
from rig.attack.texture import Stage, eight_bit
from rig.campaign import TextureJob, attack_texture
from rig.errors import RigError
from rig.images import encode_png
from rig.model import DeployedModel
from rig.render import Renderer
from rig.runs import RunFolder
from rig.scene import load_scene
from rig.scene.gamut import COATED_OFFSET, LEVELS, TOLERANCE_DELTA_E
from rig.settings import validated
from rig.views import draw_views

GIVEN = {"steps": 12, "views_per_step": 3, "validate_every": 6, "texture_px": 64, "scales": 3, "printable": True}
TO_XYZ = np.array([[0.412453, 0.357580, 0.180423], [0.212671, 0.715160, 0.072169], [0.019334, 0.119193, 0.950227]])
GREEN = (0, 255, 0)  # no offset print has it


def quiet(*_):
    pass


def lab_by_opencv(colors: np.ndarray) -> np.ndarray:
    """(N, 3) of sRGB (N, 3) in [0, 1]."""
    return cv2.cvtColor(colors[None].astype(np.float32), cv2.COLOR_RGB2LAB)[0]


@pytest.fixture(scope="module")
def samples() -> tuple[np.ndarray, np.ndarray]:
    """Printable colours that sRGB holds, in sRGB; and the CIELAB of all, by scipy's interpolation and a matrix."""
    levels = np.linspace(0, 1, LEVELS)
    sent = np.stack(np.meshgrid(levels, levels, levels, indexing="ij"), axis=-1).reshape(-1, 3)
    linear = RegularGridInterpolator([(0, 1)] * 3, COATED_OFFSET.reshape(2, 2, 2, 3))(sent) / COATED_OFFSET[-1]
    xyz = linear @ TO_XYZ.T
    x, y, z = (np.where(t > 0.008856, np.cbrt(t), 7.787 * t + 4 / 29) for t in (xyz / [0.95047, 1, 1.08883]).T)
    bound = linear[((linear >= 0) & (linear <= 1)).all(axis=1)]
    held = np.where(bound > 0.0031308, 1.055 * bound ** (1 / 2.4) - 0.055, 12.92 * bound)
    return held, np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=1)


def distances(colors: np.ndarray, to_lab: np.ndarray) -> np.ndarray:
    """(N,) of 8-bit colours (N, 3), to the nearest, by looking at all."""
    return cdist(lab_by_opencv(colors / 255), to_lab).min(axis=1)


def is_printable(texture: np.ndarray, samples) -> np.ndarray:
    """(H, W) bool; a hundredth for the other way of computing."""
    colors, place = np.unique(texture.reshape(-1, 3), axis=0, return_inverse=True)
    return (distances(colors, samples[1]) <= TOLERANCE_DELTA_E + 0.01)[place.ravel()].reshape(texture.shape[:2])


def test_a_colour_outside_becomes_the_nearest_printable_one_and_others_stay(samples):
    colors = np.random.default_rng(0).integers(0, 256, (14, 14, 3)).astype(np.uint8)
    gamut = printable_of(AttackSettings(printable=True)).gamut
    found, flat = gamut.within(colors).reshape(-1, 3), colors.reshape(-1, 3)
    outside = distances(flat, samples[1]) > TOLERANCE_DELTA_E
    assert 0.5 < outside.mean() < 0.9
    np.testing.assert_array_equal(gamut.outside(colors).ravel(), outside)
    np.testing.assert_array_equal(found[~outside], flat[~outside])
    moved = np.linalg.norm(lab_by_opencv(found / 255) - lab_by_opencv(flat / 255), axis=1)[outside]
    least = distances(flat[outside], lab_by_opencv(samples[0]))
    np.testing.assert_allclose(moved, least, atol=1.0)  # of rounding to 8 bits
    assert distances(found[outside], samples[1]).max() < 1


def test_the_loops_answer_is_near_the_exact_one_and_leaves_what_lies_well_inside():
    printable = printable_of(AttackSettings(printable=True))
    rng = np.random.default_rng(1)
    colors = rng.integers(0, 256, (64, 64, 3)).astype(np.uint8)
    near = eight_bit(printable.near(torch.from_numpy(colors).permute(2, 0, 1) / 255))
    exact = printable.gamut.within(colors)
    labs = [lab_by_opencv(one.reshape(-1, 3) / 255) for one in (near, exact)]
    apart = np.linalg.norm(labs[0] - labs[1], axis=1)
    assert np.quantile(apart, 0.99) < TOLERANCE_DELTA_E
    greys = torch.from_numpy(rng.uniform(0.4, 0.6, (3, 32, 32)).astype(np.float32))
    torch.testing.assert_close(printable.near(greys), greys)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A network of magenta, and a ball: grey, with a band that no printer can give."""
    path = tmp_path_factory.mktemp("printable")
    ball(path / "ball.glb")
    skin = np.full((64, 64, 3), 128, np.uint8)
    skin[24:32] = GREEN
    (path / "skin.png").write_bytes(encode_png(skin))
    write_magenta(path / "magenta.onnx")
    return path


def stage_on(folder, settings) -> Stage:
    model = DeployedModel(folder / "magenta.onnx", threads=1)
    asked = (f"object.mesh={folder / 'ball.glb'}", f"object.texture={folder / 'skin.png'}", 'object.labels=["ball"]')
    asked += ("object.protected={center_m=[0,0,1],radius_m=0.8}",)
    scene = load_scene("baseball", asked, 64)
    renderer = Renderer(scene, model.size_px)
    validation = [renderer.prepare(view) for view in draw_views(scene.config, 4, 0, "validation")]
    return Stage(renderer, model, roads_for([model], settings)[0], goal_of(scene, "magenta", model.labels), validation)


def attacked(folder, settings, path) -> tuple[Stage, np.ndarray]:
    stage = stage_on(folder, settings)
    poses = PoseWindow(stage.renderer.scene.config, stage.renderer, 1, "attack", settings.views_per_step, 0.0)
    return stage, texture_attack(stage, poses, settings, "a", seed=3).run(run_folder(path), quiet).best


def run_folder(path) -> RunFolder:
    return RunFolder.start(path, ["test"], {}, 0)


@pytest.mark.parametrize(
    "changes", [{"max_delta_e": 60.0}, {"max_delta_e": 25.0, "epsilon": 60.0}, {"max_delta_e": 60.0, "black_box": {}}]
)
def test_what_a_saved_texture_paints_is_printable_and_within_mask_and_budgets(folder, tmp_path, samples, changes):
    settings = attack_settings(GIVEN | changes)
    stage, found = attacked(folder, settings, tmp_path / "r")
    clean, paintable = stage.renderer.scene.mesh.texture, stage.renderer.scene.paintable
    painted = (found != clean).any(axis=2)
    assert painted.sum() > 100 and not painted[~paintable].any() and (~paintable).any()
    assert is_printable(found, samples)[painted].all()
    assert DeltaE(stage.renderer, clean, stage.validation).mean(found) <= settings.max_delta_e
    if settings.epsilon is not None:
        assert np.abs(found.astype(int) - clean).max() <= settings.epsilon
        assert not painted[(clean == GREEN).all(axis=2)].any()  # 60 steps do not bring green to a printer's
    _, unbound = attacked(folder, settings.model_copy(update={"printable": False}), tmp_path / "free")
    assert not is_printable(unbound, samples)[(unbound != clean).any(axis=2)].all()


def test_controls_keep_to_printable_colours_too(folder, tmp_path, samples):
    settings = attack_settings(GIVEN | {"max_delta_e": 60.0})
    stage, found = attacked(folder, settings, tmp_path / "r")
    clean = stage.renderer.scene.mesh.texture
    random = random_texture(stage, found, stage.validation, 0, printable_of(settings))
    alone = single_view_attack(stage, settings, stage.validation[0], run_folder(tmp_path / "s"), quiet).best
    for control in (random, alone):
        painted = (control != clean).any(axis=2)
        assert painted.sum() > 100 and is_printable(control, samples)[painted].all()
    distance = DeltaE(stage.renderer, clean, stage.validation)
    assert distance.mean(random) == pytest.approx(distance.mean(found), rel=0.05)


@pytest.mark.parametrize(("budget", "trade_off"), [(1.0, ()), (60.0, (1.0, None))])
def test_a_budget_that_the_gamut_alone_exceeds_is_one_clear_line_before_anything_is_written(
    folder, tmp_path, budget, trade_off
):
    settings = attack_settings(GIVEN | {"target": "magenta", "max_delta_e": budget})
    scene = stage_on(folder, settings).renderer.scene.config.model_dump(mode="json")
    job = TextureJob(scene, (str(folder / "magenta.onnx"),), settings, 4, 0, trade_off)
    with pytest.raises(RigError, match=r"attack.max_delta_e: less than it takes .*; got 1; expected more than \d"):
        attack_texture(job, tmp_path / "r", ["test"], quiet)
    assert not (tmp_path / "r").exists()


def test_a_measured_response_and_the_gamut_of_another_printer_are_not_taken_together():
    scene = {"name": "mug", "print": {"response": {"weights": [[0, 0, 0]] * 4}}}
    with pytest.raises(RigError, match="attack.printable: .*response of mug.*leave attack.printable out"):
        require_no_response(AttackSettings(printable=True), [scene])
    require_no_response(AttackSettings(), [scene])
    require_no_response(AttackSettings(printable=True), [scene | {"print": {"response": None}}])


def test_runs_begun_before_the_setting_was_there_are_those_without_it():
    old = AttackSettings().model_dump(mode="json")
    assert "printable" not in old and printable_of(validated(AttackSettings, old, "run.json")) is None
    new = AttackSettings(printable=True).model_dump(mode="json")
    assert validated(AttackSettings, new, "run.json").printable
