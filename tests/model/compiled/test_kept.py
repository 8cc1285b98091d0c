import json

import pytest
import torch

from rig.model import DeployedModel
from rig.model.compiled import CompiledGradient, kept
from rig.model.compiled import gradient as module


@pytest.fixture
def derivations(monkeypatch):
    """How often a graph was derived, by model."""
    found, derive = [], module._derived
    monkeypatch.setattr(module, "_derived", lambda model: found.append(model.path.name) or derive(model))
    return found


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("RIG_CACHE", str(tmp_path))
    return tmp_path / "gradients"


@pytest.fixture
def model(shared):
    return DeployedModel(shared / "onnx_zoo" / "shufflenet-legacy.onnx", threads=1)


def slopes(model) -> torch.Tensor:
    images = torch.rand(2, 3, *model.size_px, generator=torch.Generator().manual_seed(0))
    return CompiledGradient(model).value_and_grad(images, lambda logits: logits[:, 0])[1]


def test_a_graph_is_derived_once(model, cache, derivations):
    first, second = slopes(model), slopes(model)
    assert torch.equal(first, second)
    assert len(derivations) == 1
    assert len(list(cache.iterdir())) == 1


@pytest.mark.parametrize("file", ["forward.onnx", "graphs.json"])
def test_a_broken_copy_is_derived_anew(model, cache, derivations, file):
    first = slopes(model)
    (folder,) = cache.iterdir()
    (folder / file).write_bytes((folder / file).read_bytes()[:-9])
    assert torch.equal(slopes(model), first)
    assert len(derivations) == 2
    json.loads((folder / "graphs.json").read_text())


@pytest.mark.parametrize("change", ["sha256", "card", "rules"])
def test_another_file_card_or_rule_is_another_graph(model, cache, monkeypatch, change):
    key = kept._key(model)
    if change == "sha256":
        model.sha256 = "0" * 64
    elif change == "card":
        wider = model.card.input.model_copy(update={"mean": (0.1, 0.2, 0.3)})
        model.card = model.card.model_copy(update={"input": wider})
    else:
        monkeypatch.setattr(kept, "_rules", lambda: "others")
    assert kept._key(model) != key


def test_where_nothing_can_be_written_graphs_are_derived_each_time(model, tmp_path, monkeypatch, derivations):
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("RIG_CACHE", str(tmp_path / "file"))
    slopes(model), slopes(model)
    assert len(derivations) == 2


def test_the_graphs_used_longest_ago_are_forgotten(model, cache, monkeypatch):
    monkeypatch.setattr(kept, "MAX_KEPT", 2)
    for number in range(4):
        monkeypatch.setattr(kept, "_rules", lambda number=number: str(number))
        slopes(model)
    assert len(list(cache.iterdir())) == 2
