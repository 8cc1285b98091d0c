"""What wrong answers are: near misses, related things, or something else altogether; and which are the most frequent."""

from collections import Counter
from functools import cache

import polars as pl

from rig.metrics.label_distance import RELATIONS, LabelTree
from rig.metrics.load import SEPARATOR, Run
from rig.metrics.rates import GROUP, proportion

MOST_FREQUENT = 3


def wrong_answers(run: Run, trials: pl.DataFrame) -> list[dict]:
    """A row an object x artefact x model. trials: with `result`.

    `shares` of RELATIONS have intervals; `chance` is what a wrong answer drawn blindly from the tree's labels would be.
    Both are None where no tree knows the labels, or no answer is wrong.
    """
    counted = trials.filter(pl.col("result") != "correct").group_by(*GROUP, "true_label", "predicted").len()
    counts = {tuple(row[:5]): row[5] for row in counted.iter_rows()}
    tree = _tree(run, trials)
    chance = cache(lambda true: tree.chance(*true)) if tree else None
    found = []
    for key in trials.select(GROUP).unique(maintain_order=True).iter_rows():
        mine = Counter(
            {(tuple(t.split(SEPARATOR)), p): n for (*place, t, p), n in counts.items() if tuple(place) == key}
        )
        found.append(dict(zip(GROUP, key, strict=True)) | _row(tree, mine, chance))
    return found


def _tree(run: Run, trials: pl.DataFrame) -> LabelTree | None:
    labels = getattr(run.record, "labels", None)
    if labels:
        return LabelTree.of(labels)
    true = {label for said in trials["true_label"].unique() for label in said.split(SEPARATOR)}
    return LabelTree.around(true | set(trials["predicted"].unique()))


def _row(tree: LabelTree | None, counts: Counter, chance) -> dict:
    predicted = Counter()
    for (_, label), n in counts.items():
        predicted[label] += n
    most = sorted(predicted.items(), key=lambda one: (-one[1], one[0]))[:MOST_FREQUENT]
    row = {"n": counts.total(), "most_frequent": [{"label": label, "n": n} for label, n in most]}
    if tree is None or not counts:
        return row | {"tree": tree.name if tree else None, "shares": None, "chance": None, "distance_mean": None}
    relations, distance = Counter(), 0
    expected = dict.fromkeys(RELATIONS[1:], 0.0)
    for (true, label), n in counts.items():
        nearest = tree.nearest(true, label)
        relations[tree.relation(nearest, label)] += n
        distance += n * tree.distance(nearest, label)
        for name, share in chance(true).items():
            expected[name] += n * share / counts.total()
    shares = {name: proportion(relations[name], counts.total()) for name in RELATIONS[1:]}
    return row | {
        "tree": tree.name,
        "shares": shares,
        "chance": expected,
        "distance_mean": distance / counts.total(),
    }
