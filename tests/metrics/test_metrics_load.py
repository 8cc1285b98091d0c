import json
import shutil

import polars as pl
import pytest
from synthetic_run import write_run

from rig.errors import RunError
from rig.metrics import metrics
from rig.metrics.load import read_history, read_run, read_trials


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    return write_run(tmp_path_factory.mktemp("runs") / "demo", 20, thumbnails=False)


@pytest.fixture
def run(whole, tmp_path):
    return shutil.copytree(whole, tmp_path / "demo")


def first_part(run):
    return sorted(run.glob("trials/part-*.parquet"))[0]


def edit_record(run, **changes):
    path = run / "run.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def edit_part(run, change, number=0):
    path = sorted(run.glob("trials/part-*.parquet"))[number]
    change(pl.read_parquet(path)).write_parquet(path)


def test_every_row_and_condition_is_read(run):
    trials = read_trials(read_run(run))
    assert len(trials) == 5 * 20
    assert {"background_red", "noise_std"} <= set(trials.columns)
    assert len(read_history(read_run(run))) == 600


def test_parts_of_scenes_with_different_conditions(run):
    edit_part(run, lambda part: part.drop("background_red"))
    assert read_trials(read_run(run))["background_red"].null_count() == 20


DAMAGES = {
    "no such run folder": lambda run: shutil.rmtree(run),
    "cannot read the file": lambda run: (run / "run.json").unlink(),
    "not valid JSON": lambda run: (run / "run.json").write_text('{"schema": 1, "st'),
    "schema: Input should be 1": lambda run: edit_record(run, schema=2),
    "status: Input should be": lambda run: edit_record(run, status="half"),
    "threat_model.distribution: Field required": lambda run: edit_record(run, threat_model={"goal": "x"}),
    "no trials yet": lambda run: [path.unlink() for path in run.glob("trials/*.parquet")],
    "not a readable parquet file": lambda run: first_part(run).write_bytes(first_part(run).read_bytes()[:900]),
    "column outcome is missing": lambda run: edit_part(run, lambda part: part.drop("outcome")),
    "wrong type": lambda run: edit_part(run, lambda part: part.with_columns(distance_m=pl.lit("near"))),
    "unknown outcome": lambda run: edit_part(run, lambda part: part.with_columns(outcome=pl.lit("maybe"))),
    "20 trials whose outcome contradicts": lambda run: edit_part(
        run, lambda part: part.with_columns(predicted=pl.lit("rifle"), outcome=pl.lit("other_wrong"))
    ),
    "predicted_prob is no probability": lambda run: edit_part(
        run, lambda part: part.with_columns(predicted_prob=pl.lit(1.5))
    ),
    "holds values that are not finite": lambda run: edit_part(
        run, lambda part: part.with_columns(distance_m=pl.lit(float("nan")))
    ),
    "predicted holds empty values": lambda run: edit_part(
        run, lambda part: part.with_columns(predicted=pl.lit(None, pl.String))
    ),
    "20 trials are there twice": lambda run: shutil.copy(first_part(run), run / "trials" / "part-99999.parquet"),
    "80 of 80 attacked trials have no clean twin": lambda run: first_part(run).unlink(),
    "has several targets": lambda run: edit_part(
        run,
        lambda part: part.with_columns(
            target_label=pl.lit("espresso"), outcome=pl.lit("correct"), predicted=pl.col("true_label")
        ),
    ),
    "model of the trials is unknown to run.json": lambda run: edit_record(run, models=[{"name": "other"}]),
    "artefact of the trials is unknown to artefacts/": lambda run: shutil.rmtree(run / "artefacts" / "adversarial"),
    "the artefact's name is not its folder's": lambda run: (run / "artefacts" / "adversarial").rename(
        run / "artefacts" / "renamed"
    ),
    "no trial is of the split 'eval'": lambda run: [
        edit_part(run, lambda part: part.with_columns(split=pl.lit("attack")), number) for number in range(5)
    ],
}


@pytest.mark.parametrize("message", DAMAGES)
def test_a_damaged_run_is_one_clear_line(run, message):
    DAMAGES[message](run)
    with pytest.raises(RunError) as caught:
        metrics(run)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
    assert str(run) in str(caught.value)


def test_damaged_history(run):
    (run / "attack" / "history.parquet").write_bytes(b"PAR1")
    with pytest.raises(RunError, match=r"history\.parquet: not a readable"):
        read_history(read_run(run))


def test_a_run_without_an_attack_has_no_history(run):
    (run / "attack" / "history.parquet").unlink()
    assert read_history(read_run(run)) is None
