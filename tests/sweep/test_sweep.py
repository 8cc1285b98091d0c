import json

import numpy as np
import pyarrow.parquet as pq
import pytest

from rig.attack.goal import Goal, goal_of
from rig.contracts import TRIAL_COLUMNS, Artefact
from rig.images import content_hash, read_image
from rig.model import DeployedModel, resolve
from rig.render import Renderer
from rig.runs import RunFolder
from rig.scene import load_scene
from rig.sweep import Case, sweep
from rig.sweep.trials import outcome
from rig.views import draw_views

VIEWS = 30


@pytest.fixture(scope="module")
def model():
    return DeployedModel(resolve("efficientnet-lite0"), threads=2)


@pytest.fixture(scope="module")
def case(model):
    scene = load_scene("baseball", texture_px=128)
    grey = Artefact("grey", np.full_like(scene.mesh.texture, 128))
    goals = {model.card.name: goal_of(scene, "golf ball", model.labels)}
    views = tuple(draw_views(scene.config, VIEWS, 0, "eval"))
    return Case(scene, (Artefact("clean", scene.mesh.texture), grey), views, goals)


@pytest.fixture(scope="module")
def swept(case, model, tmp_path_factory):
    run = RunFolder.start(tmp_path_factory.mktemp("run") / "run", ["test"], {}, 0)
    sweep(run, [case], [model], lambda *_: None)
    return run


def rows_of(run: RunFolder) -> list[dict]:
    return [
        row for part in sorted((run.path / "trials").glob("part-*.parquet")) for row in pq.read_table(part).to_pylist()
    ]


def test_every_view_has_a_row_and_a_clean_twin(swept):
    rows = rows_of(swept)
    views = {name: {row["view"] for row in rows if row["artefact"] == name} for name in ("clean", "grey")}
    assert len(rows) == 2 * VIEWS
    assert views["clean"] == views["grey"]
    assert len(views["clean"]) == VIEWS


def test_rows_have_the_contracts_columns_in_order_and_every_sampled_condition(swept, case):
    columns = list(rows_of(swept)[0])
    contract = [name for name in columns if name in TRIAL_COLUMNS]
    assert contract == list(TRIAL_COLUMNS)
    assert set(case.views[0].values) <= set(columns)


def test_stored_predictions_are_the_deployed_models_on_the_stored_frames(swept, case, model):
    """Second road: render one view anew, ask the session directly."""
    renderer = Renderer(case.scene, model.size_px)
    (frame,) = renderer.frames(case.artefacts[1].texture, [renderer.prepare(case.views[7])])
    row = next(row for row in rows_of(swept) if row["artefact"] == "grey" and row["view"] == case.views[7].id)
    logits = model.predict(frame.image[None])[0].astype(np.float64)
    probs = np.exp(logits) / np.exp(logits).sum()
    assert row["frame_hash"] == content_hash(frame.image)
    assert row["predicted"] == model.labels[int(logits.argmax())]
    assert row["predicted_prob"] == pytest.approx(probs.max(), rel=1e-4)
    assert row["target_prob"] == pytest.approx(probs[model.labels.index_of("golf ball")], rel=1e-3, abs=1e-9)
    assert json.loads(row["top5"])[0][0] == row["predicted"]


def test_the_real_network_recognises_the_clean_baseball_and_not_a_grey_ball(swept):
    rows = rows_of(swept)
    right = {
        name: np.mean([r["outcome"] == "correct" for r in rows if r["artefact"] == name]) for name in ("clean", "grey")
    }
    assert right["clean"] >= 0.9
    assert right["grey"] <= 0.2


def test_finished_parts_are_not_made_again(swept, case, model):
    parts = {path: path.stat().st_mtime_ns for path in (swept.path / "trials").glob("part-*.parquet")}
    lost = sorted(parts)[1]
    before = pq.read_table(lost)
    lost.unlink()
    asked = model.queries
    sweep(swept, [case], [model], lambda *_: None)
    assert pq.read_table(lost).equals(before)
    assert {path: path.stat().st_mtime_ns for path in parts if path != lost} == {
        p: t for p, t in parts.items() if p != lost
    }
    assert model.queries - asked == len(before)


def test_thumbnails_are_the_frames_small(swept):
    hashes = {row["frame_hash"] for row in rows_of(swept)}
    thumbnails = list((swept.path / "frames").glob("*.jpg"))
    assert thumbnails
    assert {path.stem for path in thumbnails} <= hashes
    assert max(read_image(thumbnails[0]).shape) == 112


@pytest.mark.parametrize(
    ("predicted", "target", "expected"),
    [(1, 5, "correct"), (2, 5, "correct"), (5, 5, "target"), (6, 5, "other_wrong"), (6, None, "other_wrong")],
)
def test_outcomes_exclude_each_other(predicted, target, expected):
    assert outcome(predicted, Goal((1, 2), target)) == expected
