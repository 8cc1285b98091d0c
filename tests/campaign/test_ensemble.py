"""Two networks attacked at once: one that looks for magenta, and a smaller one of the same kind."""

import json

import pyarrow.parquet as pq
import pytest
from magenta_network import write_magenta

from rig.attack.settings import AttackSettings
from rig.campaign.eot_study import EotStudyJob, study_eot
from rig.campaign.resume import resume
from rig.campaign.texture import TextureJob, attack_texture
from rig.cli import main
from rig.metrics import transfer
from rig.metrics.load import read_run
from rig.scene import load_config

ATTACK = AttackSettings(
    target="magenta", steps=12, views_per_step=4, texture_px=64, validate_every=4, validation_views=4, scales=2,
    max_delta_e=40.0, step_size=0.3,
)  # fmt: skip


def quiet(*_):
    pass


@pytest.fixture(scope="module")
def networks(tmp_path_factory):
    folder = tmp_path_factory.mktemp("networks")
    return tuple(str(write_magenta(folder / f"{name}.onnx", px)) for name, px in (("large", 32), ("small", 24)))


@pytest.fixture(scope="module")
def scene():
    return load_config("baseball", ('object.labels=["ball"]',)).model_dump(mode="json")


@pytest.fixture(scope="module")
def run(networks, scene, tmp_path_factory):
    """Killed on the way and resumed from run.json alone."""
    out = tmp_path_factory.mktemp("run") / "both"

    def kill(done, total, what):
        if what.startswith("adversarial") and done == 11:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        attack_texture(TextureJob(scene, networks, ATTACK, 6, 0), out, ["rig"], kill)
    return resume(out, quiet)


def test_both_networks_judge_every_view_and_count_as_attacked(run):
    rows = pq.read_table(run.path / "trials", partitioning=None).to_pylist()
    judged = {(row["model"], row["artefact"], row["view"]) for row in rows}
    assert len(judged) == len(rows) == 2 * 4 * 6  # networks x textures x views
    stored = read_run(run.path)
    made_on = transfer.origin(stored, "adversarial")
    assert {transfer.made(stored, made_on, name) for name in ("large", "small")} == {transfer.OWN}


def test_the_run_says_that_both_were_attacked_and_by_which_roads(run):
    state = json.loads((run.path / "run.json").read_text())
    assert state["threat_model"]["goal"].startswith('large and small each call the object "magenta"')
    assert [model["name"] for model in state["models"]] == ["large", "small"]
    assert all(model["gradient"] and model["sha256_before"] == model["sha256_after"] for model in state["models"])
    assert json.loads((run.path / "report.json").read_text())["headline"]


def test_the_single_view_control_shows_its_view_to_both(run):
    details = json.loads((run.path / "artefacts" / "control_single_view" / "artefact.json").read_text())["details"]
    assert details["gradients"] == 2 * details["steps"]


def test_a_killed_and_resumed_attack_gives_the_texture_of_one_that_was_not_killed(run, networks, scene, tmp_path):
    whole = attack_texture(TextureJob(scene, networks, ATTACK, 6, 0), tmp_path / "whole", ["rig"], quiet)
    name = "artefacts/adversarial/texture.png"
    assert (run.path / name).read_bytes() == (whole.path / name).read_bytes()


def test_a_studys_table_tells_attacked_networks_from_others(networks, scene, tmp_path):
    other = write_magenta(tmp_path / "other.onnx")
    job = EotStudyJob((scene,), networks, (str(other),), {}, 1, ATTACK, 6, False, 0)
    study = study_eot(job, tmp_path / "study", ["rig"], quiet)
    (item,) = json.loads((study.path / "report.json").read_text())["items"]
    assert item["model"] == "large" and item["attacked"] == ["large", "small"]
    assert list(item["transfer"]) == ["small", "other"]
    rows = pq.read_table(study.path / "items" / item["item"] / "trials", partitioning=None).to_pylist()
    hits = [r["predicted"] == "magenta" for r in rows if (r["model"], r["artefact"]) == ("small", "adversarial")]
    assert item["transfer"]["small"]["adversarial"]["adversariality"]["k"] == sum(hits)
    table = (study.path / "table.md").read_text()
    assert "small (attacked, too)" in table and "other, which had no part in it" in table


def test_scores_alone_attack_one_network(networks, tmp_path, monkeypatch, capsys):
    words = ["rig", "attack", "texture", "baseball", "--set", "attack.black_box.method=square"]
    words += ["--set", 'object.labels=["ball"]', "--out", str(tmp_path / "run")]
    monkeypatch.setattr("sys.argv", [*words, *(f"--model={network}" for network in networks)])
    with pytest.raises(SystemExit) as left:
        main()
    assert left.value.code == 2 and "from scores alone one network is attacked" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("option", ["--model", "--transfer"])
def test_a_study_with_a_network_that_is_not_there_is_refused_before_anything_is_written(
    option, networks, tmp_path, monkeypatch, capsys
):
    words = ["rig", "bench", "eot", "baseball", "--model", networks[0], option, "nowhere.onnx"]
    monkeypatch.setattr("sys.argv", [*words, "--set", 'object.labels=["ball"]', "--out", str(tmp_path / "study")])
    with pytest.raises(SystemExit) as left:
        main()
    assert left.value.code == 2 and "no such model; got nowhere.onnx" in capsys.readouterr().err
    assert not (tmp_path / "study").exists()
