"""Wrong answers by kind, against a plain loop over the trials and every class of the tree."""

from collections import Counter

import polars as pl
import pytest
from synthetic_run import write_run

from rig.metrics.label_distance import FAR, NEAR, RELATED, LabelTree
from rig.metrics.load import read_run, read_trials
from rig.metrics.rates import with_result
from rig.metrics.wrong_answers import wrong_answers
from rig.model.labels import Labels, imagenet_labels

TURTLES = "loggerhead | box turtle"
PREDICTED = ("mud turtle", "mud turtle", "tiger shark", "rifle", "rifle", "rifle", "loggerhead", "box turtle")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    run = write_run(
        tmp_path_factory.mktemp("runs") / "run", 80, artefacts=("clean", "adversarial"), history=False, thumbnails=False
    )
    for path in run.glob("trials/*.parquet"):
        rows = pl.read_parquet(path)
        names = [PREDICTED[i % len(PREDICTED)] for i in range(len(rows))]
        outcome = ["target" if n == "rifle" else "correct" if n in TURTLES else "other_wrong" for n in names]
        changed = {
            "predicted": names,
            "outcome": ["other_wrong" if n == "mud turtle" else o for n, o in zip(names, outcome, strict=True)],
        }
        rows.with_columns(true_label=pl.lit(TURTLES), **{k: pl.Series(v) for k, v in changed.items()}).write_parquet(
            path
        )
    return read_run(run)


def test_shares_chance_and_the_most_frequent_by_a_plain_loop(run):
    row = wrong_answers(run, with_result(read_trials(run)))[0]
    tree, true = LabelTree.of(Labels(imagenet_labels())), TURTLES.split(" | ")
    wrong = [name for name in PREDICTED if name not in true] * 10

    def kind(label):
        return tree.relation(min(true, key=lambda one: tree.distance(one, label)), label)

    assert {name: share["k"] for name, share in row["shares"].items()} == Counter(map(kind, wrong))
    assert {kind("mud turtle"), kind("tiger shark"), kind("rifle")} == {NEAR, RELATED, FAR}
    others = [label for label in tree.labels if label not in true]
    blind = Counter(map(kind, others))
    assert row["chance"] == pytest.approx({name: blind[name] / len(others) for name in (NEAR, RELATED, FAR)})
    distances = [min(tree.distance(one, label) for one in true) for label in wrong]
    assert row["distance_mean"] == pytest.approx(sum(distances) / len(distances))
    assert row["most_frequent"] == [
        {"label": "rifle", "n": 30},
        {"label": "mud turtle", "n": 20},
        {"label": "tiger shark", "n": 10},
    ]


def test_labels_that_no_tree_knows_have_answers_without_distances(tmp_path):
    run = read_run(write_run(tmp_path / "run", 9, label="µ龟", target="<b>", history=False, thumbnails=False))
    for row in wrong_answers(run, with_result(read_trials(run))):
        assert (row["tree"], row["shares"], row["chance"], row["distance_mean"]) == (None,) * 4
        assert row["n"] == 0 or row["most_frequent"]


def test_the_labels_that_were_seen_find_their_tree_and_all_its_classes():
    whole = LabelTree.of(Labels(imagenet_labels()))
    some = LabelTree.around(["box tortoise", "rifle"])
    assert (some.name, len(some.labels)) == ("imagenet", 1000)
    assert some.distance("box tortoise", "tench") == whole.distance("box turtle", "tench")
    assert some.chance("rifle") == whole.chance("rifle")
    assert LabelTree.around(["no such thing"]) is None and LabelTree.around(["3"]) is None
