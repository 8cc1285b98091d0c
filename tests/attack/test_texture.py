import dataclasses
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from rig.attack.controls import random_texture, single_view_attack
from rig.attack.distance import DeltaE
from rig.attack.goal import Goal
from rig.attack.look import mean_delta_e, pull
from rig.attack.optimizer import PyramidAdam
from rig.attack.poses import FixedViews, PoseWindow
from rig.attack.settings import AttackSettings, attack_settings
from rig.attack.texture import TextureAttack, eight_bit
from rig.campaign.patch_job import patch_settings
from rig.errors import RigError
from rig.render import MipAtlas, texture_tensor
from rig.runs import RunFolder
from rig.views import draw_views

SETTINGS = AttackSettings(steps=6, views_per_step=2, texture_px=128, validate_every=3, validation_views=4, scales=3)


def quiet(*_):
    pass


def run_folder(path):
    return RunFolder.start(path, ["test"], {}, 0)


def window(stage, seed=1, size=2, reuse_frac=0.0, narrow_steps=0):
    return PoseWindow(stage.renderer.scene.config, stage.renderer, seed, "attack", size, reuse_frac, narrow_steps)


def test_the_gradient_of_the_whole_chain_agrees_with_finite_differences(stage):
    """Texture -> lookup -> frame -> deployed model -> loss, plus the Delta-E term, along random directions, in scale."""
    prepared = stage.validation[:2]
    attack = TextureAttack(stage, FixedViews(prepared), SETTINGS, "a")
    noise = torch.randn(attack.clean.shape, generator=torch.Generator().manual_seed(0))
    start = (attack.clean + 0.05 * noise).clamp(0.05, 0.95)

    def frames(texture):
        """Before 8-bit rounding, which has no derivative."""
        return stage.renderer._composite(stage.renderer.look_up(texture, prepared), prepared)

    def loss(texture) -> float:
        logits = torch.from_numpy(stage.model.logits(frames(texture)))
        distance = mean_delta_e(attack.look(MipAtlas(texture), prepared))
        return float(attack.objective(logits).double().mean() + 0.1 * distance)

    texture = start.clone().requires_grad_()
    atlas = MipAtlas(texture)
    looks = attack.look(atlas, prepared)
    (look,) = looks
    batch = frames(texture)
    losses, grad, _ = stage.gradient.value_and_grad(batch.detach(), attack.objective)
    atlas.texels.backward(look.pull(torch.zeros(2), 0.1 / len(look.delta_e)))
    batch.backward(grad / len(losses))
    gradient = texture.grad
    for seed in range(3):
        direction = torch.randn(start.shape, generator=torch.Generator().manual_seed(seed))
        direction += 20 * gradient / gradient.norm()  # mostly downhill, or rounding noise drowns the slope
        step = 0.02 / direction.norm()
        numeric = (loss(start + step * direction) - loss(start - step * direction)) / (2 * step)
        assert float((gradient * direction).sum()) == pytest.approx(float(numeric), rel=0.05)


def test_every_loss_term_reaches_the_texture(stage):
    attack = TextureAttack(stage, FixedViews(stage.validation), SETTINGS, "a")
    for loss_weight, delta_e_weight in ((1.0, 0.0), (0.0, 1.0)):
        start = (attack.clean * 0.9).requires_grad_()
        atlas = MipAtlas(start)
        looks = attack.look(atlas, stage.validation)
        atlas.texels.backward(pull(looks, torch.full((len(stage.validation),), loss_weight), delta_e_weight))
        assert torch.isfinite(start.grad).all()
        assert start.grad.abs().max() > 0


def test_looking_in_shares_changes_nothing(stage, monkeypatch):
    """Against one graph over all views, uneven shares and weights that differ by view."""
    attack = TextureAttack(stage, FixedViews(stage.validation), SETTINGS, "a")
    monkeypatch.setattr("rig.attack.texture.DISTANCE_STRIDE", 1)
    value_and_grad = stage.gradient.value_and_grad
    weights = torch.tensor([0.1, 0.2, 0.3, 0.4])
    pulls = []
    for size in (3, None):
        attack.stage = dataclasses.replace(stage, gradient=SimpleNamespace(share=size, value_and_grad=value_and_grad))
        looks = attack.look(MipAtlas(attack.clean * 0.9), stage.validation)
        pulls.append(pull(looks, weights, 0.5))
    assert [len(look.losses) for look in looks] == [4]
    torch.testing.assert_close(*pulls, rtol=1e-3, atol=1e-5 * float(pulls[1].abs().max()))


def test_the_loops_estimate_of_delta_e_is_the_whole_measure_within_a_few_percent(stage):
    attack = TextureAttack(stage, FixedViews(stage.validation), SETTINGS, "a")
    changed = (stage.renderer.scene.mesh.texture * 0.7).astype(np.uint8)
    estimate = mean_delta_e(attack.look(MipAtlas(texture_tensor(changed)), stage.validation))
    whole = DeltaE(stage.renderer, stage.renderer.scene.mesh.texture, stage.validation).mean(changed)
    assert estimate == pytest.approx(whole, rel=0.03)


def test_a_killed_attack_goes_on_as_if_it_had_not_been(stage, tmp_path):
    """Stopped after the checkpoint at step 4 by an exception, resumed in a new object: the same texture, bit by bit."""

    def attack():
        settings = SETTINGS.model_copy(update={"steps": 7})
        return TextureAttack(stage, window(stage, reuse_frac=0.5), settings, "adversarial")

    def killed(done, *_):
        if done == 6:
            raise KeyboardInterrupt

    whole = attack().run(run_folder(tmp_path / "whole"), quiet)
    run = run_folder(tmp_path / "killed")
    first = attack()
    first.checkpoint_every = 4
    with pytest.raises(KeyboardInterrupt):
        first.run(run, killed)
    resumed = attack().run(run, quiet)
    assert torch.equal(resumed.texture, whole.texture)
    assert np.array_equal(resumed.best, whole.best)
    assert [row["step"] for row in resumed.history] == [1, 2, 3, 4, 5, 6, 7]
    assert [row["loss"] for row in resumed.history] == [row["loss"] for row in whole.history]


def test_the_optimiser_finds_the_known_optimum_of_a_toy():
    wanted = torch.rand(3, 16, 16, generator=torch.Generator().manual_seed(0))
    texture, optimizer = torch.full((3, 16, 16), 0.5), PyramidAdam(wanted, 3)
    for step in range(400):
        texture = texture - 0.03 * (1 - step / 400) * optimizer.direction(2 * (texture - wanted), step)
    assert (texture - wanted).abs().max() < 0.02


def test_one_scale_is_plain_adam():
    gradients = torch.randn(5, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    by_torch = torch.zeros(3, 8, 8, requires_grad=True)
    adam = torch.optim.Adam([by_torch], lr=0.1, eps=1e-12)
    ours, optimizer = torch.zeros(3, 8, 8), PyramidAdam(gradients[0], 1)
    for step, gradient in enumerate(gradients):
        by_torch.grad = gradient.clone()
        adam.step()
        ours = ours - 0.1 * optimizer.direction(gradient, step)
    torch.testing.assert_close(ours, by_torch.detach())


def test_budgets_and_masks_hold_on_the_8_bit_texture(stage, tmp_path):
    mask = np.zeros((128, 128), bool)
    mask[:64] = True
    scene = dataclasses.replace(stage.renderer.scene)
    scene.__dict__["paintable"] = mask  # what the scene file's mask image would give
    renderer = type(stage.renderer)(scene, stage.model.size_px)
    masked = dataclasses.replace(stage, renderer=renderer)
    settings = SETTINGS.model_copy(update={"epsilon": 8.0})
    state = TextureAttack(masked, window(stage), settings, "a").run(run_folder(tmp_path / "r"), quiet)
    change = np.abs(eight_bit(state.texture).astype(int) - scene.mesh.texture)
    assert change[mask].max() == 8
    assert change[~mask].max() == 0


def test_lambda_rises_above_and_falls_below_the_budget(stage):
    attack = TextureAttack(stage, FixedViews([]), SETTINGS.model_copy(update={"max_delta_e": 10.0}), "a")
    weights = []
    for step, distance in enumerate([11.0, 11.0, 11.0, 2.0, 2.0, 2.0, 2.0, 2.0, 2.0]):
        attack.state.step = step
        weights.append(attack._steer(distance))
    assert weights[0] < weights[2]
    assert weights[-1] == 0 < weights[2]


def test_the_best_validated_texture_is_kept_not_the_last(stage, tmp_path):
    state = TextureAttack(stage, window(stage), SETTINGS, "a").run(run_folder(tmp_path / "r"), quiet)
    validated = [row for row in state.history if row.get("validation_success") is not None]
    assert [row["step"] for row in validated] == [3, 6]
    assert state.best_success == max(row["validation_success"] for row in validated)


def test_the_budget_is_lowered_while_the_fooling_holds_and_the_least_change_that_keeps_it_is_kept(stage, tmp_path):
    """Where nothing is hard ("not a website" is true of every view), each validation is a tenth tighter than the last."""
    settings = SETTINGS.model_copy(update={"keep_success": 0.9, "steps": 12, "step_size": 0.3, "max_delta_e": 30.0})
    always = dataclasses.replace(stage, goal=Goal((stage.model.labels.index_of("web site"),), None))
    state = TextureAttack(always, window(stage), settings, "a").run(run_folder(tmp_path / "r"), quiet)
    validated = [row["validation_delta_e"] for row in state.history if row.get("validation_success") is not None]
    assert len(validated) == 4
    assert all(after <= 0.9 * before for before, after in zip(validated, validated[1:], strict=False))
    distance = DeltaE(stage.renderer, stage.renderer.scene.mesh.texture, stage.validation)
    assert distance.mean(state.best) == pytest.approx(min(validated))


def test_a_lowered_budget_is_loosened_again_where_the_fooling_is_lost_but_not_beyond_the_declared_one(stage):
    attack = TextureAttack(stage, window(stage), SETTINGS.model_copy(update={"keep_success": 0.9}), "a")
    attack.state.budget = attack._next_budget(0.95, distance=12.0)
    assert attack.state.budget == pytest.approx(10.8)
    attack.state.budget = attack._next_budget(0.5, distance=10.8)
    assert attack.state.budget == pytest.approx(12.0)
    assert all(
        attack._score(0.95, 9.0, 1.0) > other
        for other in (attack._score(1.0, 10.0, 0.0), attack._score(0.89, 1.0, 0.0))
    )
    for _ in range(10):
        attack.state.budget = attack._next_budget(0.0, distance=1.0)
    assert attack.state.budget == 20.0


def test_a_kept_texture_is_within_the_delta_e_budget(stage, tmp_path):
    """However far the optimisation is when it is validated: recomputed from the 8-bit texture."""
    settings = SETTINGS.model_copy(update={"max_delta_e": 2.0, "step_size": 0.3})
    state = TextureAttack(stage, window(stage), settings, "a").run(run_folder(tmp_path / "r"), quiet)
    clean = stage.renderer.scene.mesh.texture
    distance = DeltaE(stage.renderer, clean, stage.validation)
    far, kept = distance.mean(eight_bit(state.texture)), distance.mean(state.best)
    assert kept <= 2.0 < far


def test_a_window_keeps_its_share_of_poses(stage):
    poses = window(stage, size=5, reuse_frac=0.8)
    first, second = ([p.view.id for p in poses.at(step)] for step in (0, 1))
    assert first[1:] == second[:4]
    fresh = window(stage, size=5)
    assert not {p.view.id for p in fresh.at(0)} & {p.view.id for p in fresh.at(1)}


def test_attack_validation_and_evaluation_views_are_disjoint(stage):
    poses = window(stage, size=50)
    config = stage.renderer.scene.config
    seen = {p.view.values["azimuth_deg"] for step in range(2) for p in poses.at(step)}
    held_out = {v.values["azimuth_deg"] for split in ("validation", "eval") for v in draw_views(config, 100, 1, split)}
    assert not seen & held_out


def test_the_random_control_has_the_attacks_delta_e_and_spectrum(stage):
    clean = stage.renderer.scene.mesh.texture
    rng = np.random.default_rng(0)
    coarse = np.kron(rng.normal(0, 30, (8, 8, 3)), np.ones((16, 16, 1)))
    adversarial = np.clip(clean + coarse, 0, 255).astype(np.uint8)
    control = random_texture(stage, adversarial, stage.validation, seed=0)
    distance = DeltaE(stage.renderer, clean, stage.validation)
    wanted, got = distance.mean(adversarial), distance.mean(control)
    assert got == pytest.approx(wanted, rel=0.02)
    changes = [t.astype(float) - clean for t in (adversarial, control)]
    correlation = np.corrcoef(changes[0].ravel(), changes[1].ravel())[0, 1]
    assert abs(correlation) < 0.2
    roughness = [np.diff(change, axis=0).std() / change.std() for change in changes]  # set by the spectrum alone
    assert roughness[1] == pytest.approx(roughness[0], rel=0.2)


def test_the_single_view_control_fools_its_view(stage, tmp_path):
    settings = SETTINGS.model_copy(
        update={"steps": 24, "validate_every": 6, "max_delta_e": None, "distance_weight": 0.0}
    )
    state = single_view_attack(stage, settings, stage.validation[0], run_folder(tmp_path / "r"), quiet)
    assert state.best_success == 1.0


def test_an_unknown_attack_setting_suggests_the_nearest():
    with pytest.raises(RigError, match='unknown key "step"; did you mean "steps"'):
        attack_settings({}, ["attack.step=3"])


def test_the_8_bit_texture_is_what_is_scored(stage):
    texture = texture_tensor(stage.renderer.scene.mesh.texture)
    np.testing.assert_array_equal(eight_bit(texture), stage.renderer.scene.mesh.texture)


def test_views_that_start_narrow_widen_until_they_are_those_of_the_declared_distribution(stage):
    def azimuths(step, **asked):
        return [prepared.view.values["azimuth_deg"] for prepared in window(stage, size=8, **asked).at(step)]

    for step, share in ((0, 0.3), (5, 0.65), (10, 1.0)):
        found, declared = azimuths(step, narrow_steps=10), azimuths(step)
        assert np.abs(found).max() <= 180 * (
            share + 0.7 * 7 / 80
        )  # a step's last view is a little wider than its first
        assert found == declared if share == 1 else np.abs(found).max() < np.abs(declared).max()


def test_a_view_that_is_kept_for_the_next_step_is_as_wide_as_it_was_whenever_it_is_drawn(stage):
    going = window(stage, size=4, reuse_frac=0.5, narrow_steps=6)
    steps = [[prepared.view for prepared in going.at(step)] for step in range(4)]
    resumed = [prepared.view for prepared in window(stage, size=4, reuse_frac=0.5, narrow_steps=6).at(3)]
    assert resumed == steps[3] and steps[2][2:] == steps[3][:2]


def test_attacks_start_narrow_unless_told_or_older_or_without_gradients():
    assert attack_settings({}).narrow_frac == 0.4
    assert attack_settings({}, ["attack.narrow_frac=0"]).narrow_frac == 0
    assert attack_settings({"black_box": {}}).narrow_frac == 0
    old = AttackSettings().model_dump(mode="json")
    assert "narrow_frac" not in old and AttackSettings(**old).narrow_frac == 0


def test_a_patch_does_not_start_narrow_as_it_may_lie_elsewhere():
    assert patch_settings({}).narrow_frac == 0
    with pytest.raises(RigError, match="attack.narrow_frac"):
        patch_settings({}, ["attack.narrow_frac=0.4"])
