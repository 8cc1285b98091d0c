"""Texture attacks that ask for scores only, on a grey ball and networks whose every answer is known."""

import dataclasses
import json

import numpy as np
import pytest
import torch
from magenta_network import write_magenta
from uv_ball import ball

from rig.attack.distance import DeltaE
from rig.attack.goal import Goal, goal_of
from rig.attack.method import roads_for, texture_attack
from rig.attack.poses import FixedViews, PoseWindow
from rig.attack.settings import AttackSettings, attack_settings
from rig.attack.texture import Stage, TextureAttack
from rig.campaign import TextureJob, attack_texture, resume
from rig.errors import RigError
from rig.images import encode_png, read_image
from rig.model import DeployedModel, gradient_of
from rig.render import Renderer
from rig.runs import RunFolder
from rig.scene import load_scene
from rig.views import draw_views

SIDE_PX = 32


def quiet(*_):
    pass


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Networks, a ball, a grey skin for it."""
    path = tmp_path_factory.mktemp("black_box")
    ball(path / "ball.glb")
    (path / "grey.png").write_bytes(encode_png(np.full((64, 64, 3), 128, np.uint8)))
    write_magenta(path / "magenta.onnx")
    return path


def scene_settings(folder, *more):
    return (
        f"object.mesh={folder / 'ball.glb'}",
        f"object.texture={folder / 'grey.png'}",
        'object.labels=["ball"]',
        "background.color=0.5",
        *more,
    )


def stage_on(folder, network, settings, *more):
    model = DeployedModel(folder / f"{network}.onnx", threads=1)
    scene = load_scene("baseball", scene_settings(folder, *more), 64)
    renderer = Renderer(scene, model.size_px)
    validation = [renderer.prepare(view) for view in draw_views(scene.config, 6, 0, "validation")]
    return Stage(renderer, model, roads_for([model], settings)[0], goal_of(scene, "magenta", model.labels), validation)


def settings_of(**changes):
    given = {"steps": 60, "views_per_step": 4, "validate_every": 10, "max_delta_e": 30.0, "texture_px": 64}
    black_box = changes.pop("black_box", {})
    return attack_settings(given | changes | {"black_box": black_box})


def window(stage, settings):
    config = stage.renderer.scene.config
    return PoseWindow(config, stage.renderer, 1, "attack", settings.views_per_step, settings.reuse_frac)


def run_on(stage, settings, path, **more):
    attack = texture_attack(stage, window(stage, settings), settings, "adversarial", seed=3)
    for name, value in more.items():
        setattr(attack, name, value)
    return attack.run(RunFolder.start(path, ["test"], {}, 0), quiet)


def test_scores_alone_turn_a_grey_ball_magenta_within_the_budget_and_beside_the_protected_part(folder, tmp_path):
    settings = settings_of(epsilon=60.0, steps=24)
    stage = stage_on(folder, "magenta", settings, "object.protected={center_m=[0,0,1],radius_m=0.8}")
    state = run_on(stage, settings, tmp_path / "r")
    clean, paintable = stage.renderer.scene.mesh.texture, stage.renderer.scene.paintable
    assert state.best_success >= 0.8  # all but a view of the protected cap
    assert DeltaE(stage.renderer, clean, stage.validation).mean(state.best) <= 30
    change = np.abs(state.best.astype(int) - clean)
    assert change.max() <= 60
    assert 0.02 < (~paintable).mean() < 0.5 and change[~paintable].max() == 0 < change[paintable].max()


def test_an_8_bit_texture_keeps_a_small_delta_e_budget(folder, tmp_path):
    settings = settings_of(max_delta_e=4.0, steps=10, views_per_step=2)
    stage = stage_on(folder, "magenta", settings)
    state = run_on(stage, settings, tmp_path / "r")
    distance = DeltaE(stage.renderer, stage.renderer.scene.mesh.texture, stage.validation)
    assert 1 < distance.mean(state.best) <= 4


def test_a_killed_search_goes_on_as_if_it_had_not_been(folder, tmp_path):
    settings = settings_of(steps=9, reuse_frac=0.5, views_per_step=2, validate_every=4)
    whole = run_on(stage_on(folder, "magenta", settings), settings, tmp_path / "whole")

    stage = stage_on(folder, "magenta", settings)
    run = RunFolder.start(tmp_path / "killed", ["test"], {}, 0)
    attack = texture_attack(stage, window(stage, settings), settings, "adversarial", seed=3)
    attack.checkpoint_every = 4

    def killed(done, *_):
        if done == 6:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        attack.run(run, killed)
    again = texture_attack(stage, window(stage, settings), settings, "adversarial", seed=3).run(run, quiet)
    assert torch.equal(again.texture, whole.texture) and np.array_equal(again.best, whole.best)
    assert [row["loss"] for row in again.history] == [row["loss"] for row in whole.history]


@pytest.mark.parametrize(
    ("changes", "by_step"),
    [  # at the start 4 views of the clean texture and of 8 grids; then 4 of a proposal, and new ones of what is kept
        ({}, [36, 44, 52, 60 + 6]),
        ({"reuse_frac": 0.75}, [36, 41, 46, 51 + 6]),  # 1 new view a step; 6 validation views
    ],
)
def test_every_frame_asked_about_is_a_query(folder, tmp_path, changes, by_step):
    settings = settings_of(steps=4, validate_every=4, **changes)
    stage = stage_on(folder, "magenta", settings)
    state = run_on(stage, settings, tmp_path / "r")
    assert [row["queries"] for row in state.history] == by_step
    assert stage.model.queries == state.queries == by_step[-1]
    assert state.gradients == 0


def test_an_estimated_gradient_on_frames_counts_all_its_frames(folder, tmp_path):
    """101 queries a view: the view and both sides of 50 directions; a true gradient is one."""
    settings = settings_of(steps=1).model_copy(update={"black_box": None})
    for road, each in (("nes", 101), ("torch", 1)):
        stage = stage_on(folder, "magenta", settings)
        stage = dataclasses.replace(stage, gradient=gradient_of(stage.model, road))
        stage.model.queries = 0
        state = run_on(stage, settings, tmp_path / road)
        assert (state.gradients, state.queries) == (4, 4 * each + 6)


def test_squares_stay_on_what_may_be_painted_and_shrink(folder):
    settings = settings_of(steps=1000, black_box={"square_frac": 0.25})
    stage = stage_on(folder, "magenta", settings, "object.protected={center_m=[0,0,1],radius_m=0.8}")
    attack = texture_attack(stage, FixedViews(stage.validation), settings, "a", seed=0)
    sides = []
    for step in (1, 900):
        attack.state.step = step
        changed = (attack._square(attack.drawn()) != attack.clean).any(0)
        assert changed.any() and not (changed & ~attack.paintable).any()
        sides.append(int(changed.sum()) ** 0.5)
    assert sides[0] <= 32 / 2**0.5 + 1 and sides[1] <= 2


def test_a_worse_proposal_is_not_kept(folder):
    """The magenta network with the goal turned round: any texture that is more magenta costs more."""
    settings = settings_of(max_delta_e=None, epsilon=60.0)
    stage = dataclasses.replace(stage_on(folder, "magenta", settings), goal=Goal((1,), 0))
    attack = texture_attack(stage, FixedViews(stage.validation), settings, "a", seed=0)
    losses = []
    for _ in range(10):
        losses.append(attack.take_step()["loss"])
    assert losses == sorted(losses, reverse=True)


def test_a_campaign_knows_scores_only_and_says_so(folder, tmp_path):
    """From settings to run.json: queries are those of the searches and of the sweep, no gradient was taken."""
    settings = settings_of(steps=4, validate_every=2, epsilon=60.0)
    protected = "object.protected={center_m=[0,0,1],radius_m=0.8}"
    scene = load_scene("baseball", scene_settings(folder, protected), 64)
    job = TextureJob(scene.config.model_dump(mode="json"), (str(folder / "magenta.onnx"),), settings, 5, 0)
    job = dataclasses.replace(job, attack=settings.model_copy(update={"target": "magenta", "validation_views": 3}))
    run = attack_texture(job, tmp_path / "run", ["test"], quiet)
    state = json.loads((run.path / "run.json").read_text())
    artefacts = {name: run.artefact(name) for name in ("clean", "adversarial", "control_random", "control_single_view")}
    searched = sum(one.details["details"].get("queries", 0) for one in artefacts.values())
    assert state["resources"]["queries"] == searched + 4 * 5
    assert state["resources"]["gradients"] == 0
    assert state["threat_model"]["knowledge"].startswith("black-box")
    assert state["models"][0]["gradient"] == "Square search over textures (scores only)"
    changed = (read_image(run.path / "artefacts/adversarial/texture.png") != artefacts["clean"].texture).any(2)
    assert changed.any() and not changed[~scene.paintable].any()
    assert not (artefacts["control_random"].texture != artefacts["clean"].texture).any(2)[~scene.paintable].any()
    before = (run.path / "artefacts/adversarial/texture.png").read_bytes()
    resume(run.path, quiet)
    assert (run.path / "artefacts/adversarial/texture.png").read_bytes() == before


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("attack.black_box.method=genetic", r"\[black_box\] method: input should be 'square'"),
        ("attack.black_box.cels=3", 'unknown key "cels"; known keys: method, square_frac'),
        ("attack.black_box.square_frac=0", "square_frac: input should be greater than 0"),
    ],
)
def test_a_bad_setting_names_its_key(override, message):
    with pytest.raises(RigError, match=message):
        attack_settings({}, [override])


def test_an_attack_that_needs_gradients_refuses(folder):
    settings = AttackSettings(black_box={"method": "square"})
    stage = stage_on(folder, "magenta", settings)
    with pytest.raises(RigError, match=r"\[attack\] black_box: this attack needs gradients"):
        TextureAttack(stage, FixedViews([]), settings, "a")
    with pytest.raises(RigError, match="scores are all there is"):
        stage.gradient.value_and_grad(None, None)
