"""The checks that need extra runs: made for real where they are cheap, and tried on stored findings where they are not."""

import hashlib
import json
import shutil

import numpy as np
import onnx
import polars as pl
import pytest
from onnx import TensorProto, helper
from tampered import Tampered, quiet

from rig.audit import FAIL, PASS, WARN, audit
from rig.audit.deep import answers as asking
from rig.audit.deep import repeats, toy
from rig.audit.deep import slopes as sloping
from rig.audit.deep.answers import ask_again
from rig.audit.deep.repeats import double_steps, make_restarts, one_step, unbounded
from rig.audit.deep.slopes import measure_slopes
from rig.audit.deep.toy import validity, write_toy
from rig.audit.evidence import Evidence
from rig.audit.store import keep
from rig.campaign import SweepJob, resume, sweep_scenes
from rig.metrics.load import read_run
from rig.metrics.paired import paired
from rig.model import DeployedModel, gradient_of
from rig.model.card import card_path
from rig.scene import load_config


def of(path, number: int):
    (finding,) = audit(path, only=(number,))
    return finding


@pytest.fixture(scope="module")
def model(bench):
    return DeployedModel(bench / "toy.onnx", threads=1)


@pytest.fixture(scope="module")
def deepened(attacked, model, tmp_path_factory):
    """A copy with what `--deep` asks of the model and of its gradient."""
    path = shutil.copytree(attacked, tmp_path_factory.mktemp("deep") / "cube")
    evidence = Evidence(read_run(path))
    keep(evidence, "answers", ask_again(evidence, model))
    keep(evidence, "slopes", measure_slopes(evidence, model))
    return path


@pytest.fixture
def deep_run(deepened, tmp_path):
    return Tampered(shutil.copytree(deepened, tmp_path / "cube"))


def stored(path, name: str, found: dict) -> None:
    keep(Evidence(read_run(path)), name, found)


@pytest.mark.parametrize(
    ("number", "says"),
    [
        (6, "gradient over finite differences on texels: objective 1.0"),
        (8, "5 forwards of 32 frames agree"),
        (9, "agrees with the deployed file: top-1 on all 32 frames"),
        (21, "32 stored predictions were asked of the file again and agree"),
    ],
)
def test_a_sound_model_passes_when_asked_again(deepened, number, says):
    finding = of(deepened, number)
    assert finding.status == PASS
    assert says in finding.sentence.replace("0.99", "1.0")


class Scaled:
    """A gradient that is `factor` of the true one, or another model's; scores stay the file's."""

    def __init__(self, inner, factor: float = 1.0):
        self._inner, self._factor = inner, factor
        self.inner, self.stand_in, self.share, self.road = self, inner.stand_in, inner.share, inner.road

    def value_and_grad(self, batch, objective):
        losses, grad, logits = self._inner.value_and_grad(batch, objective)
        return losses, grad * self._factor, logits


def test_a_gradient_that_is_a_quarter_of_the_true_one_is_caught(deep_run, model, monkeypatch):
    monkeypatch.setattr(sloping, "gradient_of", lambda model: Scaled(gradient_of(model), 0.25))
    stored(deep_run.path, "slopes", measure_slopes(Evidence(read_run(deep_run.path)), model))
    finding = of(deep_run.path, 6)
    assert finding.status == FAIL
    assert finding.evidence["slopes"]["objective"]["median_ratio"] == pytest.approx(0.25, rel=0.05)
    assert "The gradient of objective is 0.2" in finding.sentence


def test_a_gradient_of_another_model_is_caught(deep_run, model, monkeypatch, tmp_path):
    write_toy(tmp_path / "other.onnx", -3.0)
    other = DeployedModel(tmp_path / "other.onnx", threads=1)
    monkeypatch.setattr(asking, "gradient_of", lambda _: gradient_of(other))
    stored(deep_run.path, "answers", ask_again(Evidence(read_run(deep_run.path)), model))
    finding = of(deep_run.path, 9)
    assert finding.status == FAIL
    assert "this is a transfer attack" in finding.sentence


def test_a_prediction_edited_in_every_column_is_caught_by_asking_again(deep_run, model):
    deep_run.predict("plain", pl.col("artefact") == "adversarial", pl.col("view") == "eval-000003")
    (deep_run.path / "metrics.json").unlink()  # so that no stated count gives it away
    assert FAIL not in {finding.status for finding in audit(deep_run.path)}
    stored(deep_run.path, "answers", ask_again(Evidence(read_run(deep_run.path)), model))
    finding = of(deep_run.path, 21)
    assert finding.status == FAIL
    assert "1 of 32 stored predictions are not what the model gives: adversarial, cube, eval-000003" in finding.sentence


def test_what_was_found_about_another_run_does_not_count(deep_run):
    assert of(deep_run.path, 8).status == PASS
    deep_run.state(lambda state: state.update(seed=1))
    assert "not run" in of(deep_run.path, 8).sentence


def faulty(path, name: str, nodes) -> None:
    """The toy with more nodes after its logits; its card still says logits."""
    write_toy(path / f"{name}.onnx", 10.0)
    proto = onnx.load(str(path / f"{name}.onnx"))
    proto.graph.node.extend(nodes)
    proto.graph.output[0].CopyFrom(helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 2]))
    onnx.save(proto, str(path / f"{name}.onnx"))
    card = json.loads(card_path(path / f"{name}.onnx").read_text())
    card["sha256"] = hashlib.sha256((path / f"{name}.onnx").read_bytes()).hexdigest()
    card["output"]["name"] = "y"
    card_path(path / f"{name}.onnx").write_text(json.dumps(card))


SOFTMAX = [helper.make_node("Softmax", ["logits"], ["y"], axis=1)]
NOISE = [
    helper.make_node("RandomNormalLike", ["logits"], ["noise"], scale=0.01),
    helper.make_node("Add", ["logits", "noise"], ["y"]),
]


def swept(bench, folder, name: str, nodes):
    """A real sweep of the clean cube with such a network, and what it says when asked again."""
    faulty(folder, name, nodes)
    scene = load_config(bench / "cube.toml").model_dump(mode="json")
    job = SweepJob((scene,), (str(folder / f"{name}.onnx"),), (), "red", 8, "random", 32, 0)
    path = folder / f"{name}-run"
    sweep_scenes(job, path, ["rig", "sweep"], quiet)
    stored(path, "answers", ask_again(Evidence(read_run(path)), DeployedModel(folder / f"{name}.onnx", threads=1)))
    return path


def test_a_softmaxed_model_and_a_noisy_one_are_caught_and_a_sound_one_is_not(deepened, bench, tmp_path):
    soft, noisy = (swept(bench, tmp_path, *one) for one in (("soft", SOFTMAX), ("noisy", NOISE)))
    assert [of(deepened, number).status for number in (7, 8)] == [PASS, PASS]
    assert of(soft, 7).status == FAIL
    assert "softmax outputs where logits are expected" in of(soft, 7).sentence
    assert of(noisy, 8).status == FAIL
    assert "5 forwards of the same images differ" in of(noisy, 8).sentence


def test_one_step_is_a_run_of_its_own_on_the_same_views(run):
    found = one_step(Evidence(read_run(run.path)), resume, quiet)
    assert found["paired"]["n"] == 16
    again = read_run(run.path / "audit" / "one-step-run")
    assert again.record.config["attack"]["steps"] == 1
    stored(run.path, "one-step", found)
    assert of(run.path, 15).status == PASS
    assert "adversarial >= one step" in of(run.path, 15).sentence
    better = paired([False] * 16, [True] * 16, list(range(16)), 0)
    stored(run.path, "one-step", {"paired": better})
    assert of(run.path, 15).status == FAIL


def test_twice_the_steps_no_budget_and_other_starts_are_runs_of_their_own(run, monkeypatch):
    """Few steps and starts: what is tried here is that the repeats are what they are called, and are read."""
    few = {"steps": 2, "views_per_step": 2, "validation_views": 2, "validate_every": 2}
    run.state(lambda state: state["config"]["attack"].update(few))
    monkeypatch.setattr(repeats, "N_STARTS", 2)
    evidence = Evidence(read_run(run.path))
    makers = {"double-steps": double_steps, "unbounded": unbounded, "restarts": make_restarts}
    found = {name: make(evidence, resume, quiet) for name, make in makers.items()}
    made = {path.name: read_run(path).record for path in sorted((run.path / "audit").glob("*-run"))}
    assert list(made) == ["double-steps-run", "restart-00-run", "restart-01-run", "unbounded-run"]
    assert made["double-steps-run"].config["attack"]["steps"] == 4
    assert made["unbounded-run"].config["attack"]["max_delta_e"] is None
    seeds = [one.seed for one in made.values()]
    assert seeds[0] == seeds[3] == evidence.run.record.seed
    assert len({*seeds}) == 3
    again = Evidence(read_run(run.path / "audit" / "unbounded-run")).attacked
    assert found["unbounded"] == {"k": int((again["predicted"] == "red").sum()), "n": 16}
    assert found["double-steps"]["paired"]["n"] == 16  # at the stored attack's own views
    for name, one in found.items():
        stored(run.path, name, one)
    assert [n for _, n in found["restarts"]["starts"]] == [16, 16]
    assert "2 of 10 starts" in of(run.path, 12).sentence
    assert of(run.path, 14).evidence["unbounded"]["n"] == 16


def test_an_attack_that_stops_too_early_misses_the_known_optimum(run, monkeypatch):
    stored(run.path, "validity", validity(run.path, resume, quiet))
    assert of(run.path, 25).status == PASS
    shutil.rmtree(run.path / "audit")
    monkeypatch.setattr(toy, "STEPS", 2)
    stored(run.path, "validity", validity(run.path, resume, quiet))
    finding = of(run.path, 25)
    assert finding.status == WARN
    assert "its known optimum, pure red" in finding.sentence


def history(run, loss: np.ndarray) -> None:
    """Another course of the main attack's loss, of as many steps as given."""
    path = run.path / "attack/history.parquet"
    rows = pl.read_parquet(path).filter(pl.col("phase") == "adversarial")
    longer = pl.concat([rows] * (len(loss) // len(rows) + 1)).head(len(loss))
    longer.with_columns(step=pl.arange(1, len(loss) + 1), cross_entropy=pl.Series(loss)).write_parquet(path)


def test_a_loss_still_falling_or_twice_the_steps_doing_better_is_no_convergence(run):
    at_rest, views = 9 * np.exp(-np.arange(60) / 8), list(range(40))
    same = paired([True] * 38 + [False] * 2, [True] * 38 + [False] * 2, views, 0)
    history(run, at_rest)
    stored(run.path, "double-steps", {"paired": same})
    assert of(run.path, 11).status == PASS
    history(run, np.linspace(9, 0, 60))
    assert of(run.path, 11).status == WARN
    assert "moved 16.9 % of its range" in of(run.path, 11).sentence
    history(run, at_rest)
    stored(run.path, "double-steps", {"paired": paired([True] * 40, [True] * 20 + [False] * 20, views, 0)})
    assert "more than the interval allows" in of(run.path, 11).sentence


def test_restarts_that_matter_are_caught(run):
    stored(run.path, "restarts", {"starts": [[50, 60]] * 10})
    assert of(run.path, 12).status == PASS
    stored(run.path, "restarts", {"starts": [[20, 60]] * 5 + [[59, 60]] * 5})
    assert of(run.path, 12).status == WARN
    assert "more starts matter" in of(run.path, 12).sentence
    stored(run.path, "restarts", {"starts": [[50, 60]] * 4})
    assert "4 of 10 starts" in of(run.path, 12).sentence


def test_an_attack_that_fails_without_any_budget_is_caught(run):
    assert of(run.path, 14).status == PASS
    run.predict("plain", pl.col("artefact") == "adversarial-3")
    stored(run.path, "unbounded", {"k": 30, "n": 60})
    assert of(run.path, 14).status == FAIL
    stored(run.path, "unbounded", {"k": 60, "n": 60})
    assert of(run.path, 14).status == PASS
