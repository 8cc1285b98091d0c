"""The patch attack on a box and a network that looks for red: slopes, what it finds, and which views it looks at."""

import dataclasses
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

sys.path.insert(0, str(Path(__file__).parents[1]))  # sticker_scene
from magenta_network import write_magenta  # noqa: E402
from sticker_scene import write_box  # noqa: E402

from rig.attack.goal import Goal, goal_of
from rig.attack.patch import GREY, PatchAttack, Worn, first_patch, stuck
from rig.attack.patch_controls import picture_patch, random_patch, sample_picture
from rig.attack.patch_views import LEAST_FACING, FacingWindow, first_facing, shown
from rig.attack.poses import FixedViews
from rig.attack.texture import Stage, eight_bit, predict
from rig.audit.deep.toy import BOUNDARY
from rig.campaign.patch_job import patch_settings
from rig.errors import RigError
from rig.geometry import direction
from rig.images import encode_png
from rig.model import DeployedModel, gradient_of
from rig.render import MipAtlas, Renderer
from rig.scene import load_scene
from rig.scene.sticker import StickerSettings, stick
from rig.views import draw_views

SETTINGS = {"target": "red", "steps": 12, "views_per_step": 4, "texture_px": 192, "scales": 4, "step_size": 0.2}


@pytest.fixture(scope="module")
def worn(tmp_path_factory):
    folder = tmp_path_factory.mktemp("box")
    scene = load_scene(write_box(folder))
    model = DeployedModel(folder / "toy.onnx")
    sticker = stick(scene, StickerSettings(size_mm=(450, 450), at_deg=(0, 0), object_mm=900))
    renderer = Renderer(scene, model.size_px)
    validation = [renderer.prepare(view) for view in first_facing(renderer, sticker, 8, 0, "validation")]
    stage = Stage(renderer, model, gradient_of(model), goal_of(scene, "red", model.labels), validation)
    return Worn(stage, sticker, FacingWindow(scene.config, renderer, sticker, 1, 4, 0.0))


def attack_on(*worn, **changes) -> PatchAttack:
    return PatchAttack(worn, patch_settings(SETTINGS | changes), "a", first_patch(worn[0].sticker.patch_px, 0))


def test_the_gradient_that_reaches_the_patch_agrees_with_finite_differences(worn):
    """Patch -> sticker -> texture -> lookup -> frame -> deployed model -> loss, in scale, along three kinds of directions."""
    one = dataclasses.replace(worn, poses=FixedViews(worn.stage.validation[:3]))
    attack, rng = attack_on(one), np.random.default_rng(0)
    patch = rng.uniform(0.3, 0.7, attack.state.texture.shape)
    attack.state.texture = torch.from_numpy(patch.astype(np.float32))
    gradient, row = attack._pulled(one, attack.wearers[0])

    def loss(at: np.ndarray) -> float:
        texture = torch.from_numpy(one.sticker.on(attack.wearers[0].clean.numpy(), at.astype(np.float32)))
        looks = attack.wearers[0].look(MipAtlas(texture.requires_grad_()), one.poses.at(0))
        return float(torch.cat([look.losses for look in looks]).double().mean())

    assert row["loss"] == pytest.approx(loss(patch), rel=1e-5)
    reds = np.zeros_like(patch)
    reds[0] = 1
    for direction_ in (reds, np.sign(rng.normal(size=patch.shape)), np.sign(gradient)):
        measured = (loss(patch + 0.05 * direction_) - loss(patch - 0.05 * direction_)) / 0.1
        assert float((gradient * direction_).sum()) == pytest.approx(measured, rel=0.03, abs=2e-3)


def test_the_attack_finds_red_and_is_judged_on_the_deployed_file(worn):
    attack = attack_on(worn)
    for _ in range(12):
        attack.take_step()
    found = attack.validate()
    patch = attack.state.best.astype(int)
    red, green = patch[..., 0].mean(), patch[..., 1].mean()
    assert red > 240 and green < 15
    logits = predict(worn.stage, worn.texture(attack.state.best), worn.stage.validation)
    assert found["validation_success"] == attack.state.best_success == (logits.argmax(1) == 1).mean()
    frames = worn.stage.renderer.frames(worn.texture(attack.state.best), worn.stage.validation)
    images = np.stack([frame.image for frame in frames]) / 255
    redness = images[..., 0].mean((1, 2)) - images[..., 1].mean((1, 2))
    np.testing.assert_array_equal(logits.argmax(1) == 1, redness > BOUNDARY)
    assert found["validation_success"] > 0.5


def test_two_objects_pull_on_one_patch_with_the_mean_of_their_gradients(worn):
    first, second = (
        dataclasses.replace(worn, poses=FixedViews(worn.stage.validation[part])) for part in (slice(0, 2), slice(2, 4))
    )
    both = attack_on(first, second)
    alone = [attack_on(one) for one in (first, second)]
    pulls = [one._pulled(one.worn[0], one.wearers[0])[0] for one in alone]
    wanted = both.state.texture - both.settings.step_size * both.state.optimizer.direction(
        torch.from_numpy((pulls[0] + pulls[1]) / 2), 0
    )
    fresh = attack_on(first, second)
    fresh.take_step()
    torch.testing.assert_close(fresh.state.texture, wanted.clamp(0, 1), atol=1e-5, rtol=0)


def test_a_flat_start_that_no_gradient_moves_is_one_clear_line_and_a_grainy_one_goes_on(worn, tmp_path):
    """A network with a maximum over the frame: grey on grey is a tie, which the background wins."""
    scene = worn.stage.renderer.scene
    model = DeployedModel(write_magenta(tmp_path / "magenta.onnx"))
    renderer = Renderer(scene, model.size_px)
    views = [renderer.prepare(view) for view in first_facing(renderer, worn.sticker, 2, 0, "attack")]
    stage = Stage(renderer, model, gradient_of(model), Goal((0,), 1), views)
    one = dataclasses.replace(worn, stage=stage, poses=FixedViews(views))
    grainy = attack_on(one)
    grainy.take_step()
    assert not torch.equal(grainy.state.texture, grainy.clean)
    flat = PatchAttack([one], grainy.settings, "a", np.full((*one.sticker.patch_px, 3), GREY, np.uint8))
    with pytest.raises(RigError, match="no gradient reaches the patch"):
        flat.take_step()


def test_steps_look_at_views_that_face_the_patch_and_at_no_others(worn):
    renderer, sticker = worn.stage.renderer, worn.sticker
    seen = [one.view.id for step in range(6) for one in FacingWindow(
        renderer.scene.config, renderer, sticker, 1, 4, 0.0).at(step)]  # fmt: skip
    drawn = draw_views(renderer.scene.config, 200, 1, "attack")
    radius = np.linalg.norm(sticker.place.point_m)  # the front face's middle: its normal is the x axis
    cosines = {}
    for view in drawn:
        camera = view.values["distance_m"] * direction(view.values["azimuth_deg"], view.values["elevation_deg"])
        way = camera - radius * np.array([1.0, 0, 0])
        cosines[view.id] = way[0] / np.linalg.norm(way)
    facing = [name for name, cosine in cosines.items() if cosine >= LEAST_FACING]
    near = {
        name for name, cosine in cosines.items() if abs(cosine - LEAST_FACING) < 0.05
    }  # cameras are offset a little
    assert [one for one in seen if one not in near] == [one for one in facing if one not in near][: len(seen)][
        : len([one for one in seen if one not in near])
    ]
    with pytest.raises(RigError, match="no view of the scene shows the patch"):
        there = stick(renderer.scene, StickerSettings(size_mm=(300, 300), at_deg=(180, 0), object_mm=900))
        config = renderer.scene.config.model_copy(
            update={"views": renderer.scene.config.views.model_copy(update={"azimuth_deg": (-20.0, 20.0)})}
        )
        first_facing(Renderer(dataclasses.replace(renderer.scene, config=config), (48, 48)), there, 1, 0, "eval")


def test_what_a_frame_shows_of_the_patch_is_what_can_be_counted_in_it(worn):
    """A black object with a white patch, beside all black, in frames without noise: pixels that differ."""
    scene = worn.stage.renderer.scene
    renderer = Renderer(scene, (160, 160))
    prepared = [renderer.prepare(view) for view in draw_views(scene.config, 12, 3, "eval")]
    of_frame, of_object = shown(renderer, worn.sticker.coverage_map, prepared)
    black = np.zeros_like(scene.mesh.texture)
    white = stuck(worn.sticker, black, np.full((*worn.sticker.patch_px, 3), 255, np.uint8))
    bare, covered = (renderer.frames(texture, prepared) for texture in (black, white))
    counted = [float((b.image.astype(int) - a.image > 100).any(2).mean()) for a, b in zip(bare, covered, strict=True)]
    np.testing.assert_allclose(of_frame, counted, atol=0.006)
    pixels = np.array([len(one.pixels) for one in prepared])
    np.testing.assert_allclose(of_object * pixels, of_frame * 160**2, rtol=1e-6)
    assert (of_frame == 0).any() and of_frame.max() > 0.03


def test_a_random_patch_keeps_colour_values_and_spectrum_and_nothing_else():
    rng = np.random.default_rng(0)
    patch = np.clip(rng.normal(128, 20, (40, 60, 3)) + 30 * np.sin(np.arange(60) / 4)[None, :, None], 0, 255).astype(
        np.uint8
    )
    control = random_patch(patch, 1)
    for channel in range(3):
        np.testing.assert_array_equal(
            np.bincount(control[..., channel].ravel()), np.bincount(patch[..., channel].ravel())
        )
    spectra = [
        np.abs(np.fft.fft2(one - one.mean((0, 1)), axes=(0, 1))) for one in (patch.astype(float), control.astype(float))
    ]
    assert np.corrcoef(spectra[0].ravel(), spectra[1].ravel())[0, 1] > 0.98
    assert abs(np.corrcoef(patch[..., 0].ravel(), control[..., 0].ravel())[0, 1]) < 0.5


def test_a_picture_is_cut_to_the_patchs_proportions_from_its_middle(tmp_path):
    image = np.zeros((100, 300, 3), np.uint8)
    image[:, 100:200] = 200
    (tmp_path / "wide.png").write_bytes(encode_png(image))
    patch = picture_patch(tmp_path / "wide.png", (40, 40))
    assert patch.shape == (40, 40, 3) and (patch == 200).all()


def test_a_packaged_picture_is_of_the_class_asked_for():
    found = sample_picture(949, 1000)
    assert found is None or "_949." in found.name
    assert sample_picture(0, 1000) is None and sample_picture(949, 10) is None and sample_picture(None, 1000) is None


def test_a_patch_has_no_other_budget_than_its_size():
    with pytest.raises(RigError, match="not a setting of a patch"):
        patch_settings({"target": "red"}, ["attack.max_delta_e=10"])
    with pytest.raises(RigError, match="optimised by gradients"):
        patch_settings({"target": "red", "black_box": {}})
    assert patch_settings({}).max_delta_e is None


def test_a_start_is_grainy_around_grey_and_repeats():
    start = first_patch((30, 20), 7)
    np.testing.assert_array_equal(start, first_patch((30, 20), 7))
    assert abs(start.mean() - 127) < 2 and np.ptp(start) == 32
    assert eight_bit(torch.from_numpy(start / 255.0).permute(2, 0, 1)).shape == start.shape
