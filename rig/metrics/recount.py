"""A second road to the headline: rows counted one by one from the files, intervals by another formula.

Shares no code with `rates`, so that a fault in either shows as a difference.
"""

import math
from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from rig.metrics.load import SEPARATOR

Z2 = 1.959963984540054**2
ROUNDING = 1e-20  # of a squared difference of rates: while all cells stay at 0 or 1 nothing has moved
RESULTS = {"adversariality": "fooled", "accuracy": "correct", "other_wrong": "other_wrong"}


def recount(run: Path, split: str) -> dict[tuple[str, str, str], Counter]:
    """n, correct, fooled and other_wrong of each (object, artefact, model), from the predicted labels alone.

    Of placed views also (what, round, cell), as their ids say.
    """
    names = ["object", "artefact", "model", "view", "split", "predicted", "true_label", "target_label"]
    found: dict[tuple[str, str, str], Counter] = {}
    for path in sorted(Path(run).glob("trials/part-*.parquet")):
        columns = pq.ParquetFile(path).read(names).to_pydict()
        for *key, view, of_split, predicted, true, aim in zip(*(columns[name] for name in names), strict=True):
            if of_split == split:
                counts = found.setdefault(tuple(key), Counter())
                said, place = verdict(predicted, true, aim), placed(view)
                for name in ("n", said):
                    counts[name] += 1
                    if place:
                        counts[name, *place] += 1
    return found


def placed(view: str) -> tuple[int, int] | tuple[()]:
    """Round and cell of an id such as eval-r01-c0023-000214; of other views nothing."""
    words = view.split("-")
    if len(words) != 4 or words[1][:1] + words[2][:1] != "rc":
        return ()
    return int(words[1][1:]), int(words[2][1:])


def verdict(predicted: str, true: str, aim: str) -> str:
    """From labels: the true ones joined, and the target, "" for none."""
    if predicted in true.split(SEPARATOR):
        return "correct"
    return "fooled" if not aim or predicted == aim else "other_wrong"


def score_interval(k: np.ndarray | int, n: np.ndarray | int) -> np.ndarray:
    """Wilson's bounds (..., 2) as the roots of (k/n - p)^2 = z^2 p (1 - p) / n: eigenvalues of companion matrices."""
    rate, n = np.divide(k, n), np.asarray(n)
    first, zero = 1 + Z2 / n, np.zeros_like(rate)
    rows = [[(2 * rate + Z2 / n) / first, -(rate**2) / first], [zero + 1, zero]]
    companions = np.moveaxis(np.array(rows), (0, 1), (-2, -1))
    return np.sort(np.linalg.eigvals(companions).real, axis=-1)


def strata(counts: Counter, result: str) -> tuple[np.ndarray, np.ndarray]:
    """(H,) rates of the cells and the views that each is worth: each view counts N_round / (H n_round,cell)."""
    views = {key[1:]: n for key, n in counts.items() if isinstance(key, tuple) and key[0] == "n"}
    sizes = Counter()
    for (number, _), n in views.items():
        sizes[number] += n
    cells = sorted({cell for _, cell in views})
    weights = {(number, cell): sizes[number] / (len(cells) * n) for (number, cell), n in views.items()}
    found = []
    for cell in cells:
        mine = {key: weight for key, weight in weights.items() if key[1] == cell}
        total = sum(weight * views[key] for key, weight in mine.items())
        hits = sum(weight * counts[result, *key] for key, weight in mine.items())
        found.append((hits / total, total**2 / sum(weight**2 * views[key] for key, weight in mine.items())))
    rates, worth = np.array(found).T
    return rates, worth


def stratified_interval(rates: np.ndarray, worth: np.ndarray) -> tuple[float, float]:
    """All R0 with (R0 - mean rate)^2 <= z^2 V, by halving the slope that holds the likeliest cells' mean at R0."""
    return tuple(_reached(rates, worth, sign) for sign in (-1, 1))


def _reached(rates: np.ndarray, worth: np.ndarray, sign: int) -> float:
    free = np.maximum(worth - 1 + 1 / len(worth), worth / 2)
    low, high = -14.0, math.log(1e4 * free.max())
    for _ in range(60):
        middle = (low + high) / 2
        slope = sign * math.exp(middle)
        # free (rate - p) / (p (1 - p)) + slope = 0; of the two ways to write its root the one that cancels no digits
        linear = free - slope
        root = np.sqrt(linear**2 + 4 * slope * free * rates)
        likely = np.where(
            linear > 0, 2 * free * rates / np.maximum(linear + root, 1e-300), (root - linear) / (2 * slope)
        )
        likely = likely.clip(0, 1)  # a rounding beyond 1 is a variance below 0
        moved, variance = (likely.mean() - rates.mean()) ** 2, (likely * (1 - likely) / free).sum() / len(free) ** 2
        low, high = (low, middle) if moved > Z2 * variance + ROUNDING else (middle, high)
    return float(likely.mean())


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
        found += (
            _weighted_differences(key, row, again) if "worth" in row["accuracy"] else _interval_differences(key, row)
        )
    return found + [f"{' / '.join(key)}: {counts['n']} trials are in no rate" for key, counts in counted.items()]


def _interval_differences(key: tuple[str, ...], row: dict) -> list[str]:
    stated = [row["adversariality"], row["accuracy"], row["other_wrong"]]
    # roots of a polynomial that touches 0 or 1 are good to about 1e-8
    return [
        f"{' / '.join(key)}: interval of {one['k']} of {one['n']} is [{one['low']:.6f}, {one['high']:.6f}]"
        for one in stated
        if one["n"] and not np.allclose((one["low"], one["high"]), score_interval(one["k"], one["n"]), atol=1e-6)
    ]


def _weighted_differences(key: tuple[str, ...], row: dict, again: Counter) -> list[str]:
    found = []
    for figure, result in RESULTS.items():
        stated = [row[figure][name] for name in ("rate", "low", "high")]
        rates, worth = (
            strata(again, result) if any(isinstance(key, tuple) for key in again) else (np.full(1, np.nan),) * 2
        )
        recounted = [rates.mean(), *stratified_interval(rates, worth)]
        if not np.allclose(stated, recounted, atol=1e-6):
            said, counted = (", ".join(f"{value:.6f}" for value in one) for one in (stated, recounted))
            found.append(f"{' / '.join(key)}: weighted {figure}, low and high are {said}; recounted {counted}")
    return found
