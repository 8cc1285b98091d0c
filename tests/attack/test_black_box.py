"""Texture attacks that ask for scores only, on a grey ball and networks whose every answer is known."""

import dataclasses
import json

import numpy as np
import onnx
import pytest
import torch
from magenta_network import LABELS, write_magenta
from onnx import TensorProto, helper
from uv_ball import ball

from rig.attack.black_box import NESAttack
from rig.attack.distance import DeltaE
from rig.attack.goal import Goal, goal_of
from rig.attack.look import pull
from rig.attack.method import road_for, texture_attack
from rig.attack.poses import FixedViews, PoseWindow
from rig.attack.settings import AttackSettings, attack_settings
from rig.attack.texture import Stage, TextureAttack
from rig.campaign import TextureJob, attack_texture, resume
from rig.errors import RigError
from rig.images import encode_png, read_image
from rig.model import DeployedModel, gradient_of
from rig.model.card import write_card
from rig.model.guess import guess_card
from rig.render import MipAtlas, Renderer
from rig.runs import RunFolder
from rig.scene import load_scene
from rig.views import draw_views

METHODS = ("nes", "square")
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
    write_mean(path / "mean.onnx")
    return path


def write_mean(path):
    """Logits: of a ball 0, of magenta red - 2 green + 3 blue over 3 of the mean colour. Linear, so slopes are known."""
    batch = helper.make_tensor_value_info("batch", TensorProto.FLOAT, ["n", 3, SIDE_PX, SIDE_PX])
    logits = helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["n", 2])
    weights = helper.make_tensor("weights", TensorProto.FLOAT, [3, 2], [0, 1, 0, -2, 0, 3])
    nodes = [
        helper.make_node("GlobalAveragePool", ["batch"], ["mean"]),
        helper.make_node("Flatten", ["mean"], ["flat"]),
        helper.make_node("MatMul", ["flat", "weights"], ["logits"]),
    ]
    graph = helper.make_graph(nodes, "mean", [batch], [logits], [weights])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)])
    model.ir_version = 8
    onnx.save(model, str(path))
    card = guess_card(path)
    plain = {"range": (0.0, 1.0), "mean": (0.0, 0.0, 0.0), "std": (1.0, 1.0, 1.0)}
    changes = {"labels": LABELS, "input": card.input.model_copy(update=plain), "guessed": []}
    write_card(card.model_copy(update=changes), path)


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
    return Stage(renderer, model, road_for(model, settings), goal_of(scene, "magenta", model.labels), validation)


def settings_of(method, **changes):
    given = {"steps": 60, "views_per_step": 4, "validate_every": 10, "max_delta_e": 30.0, "texture_px": 64}
    black_box = {"method": method, "cells": 4} | changes.pop("black_box", {})
    return attack_settings(given | changes | {"black_box": black_box})


def window(stage, settings):
    config = stage.renderer.scene.config
    return PoseWindow(config, stage.renderer, 1, "attack", settings.views_per_step, settings.reuse_frac)


def run_on(stage, settings, path, **more):
    attack = texture_attack(stage, window(stage, settings), settings, "adversarial", seed=3)
    for name, value in more.items():
        setattr(attack, name, value)
    return attack.run(RunFolder.start(path, ["test"], {}, 0), quiet)


def test_the_estimated_slope_is_the_gradient_in_its_basis_scale_included(folder):
    """Against the compiled gradient of the same network through the same renderer, projected onto every direction."""
    settings = settings_of("nes", black_box={"cells": 3, "pairs": 200, "sigma": 0.1})
    stage = stage_on(folder, "mean", settings)
    attack = NESAttack(stage, FixedViews(stage.validation), settings, "a", seed=0)
    attack.objective = lambda logits: -logits[:, 1]
    found = []
    attack._descend = found.append
    attack.take_step()

    plain = settings.model_copy(update={"black_box": None})
    white = TextureAttack(dataclasses.replace(stage, gradient=gradient_of(stage.model)), attack.poses, plain, "a")
    white.objective = attack.objective
    texture = white.state.texture.clone().requires_grad_()
    atlas = MipAtlas(texture)
    looks = white.look(atlas, stage.validation)
    atlas.texels.backward(pull(looks, torch.full((6,), 1 / 6), 0.0))
    basis = attack._directions(1).new_zeros(27, 3, 3, 3)
    basis.view(27, 27).fill_diagonal_(1.0)
    basis = torch.nn.functional.interpolate(basis, (64, 64), mode="bilinear")
    slopes = torch.einsum("bchw,chw->b", basis, texture.grad)
    expected = torch.einsum("b,bchw->chw", slopes, basis)
    cosine = torch.nn.functional.cosine_similarity(found[0].flatten(), expected.flatten(), dim=0)
    scale = (found[0] * expected).sum() / expected.square().sum()
    assert cosine > 0.9
    assert float(scale) == pytest.approx(1.0, abs=0.15)


@pytest.mark.parametrize("method", METHODS)
def test_scores_alone_turn_a_grey_ball_magenta_within_the_budget_and_beside_the_protected_part(
    folder, tmp_path, method
):
    settings = settings_of(method, epsilon=60.0, steps=24, views_per_step=3)
    stage = stage_on(folder, "magenta", settings, "object.protected={center_m=[0,0,1],radius_m=0.8}")
    state = run_on(stage, settings, tmp_path / "r")
    clean, paintable = stage.renderer.scene.mesh.texture, stage.renderer.scene.paintable
    assert state.best_success >= 0.8  # all but a view of the protected cap
    assert DeltaE(stage.renderer, clean, stage.validation).mean(state.best) <= 30
    change = np.abs(state.best.astype(int) - clean)
    assert change.max() <= 60
    assert 0.02 < (~paintable).mean() < 0.5 and change[~paintable].max() == 0 < change[paintable].max()


@pytest.mark.parametrize("method", METHODS)
def test_an_8_bit_texture_keeps_a_small_delta_e_budget(folder, tmp_path, method):
    settings = settings_of(method, max_delta_e=4.0, steps=10, views_per_step=2)
    stage = stage_on(folder, "magenta", settings)
    state = run_on(stage, settings, tmp_path / "r")
    distance = DeltaE(stage.renderer, stage.renderer.scene.mesh.texture, stage.validation)
    assert 1 < distance.mean(state.best) <= 4


@pytest.mark.parametrize("method", METHODS)
def test_a_killed_search_goes_on_as_if_it_had_not_been(folder, tmp_path, method):
    settings = settings_of(method, steps=9, reuse_frac=0.5, views_per_step=2, validate_every=4)
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
    ("method", "changes", "by_step"),
    [
        ("nes", {"black_box": {"pairs": 5}}, [10, 20, 30, 40 + 6]),  # both sides of 5 directions; 6 validation views
        ("nes", {}, [8, 16, 24, 32 + 6]),
        ("square", {}, [8, 16, 24, 32 + 6]),  # 4 views of the proposal, 4 new ones of the kept texture
        ("square", {"reuse_frac": 0.75}, [8, 13, 18, 23 + 6]),  # 1 new one after the first
    ],
)
def test_every_frame_asked_about_is_a_query(folder, tmp_path, method, changes, by_step):
    settings = settings_of(method, steps=4, validate_every=4, **changes)
    stage = stage_on(folder, "magenta", settings)
    state = run_on(stage, settings, tmp_path / "r")
    assert [row["queries"] for row in state.history] == by_step
    assert stage.model.queries == state.queries == by_step[-1]
    assert state.gradients == 0


def test_an_estimated_gradient_on_frames_counts_all_its_frames(folder, tmp_path):
    """101 queries a view: the view and both sides of 50 directions; a true gradient is one."""
    settings = settings_of("nes", steps=1).model_copy(update={"black_box": None})
    for road, each in (("nes", 101), ("torch", 1)):
        stage = stage_on(folder, "magenta", settings)
        stage = dataclasses.replace(stage, gradient=gradient_of(stage.model, road))
        stage.model.queries = 0
        state = run_on(stage, settings, tmp_path / road)
        assert (state.gradients, state.queries) == (4, 4 * each + 6)


def test_squares_stay_on_what_may_be_painted_and_shrink(folder):
    settings = settings_of("square", steps=1000, black_box={"square_frac": 0.25})
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
    settings = settings_of("square", max_delta_e=None, epsilon=60.0)
    stage = dataclasses.replace(stage_on(folder, "magenta", settings), goal=Goal((1,), 0))
    attack = texture_attack(stage, FixedViews(stage.validation), settings, "a", seed=0)
    losses = []
    for _ in range(10):
        losses.append(attack.take_step()["loss"])
    assert losses == sorted(losses, reverse=True)


def test_a_campaign_knows_scores_only_and_says_so(folder, tmp_path):
    """From settings to run.json: queries are those of the searches and of the sweep, no gradient was taken."""
    settings = settings_of("square", steps=8, validate_every=4, epsilon=60.0)
    protected = "object.protected={center_m=[0,0,1],radius_m=0.8}"
    scene = load_scene("baseball", scene_settings(folder, protected), 64)
    job = TextureJob(scene.config.model_dump(mode="json"), str(folder / "magenta.onnx"), settings, 10, 0)
    job = dataclasses.replace(job, attack=settings.model_copy(update={"target": "magenta", "validation_views": 6}))
    run = attack_texture(job, tmp_path / "run", ["test"], quiet)
    state = json.loads((run.path / "run.json").read_text())
    artefacts = {name: run.artefact(name) for name in ("clean", "adversarial", "control_random", "control_single_view")}
    searched = sum(one.details["details"].get("queries", 0) for one in artefacts.values())
    assert state["resources"]["queries"] == searched + 4 * 10
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
        ("attack.black_box.method=genetic", r"\[black_box\] method: input should be 'nes' or 'square'"),
        ("attack.black_box.cels=3", 'unknown key "cels"; did you mean "cells"'),
        ("attack.black_box.sigma=0", "sigma: input should be greater than 0"),
    ],
)
def test_a_bad_setting_names_its_key(override, message):
    with pytest.raises(RigError, match=message):
        attack_settings({}, [override])


def test_an_attack_that_needs_gradients_refuses(folder):
    settings = AttackSettings(black_box={"method": "nes"})
    stage = stage_on(folder, "magenta", settings)
    with pytest.raises(RigError, match=r"\[attack\] black_box: this attack needs gradients"):
        TextureAttack(stage, FixedViews([]), settings, "a")
    with pytest.raises(RigError, match="scores are all there is"):
        stage.gradient.value_and_grad(None, None)
