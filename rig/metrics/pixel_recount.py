"""A second road to a pixel attack's figures: files decoded and compared one by one, labels compared as text.

Shares no code with `rig.metrics.pixel`, so that a fault in either shows as a difference.
"""

from collections import defaultdict
from pathlib import Path

import numpy as np
import polars as pl

from rig.images import read_image
from rig.metrics.load import Run

MAX_FILES = 4000  # decoded; beyond, evenly chosen ones


def pixel_mismatches(run: Run, trials: pl.DataFrame) -> list[str]:
    """Every disagreement between the rows and the files, or between K and a larger K, in words."""
    own = trials.filter(pl.col("model") == pl.col("found_on")).to_dicts()
    stride = -(-len(own) // MAX_FILES)
    return [text for row in own[::stride] for text in _of_files(run.path, row)] + _lost(own)


def _of_files(path: Path, row: dict) -> list[str]:
    name = f"{row['artefact']} / {row['object']}"
    files = [path / "artefacts" / folder / f"{row['object']}.png" for folder in ("clean", row["artefact"])]
    absent = [file.parent.name for file in files if not file.exists()]
    if absent:
        return [f"{name}: its 8-bit image in artefacts/{absent[0]} is gone"]
    clean, changed = (read_image(file).astype(int) for file in files)
    if clean.shape != changed.shape:
        return [f"{name}: the two images differ in size"]
    differing = int(np.count_nonzero(np.abs(changed - clean).sum(axis=2)))
    found = []
    if differing != row["l0"]:
        found.append(f"{name}: {differing} pixels differ in the files, the trial says {row['l0']}")
    if differing > row["pixels"]:
        found.append(f"{name}: {differing} pixels differ, {row['pixels']} were allowed")
    return found


def _lost(own: list[dict]) -> list[str]:
    """No success at K may be lost at a larger K."""
    reached = defaultdict(dict)
    for row in own:
        aim = row["target_label"]
        hit = row["predicted"] == aim if aim else row["predicted"] not in row["true_label"].split(" | ")
        reached[row["found_on"], row["search"], row["object"], aim][row["pixels"]] = hit
    return [
        f"{' / '.join(filter(None, key))}: fooled with {fewer} pixels but not with {more}"
        for key, hits in reached.items()
        for fewer in hits
        for more in hits
        if fewer < more and hits[fewer] and not hits[more]
    ]
