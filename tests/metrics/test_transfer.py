"""The matrix of artefacts and models: figures are the rates', marks are what files and hashes say."""

import json
import shutil

import pytest
from synthetic_run import write_run

from rig.metrics import metrics
from rig.metrics.load import read_run
from rig.metrics.transfer import OTHER, OWN, SAME_NAME, UNKNOWN, made

MODELS = ("lite0", "lite1", "lite2")
AB = "ab" * 32  # what synthetic runs say of every model's file


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    kept = ("clean", "adversarial", "control_random")
    folder = tmp_path_factory.mktemp("runs") / "sweep"
    run = write_run(folder, 12, ("turtle", "ball"), MODELS, artefacts=kept, history=False, thumbnails=False)
    record = json.loads((run / "run.json").read_text())
    for i, model in enumerate(record["models"]):
        model["sha256_before"] = model["sha256_after"] = f"{i}{i}" * 32
    del record["config"]["attack"]
    (run / "run.json").write_text(json.dumps(record))
    return run


@pytest.fixture
def run(whole, tmp_path):
    return shutil.copytree(whole, tmp_path / "sweep")


def say(run, artefact, **fields):
    path = run / "artefacts" / artefact / "artefact.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | fields))


def test_every_artefact_has_a_cell_a_model_with_the_rates_figures(run):
    found = metrics(run)
    assert [(row["object"], row["artefact"]) for row in found["transfer"]] == [
        (name, artefact) for name in ("ball", "turtle") for artefact in ("adversarial", "control_random")
    ]
    rates = {(row["object"], row["artefact"], row["model"]): row["adversariality"] for row in found["rates"]}
    for row in found["transfer"]:
        assert [cell["model"] for cell in row["cells"]] == list(MODELS)
        for cell in row["cells"]:
            assert rates[row["object"], row["artefact"], cell["model"]].items() <= cell.items()
            assert cell["made"] == UNKNOWN and row["made_on"] is None


def test_a_network_is_marked_by_its_hash_and_else_by_its_name(run):
    made_on = {"models": [{"name": "another name", "sha256": "11" * 32}], "objects": ["turtle"]}
    say(run, "adversarial", made_on=made_on)
    say(run, "control_random", made_on={"models": [{"name": "lite2", "sha256": "ff" * 32}], "objects": []})
    rows = {(row["object"], row["artefact"]): row for row in metrics(run)["transfer"]}
    marks = {key: [cell["made"] for cell in row["cells"]] for key, row in rows.items()}
    assert marks["turtle", "adversarial"] == [OTHER, OWN, OTHER]
    assert marks["turtle", "control_random"] == [OTHER, OTHER, SAME_NAME]
    assert rows["turtle", "adversarial"]["made_on_object"] and not rows["ball", "adversarial"]["made_on_object"]
    assert rows["ball", "control_random"]["made_on_object"] is None
    nameless = {"models": [{"name": "lite0", "sha256": None}], "objects": []}
    assert made(read_run(run), nameless, "lite0") == OWN


def test_what_an_attack_made_itself_was_made_on_its_own_networks(run):
    record = json.loads((run / "run.json").read_text())
    (run / "run.json").write_text(json.dumps(record | {"config": record["config"] | {"attack": {"steps": 1}}}))
    row = metrics(run)["transfer"][0]
    assert {cell["made"] for cell in row["cells"]} == {OWN} and row["made_on_object"] is True


def test_one_model_has_no_matrix(tmp_path):
    run = write_run(tmp_path / "run", 9, artefacts=("clean", "adversarial"), history=False, thumbnails=False)
    assert metrics(run)["transfer"] == []


@pytest.mark.parametrize("said", ["a string", ["a list"], {"models": None}, {}])
def test_a_strange_origin_is_no_origin(run, said):
    say(run, "adversarial", made_on=said)
    assert {cell["made"] for cell in metrics(run)["transfer"][0]["cells"]} == {UNKNOWN}
