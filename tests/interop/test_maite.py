"""MAITE's own checks and its own evaluation of a run: what it counts is what the run stored."""

import json
import shutil
from pathlib import Path

import maite.protocols.image_classification as ic
import numpy as np
import polars as pl
import pytest
from magenta_network import is_magenta, write_magenta
from maite.spotcheck import spotcheck_component
from maite.tasks import evaluate, evaluate_from_predictions

from rig.errors import ModelError, RigError, RunError
from rig.interop.frames import RunFrames
from rig.interop.maite import open_run
from rig.interop.maite_metric import RunMetric
from rig.metrics.load import read_run
from rig.metrics.session import session_metrics
from rig.metrics.session_load import read_session_trials
from rig.metrics.summary import metrics


@pytest.fixture(scope="module")
def opened(swept):
    return open_run(swept, "wide")


@pytest.fixture(scope="module")
def evaluated(opened):
    """Every value that crosses between the parts is held against MAITE's protocols by its own spot checks."""
    found, predictions, data = evaluate(
        model=spotcheck_component(ic.Model)(opened.model),
        dataset=spotcheck_component(ic.Dataset)(opened.dataset),
        metric=spotcheck_component(ic.Metric)(opened.metric),
        batch_size=5,
        return_preds=True,
        return_augmented_data=True,
    )
    return found, predictions, data


def test_the_parts_meet_maite_s_protocols(opened):
    assert isinstance(opened.dataset, ic.Dataset)
    assert isinstance(opened.dataset, ic.FieldwiseDataset)
    assert isinstance(opened.model, ic.Model)
    assert isinstance(opened.metric, ic.Metric)


def test_maite_s_evaluation_gives_the_run_s_pooled_rates(evaluated, swept):
    found = evaluated[0]
    stored = [row for row in metrics(swept)["pooled"] if row["model"] == "wide"]
    assert {row["artefact"] for row in stored} == {"clean", "adversarial"}
    for row in stored:
        for rate in ("accuracy", "adversariality", "other_wrong"):
            for key, name in (("", "rate"), ("/n", "n")):
                assert found[f"{row['artefact']}/{rate}{key}"] == pytest.approx(row[rate][name])
    assert 0 < found["adversarial/adversariality"] < 1  # else nothing was compared
    assert 0 < found["clean/accuracy"] < 1


def test_its_intervals_are_the_run_s_bootstrap_of_objects(evaluated, swept):
    (stored,) = [row for row in metrics(swept)["pooled"] if (row["artefact"], row["model"]) == ("adversarial", "wide")]
    found = evaluated[0]
    assert found["adversarial/accuracy/low"] == pytest.approx(stored["accuracy"]["low"])
    assert found["adversarial/accuracy/high"] == pytest.approx(stored["accuracy"]["high"])


def test_predictions_are_what_numpy_works_out_of_the_frames(evaluated):
    _, predictions, data = evaluated
    for probs, (images, targets, _) in zip(predictions, data, strict=True):
        by_numpy = [bool(is_magenta(np.asarray(image).transpose(1, 2, 0)[None])[0]) for image in images]
        assert [int(np.argmax(row)) == 1 for row in probs] == by_numpy
        np.testing.assert_allclose([np.sum(row) for row in probs], 1)
        assert all(target.tolist() == [1, 0] for target in targets)


def test_persistence_is_counted_where_the_clean_twin_was_right(evaluated):
    """By hand, from predictions and metadata alone."""
    found, predictions, data = evaluated
    answers = {}
    for probs, (_, _, about) in zip(predictions, data, strict=True):
        answers |= {one["id"]: int(np.argmax(row)) for row, one in zip(probs, about, strict=True)}
    painted = [one for _, _, about in data for one in about if one["artefact"] == "adversarial"]
    held = [answers[one["id"]] == 1 for one in painted if answers[one["twin"]] == 0]
    assert found["adversarial/persistence"] == pytest.approx(np.mean(held))
    assert found["adversarial/persistence/n"] == len(held)


def test_a_camera_session_evaluates_to_its_stored_rates_and_intervals(filmed):
    opened = open_run(filmed)
    found, _, _ = evaluate(model=opened.model, dataset=opened.dataset, metric=opened.metric, batch_size=8)
    run = read_run(filmed)
    stored = session_metrics(run, read_session_trials(run))["rates"]
    assert len(stored) == 8  # sources x crops x artefacts
    for row in stored:
        group = f"{row['source']}/{row['crop']}/{row['artefact']}"
        for rate in ("accuracy", "adversariality"):
            for key, name in (("", "rate"), ("/low", "low"), ("/high", "high"), ("/n", "n")):
                assert found[f"{group}/{rate}{key}"] == pytest.approx(row[rate][name]), (group, rate)


def test_a_pixel_attack_evaluates_to_its_stored_trials(pixels):
    opened = open_run(pixels)
    found, _, _ = evaluate(model=opened.model, dataset=opened.dataset, metric=opened.metric)
    stored = pl.read_parquet(pixels / "trials" / "part-*.parquet").filter(pl.col("search") != "")
    (group,) = stored["artefact"].unique()
    assert found[f"{group}/adversariality"] == (stored["outcome"] == "other_wrong").mean()
    assert found[f"{group}/persistence"] == found[f"{group}/adversariality"]  # those attacked were right before
    assert found["clean/accuracy"] == 1


def test_one_object_s_views_are_independent_draws_with_wilson_s_interval(opened, swept):
    about = [opened.dataset.get_metadata(i) for i in range(len(opened.dataset))]
    mine = [i for i, one in enumerate(about) if one["object"] == "other"]
    targets = [opened.dataset.get_target(i) for i in mine]
    predictions = opened.model([opened.dataset.get_input(i) for i in mine])
    metadata = [about[i] | {"cluster": about[i]["view"]} for i in mine]
    found = evaluate_from_predictions(
        metric=RunMetric(), pred_batches=[predictions], target_batches=[targets], metadata_batches=[metadata]
    )
    (stored,) = [
        row
        for row in metrics(swept)["rates"]
        if (row["object"], row["artefact"], row["model"]) == ("other", "adversarial", "wide")
    ]
    assert found["adversarial/adversariality/low"] == pytest.approx(stored["adversariality"]["low"])
    assert found["adversarial/adversariality/high"] == pytest.approx(stored["adversariality"]["high"])


def test_the_model_takes_bytes_and_fractions_alike_and_any_size(opened):
    image = opened.dataset.get_input(3)
    larger = np.repeat(np.repeat(image, 2, axis=1), 2, axis=2)
    same, again, other = opened.model([image, image / 255.0, larger])
    np.testing.assert_allclose(same, again, atol=1e-6)
    assert other.shape == same.shape


@pytest.mark.parametrize("image", [np.zeros((32, 32, 3), np.uint8), np.full((3, 8, 8), 7.0), np.zeros((3, 8, 8), int)])
def test_what_is_no_image_is_refused(opened, image):
    with pytest.raises(ModelError, match="not an image"):
        opened.model([image])


def test_a_metric_refuses_nothing_and_other_classes(opened):
    with pytest.raises(RigError, match="no prediction to count"):
        RunMetric().compute()
    about = opened.dataset.get_metadata(0)
    with pytest.raises(RigError, match="do not fit the data set's classes"):
        RunMetric().update([np.zeros(1000)], [np.zeros(2)], [about])


def test_a_model_that_is_gone_or_another_is_told(swept, bench, tmp_path):
    run = shutil.copytree(swept, tmp_path / "run")
    state = json.loads((run / "run.json").read_text())

    def named(path: Path) -> None:
        state["config"]["models"][0] = str(path)
        (run / "run.json").write_text(json.dumps(state))

    named(tmp_path / "small.onnx")
    with pytest.raises(ModelError, match="no such model"):
        open_run(run)
    write_magenta(tmp_path / "small.onnx", 40)
    with pytest.raises(RunError, match="the model is not the one of the run"):
        open_run(run)
    with pytest.raises(RunError, match="the run has no such model; got third; expected small or wide"):
        open_run(run, "third")


def test_views_placed_by_refinement_are_rendered_but_not_counted_alike(swept, tmp_path):
    run = shutil.copytree(swept, tmp_path / "run")
    for part in (run / "trials").glob("part-*.parquet"):
        rows = pl.read_parquet(part)
        rows.with_columns(pl.col("view").str.replace("eval-", "eval-r00-c0001-")).write_parquet(part)
    frames = RunFrames(run)
    assert len(list(frames.seen(frames.pictures))) == len(frames.trials)  # each hash was held against its trial's
    with pytest.raises(RunError, match="do not count alike"):
        open_run(run)
