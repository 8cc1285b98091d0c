"""A whole study on a network that looks for magenta: two objects, the attack's item and its transfer."""

import fcntl
import json
import statistics

import pyarrow.parquet as pq
import pytest
from magenta_network import write_magenta

from rig.attack.settings import AttackSettings
from rig.campaign.eot_study import EotStudyJob, lock_path, plan, study_eot
from rig.campaign.resume import resume
from rig.cli import main
from rig.errors import RigError
from rig.metrics.eot_study import spread
from rig.model import Labels
from rig.runs import RunFolder
from rig.scene import load_config

ATTACK = AttackSettings(
    steps=12, views_per_step=2, texture_px=64, validate_every=4, validation_views=4, scales=2, max_delta_e=40.0, step_size=0.3
)  # fmt: skip


def quiet(*_):
    pass


def job(network, other, **changes) -> EotStudyJob:
    scenes = tuple(
        load_config(name, ('object.labels=["ball"]',)).model_dump(mode="json") for name in ("baseball", "turtle")
    )
    asked = {"named": {}, "n_targets": 1, "attack": ATTACK, "views": 6, "controls": True, "seed": 3}
    return EotStudyJob(scenes, (str(network),), (str(other),), **asked | changes)


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """Killed inside the second item's attack and resumed from run.json alone."""
    folder = tmp_path_factory.mktemp("study")
    network, other = write_magenta(folder / "magenta.onnx"), write_magenta(folder / "other.onnx")

    def kill_at_the_second_item(done, total, what):
        if what.startswith("2/2") and "adversarial" in what and done == 6:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        study_eot(job(network, other), folder / "out", ["rig", "bench", "eot"], kill_at_the_second_item)
    first = folder / "out" / "items" / "baseball-as-magenta" / "run.json"
    before = first.read_bytes()
    with lock_path(folder / "out", "turtle-as-magenta").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)  # another process is at the second item: it is left to that one
        assert resume(folder / "out", quiet).state["status"] == "running"
    run = resume(folder / "out", quiet)
    assert first.read_bytes() == before  # a finished item is not touched
    return run


def test_every_item_is_a_whole_run_and_its_texture_is_tried_on_the_other_network_at_the_same_views(study):
    for item in ("baseball-as-magenta", "turtle-as-magenta"):
        attack, transfer = study.path / "items" / item, study.path / "transfer" / item
        assert (attack / "report.html").exists()
        own, others = (pq.read_table(folder / "trials", partitioning=None).to_pylist() for folder in (attack, transfer))
        clean = {row["view"]: row["frame_hash"] for row in own if row["artefact"] == "clean"}
        assert {row["view"]: row["frame_hash"] for row in others if row["artefact"] == "clean"} == clean
        assert {row["model"] for row in others} == {"other"}


def test_the_figures_are_those_of_the_stored_rows_counted_by_hand(study):
    record = json.loads((study.path / "report.json").read_text())
    rates = []
    for item in record["items"]:
        rows = pq.read_table(study.path / "items" / item["item"] / "trials", partitioning=None).to_pylist()
        hits = [row["predicted"] == "magenta" for row in rows if row["artefact"] == "adversarial"]
        rates.append(sum(hits) / len(hits))
        assert item["artefacts"]["adversarial"]["adversariality"]["rate"] == rates[-1]
        assert set(item["artefacts"]) == {"clean", "adversarial", "control_random", "control_single_view"}
    found = record["study"]["adversariality"]
    assert (found["mean"], found["sd"]) == pytest.approx((statistics.mean(rates), statistics.stdev(rates)))
    assert record["study"]["n_objects"] == 2


def test_the_page_and_the_table_name_every_item(study):
    page, table = (study.path / name for name in ("report.html", "table.md"))
    for text in (page.read_text(), table.read_text()):
        assert "baseball" in text and "turtle" in text and "magenta" in text
    assert "2 of 2 planned items" in page.read_text().replace("\N{NO-BREAK SPACE}", " ")


def test_spread_gives_sample_deviation_and_interpolated_quantiles():
    items = [{"object": name} for name in "aabb"]
    found = spread(items, [0.2, 0.4, 0.9, 1.0], seed=0)
    assert found["sd"] == pytest.approx(statistics.stdev([0.2, 0.4, 0.9, 1.0]))
    assert found["quantiles"]["0.1"] == pytest.approx(0.2 + 0.3 * 0.2)
    assert found["low"] <= found["mean"] <= found["high"]


def test_targets_are_random_wrong_classes_that_depend_on_seed_and_object_only():
    labels = Labels(["ball", *(f"thing {number}" for number in range(50))])
    many = job("a", "b", n_targets=3)
    first = plan(many, labels)
    assert [item.name for item in first] == [item.name for item in plan(many, labels)]
    assert len(first) == 6 and not {"ball"} & {item.target for item in first}
    alone = plan(EotStudyJob(**{**many.__dict__, "scenes": many.scenes[1:]}), labels)
    assert [item.target for item in alone] == [item.target for item in first[3:]]
    drawn = {item.target for seed in range(40) for item in plan(job("a", "b", seed=seed), labels)}
    assert len(drawn) > 30  # of 50: no class is favoured


@pytest.mark.parametrize(
    ("named", "message"), [({"mug": ["magenta"]}, "not in the study"), ({"turtle": ["ball"]}, "true label")]
)
def test_a_target_that_cannot_be_is_one_line(named, message):
    with pytest.raises(RigError, match=message):
        plan(job("a", "b", named=named), Labels(["ball", "magenta"]))


def test_bad_arguments_exit_with_2_and_leave_nothing(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["rig", "bench", "eot", "turtle", "--model", "x.onnx", "--target", "turtle",
                                     "--out", str(tmp_path / "o")])  # fmt: skip
    with pytest.raises(SystemExit) as left:
        main()
    assert left.value.code == 2 and "OBJECT=LABEL" in capsys.readouterr().err
    assert not (tmp_path / "o").exists()


def test_a_study_resumed_with_other_settings_is_refused(study):
    with pytest.raises(RigError, match="views"):
        RunFolder.start(study.path, [], {**study.state["config"], "sweep": {"views": 7, "policy": "random"}}, 3)
