"""How wrong a wrong answer is: distance between labels in a hierarchy of what things are.

ImageNet's classes are synsets of WordNet (Miller 1995; Deng et al. 2009); tools/build_label_tree.py cut their tree out of
it. CIFAR-10's ten have a small tree written by hand. With depth(thing) counted in nodes, the root's being 1:

- distance: edges on the path between two labels, a metric.
- similarity: 2 depth(common) / (depth(a) + depth(b)), within (0, 1] (Wu & Palmer 1994), `common` being the lowest node
  above both.
- near miss: similarity >= 0.7, as cat for dog. far: they share no more than being a thing ("whole" or above in WordNet:
  animal and artefact; the root for CIFAR-10). related: what lies between.
"""

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path

from rig.errors import ModelError, RigError
from rig.metrics.rates import proportion
from rig.model.labels import Labels

FOLDER = Path(__file__).parent / "label_trees"
TREES = ("imagenet", "cifar10")
BACKGROUND = "background"  # the extra first class of some ImageNet networks; it is nothing in particular: the root
SAME, NEAR, RELATED, FAR = RELATIONS = ("same", "near miss", "related", "far")


class LabelTree:
    """The labels of one model, placed in a hierarchy.

    >>> tree = LabelTree.of(["cat", "dog", "truck"])
    >>> tree.distance("cat", "dog"), tree.common("cat", "dog"), tree.relation("cat", "dog"), tree.relation("cat", "truck")
    (2, 'carnivore', 'near miss', 'far')
    """

    def __init__(self, name: str, lineages: dict[str, tuple[int, ...]]):
        """lineages: of each label, the numbers of its nodes from the root down."""
        self.name = name
        self._tree = _read(name)
        self._lineages = lineages

    @classmethod
    def of(cls, labels: Sequence[str]) -> "LabelTree | None":
        """The tree that knows every label (names, or synonyms as `Labels` takes them), or None."""
        for name in TREES:
            nodes = _nodes_of(name, tuple(labels))
            if nodes is not None:
                return cls(name, {label: _lineage(name, node) for label, node in zip(labels, nodes, strict=True)})
        return None

    @classmethod
    def around(cls, seen: Iterable[str]) -> "LabelTree | None":
        """The first tree in which each label that was seen has a class, with all of its classes; or None."""
        seen = sorted(set(seen))
        for name in TREES:
            nodes = _nodes_of(name, tuple(seen))
            if nodes is not None:
                lineages = {label: _lineage(name, node) for label, node in zip(seen, nodes, strict=True)}
                others = zip(_known(name), _read(name)["classes"], strict=True)
                return cls(
                    name, {label: _lineage(name, node) for label, (node, _) in others if node not in nodes} | lineages
                )
        return None

    @property
    def labels(self) -> list[str]:
        return list(self._lineages)

    def distance(self, a: str, b: str) -> int:
        return len(self._of(a)) + len(self._of(b)) - 2 * self._shared(a, b)

    def common(self, a: str, b: str) -> str:
        """The name of the lowest node above both."""
        return self._tree["nodes"][self._of(a)[self._shared(a, b) - 1]][0]

    def similarity(self, a: str, b: str) -> float:
        return 2 * self._shared(a, b) / (len(self._of(a)) + len(self._of(b)))

    def relation(self, a: str, b: str) -> str:
        """One of RELATIONS."""
        if self._of(a) == self._of(b):
            return SAME
        if self._shared(a, b) - 1 <= self._tree["far_depth"]:
            return FAR
        return NEAR if self.similarity(a, b) >= self._tree["near_similarity"] else RELATED

    def nearest(self, true: Iterable[str], predicted: str) -> str:
        """Of an object's true labels, the one that a prediction comes nearest to."""
        return min(true, key=lambda label: self.distance(label, predicted))

    def chance(self, *true: str) -> dict[str, float]:
        """Share of each relation among all other labels, to the nearest true one: what a blind wrong answer would be."""
        others = [label for label in self._lineages if label not in true]
        counts = Counter(self.relation(self.nearest(true, other), other) for other in others)
        return {relation: counts[relation] / max(1, len(others)) for relation in RELATIONS[1:]}

    def _of(self, label: str) -> tuple[int, ...]:
        if label not in self._lineages:
            raise RigError("label unknown to the tree", where=self.name, got=label)
        return self._lineages[label]

    def _shared(self, a: str, b: str) -> int:
        """Nodes that the ways from the root have in common; 1 or more."""
        pairs = zip(self._of(a), self._of(b), strict=False)
        return next((i for i, (x, y) in enumerate(pairs) if x != y), min(len(self._of(a)), len(self._of(b))))


def label_distances(tree: LabelTree, pairs: Sequence[tuple[str, str]]) -> dict:
    """Of (true, predicted) labels of wrong answers: share of each relation with interval, what chance gives, distances."""
    counts = Counter(tree.relation(*pair) for pair in pairs)
    of_label = {true: tree.chance(true) for true in {true for true, _ in pairs}}
    chances = [of_label[true] for true, _ in pairs]
    distances = [tree.distance(*pair) for pair in pairs]
    return {
        "tree": tree.name,
        "n": len(pairs),
        "shares": {relation: proportion(counts[relation], len(pairs)) for relation in RELATIONS[1:]},
        "chance": {name: sum(one[name] for one in chances) / len(pairs) for name in RELATIONS[1:]} if pairs else None,
        "distance_mean": sum(distances) / len(pairs) if pairs else None,
        "distances": dict(sorted(Counter(distances).items())),
    }


@cache
def _read(name: str) -> dict:
    return json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))


@cache
def _known(name: str) -> Labels:
    return Labels(names for _, names in _read(name)["classes"])


@cache
def _lineage(name: str, node: int) -> tuple[int, ...]:
    above = _read(name)["nodes"][node][1]
    return (node,) if above < 0 else (*_lineage(name, above), node)


@cache
def _nodes_of(name: str, labels: tuple[str, ...]) -> list[int] | None:
    """The node of each label; None where one is unknown or ambiguous."""
    known, classes = _known(name), _read(name)["classes"]
    if any(label.strip().isdecimal() for label in labels):  # a number names a class of the model, not of the tree
        return None
    try:
        return [0 if label == BACKGROUND else classes[known.index_of(label)][0] for label in labels]
    except ModelError:
        return None
