"""A second road to the headline: rows counted one by one from the files, intervals by another formula.

Shares no code with `rates`, so that a fault in either shows as a difference.
"""

from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from rig.metrics.load import SEPARATOR


def recount(run: Path, split: str) -> dict[tuple[str, str, str], Counter]:
    """n, correct, fooled and other_wrong of each (object, artefact, model), from the predicted labels alone."""
    names = ["object", "artefact", "model", "split", "predicted", "true_label", "target_label"]
    found: dict[tuple[str, str, str], Counter] = {}
    for path in sorted(Path(run).glob("trials/part-*.parquet")):
        for row in pq.read_table(path, columns=names, partitioning=None).to_pylist():
            if row["split"] == split:
                counts = found.setdefault((row["object"], row["artefact"], row["model"]), Counter())
                counts.update(["n", verdict(row)])
    return found


def verdict(row: dict) -> str:
    if row["predicted"] in row["true_label"].split(SEPARATOR):
        return "correct"
    aim = row["target_label"]
    return "fooled" if not aim or row["predicted"] == aim else "other_wrong"


def score_interval(k: int, n: int) -> tuple[float, float]:
    """Wilson's bounds as the roots of (k/n - p)^2 = z^2 p (1 - p) / n."""
    z2, rate = 1.959963984540054**2, k / n
    low, high = np.sort(np.roots([1 + z2 / n, -(2 * rate + z2 / n), rate**2]).real)
    return float(low), float(high)


def differences(rows: list[dict], counted: dict[tuple[str, str, str], Counter]) -> list[str]:
    """Every disagreement between the rates table and the recount, in words."""
    found = []
    for row in rows:
        key = (row["object"], row["artefact"], row["model"])
        again = counted.pop(key, Counter())
        figures = {"n": row["n"], **row["counts"]}
        found += [
            f"{' / '.join(key)}: {name} is {value}, recounted {again[name]}"
            for name, value in figures.items()
            if value != again[name]
        ]
        found += _interval_differences(key, row)
    return found + [f"{' / '.join(key)}: {counts['n']} trials are in no rate" for key, counts in counted.items()]


def _interval_differences(key: tuple[str, ...], row: dict) -> list[str]:
    stated = [row["adversariality"], row["accuracy"], row["other_wrong"]]
    # roots of a polynomial that touches 0 or 1 are good to about 1e-8
    return [
        f"{' / '.join(key)}: interval of {one['k']} of {one['n']} is [{one['low']:.6f}, {one['high']:.6f}]"
        for one in stated
        if one["n"] and not np.allclose((one["low"], one["high"]), score_interval(one["k"], one["n"]), atol=1e-6)
    ]
