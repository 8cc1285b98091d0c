"""rig's rates as a MAITE Metric: counted from the predictions it is given, with intervals that know of clusters."""

from collections.abc import Mapping, Sequence

import numpy as np
import polars as pl

from rig.errors import RigError
from rig.metrics.rates import COUNTS, proportion
from rig.metrics.session import clustered

FIGURES = ("rate", "low", "high", "n")


class RunMetric:
    """`compute` gives <group>/<rate>, <group>/<rate>/low, /high and /n; a group is an artefact (of a session: a crop's).

    accuracy: called any true class. adversariality: called the target; without one, anything wrong. persistence: the
    same, of those trials alone whose clean twin was called right; there where clean trials were evaluated, too.

    Intervals, 95 %: a bootstrap of clusters (`seed`) where trials share one, else Wilson's.
    """

    def __init__(self, seed: int = 0):
        self.metadata = {"id": "rig: accuracy, adversariality, persistence"}
        self._seed = seed
        self.reset()

    def reset(self) -> None:
        self._rows: list[dict] = []

    def update(self, pred_batch: Sequence, target_batch: Sequence, metadata_batch: Sequence[Mapping], /) -> None:
        """Metadata as rig.interop.maite.RunDataset gives it; predictions (K,) of any model with its classes."""
        for scores, target, about in zip(pred_batch, target_batch, metadata_batch, strict=True):
            names = ("id", "group", "twin", "cluster")
            result = _result(np.asarray(scores), np.asarray(target), about["target_index"])
            self._rows.append({name: about[name] for name in names} | {"result": result})

    def compute(self) -> dict[str, float]:
        if not self._rows:
            raise RigError("no prediction to count", hint="call update before compute")
        rows = pl.DataFrame(self._rows)
        clean = rows.select(twin="id", clean_result="result")
        rows = rows.join(clean, on="twin", how="left", maintain_order="left")
        groups = rows.partition_by("group", as_dict=True, maintain_order=True)
        return {f"{name}/{key}": value for (name,), group in groups.items() for key, value in self._of(group).items()}

    def _of(self, group: pl.DataFrame) -> dict[str, float]:
        rates = {rate: self._rate(group, result) for rate, result in COUNTS.items()}
        held = group.filter(pl.col("clean_result") == "correct")
        if len(held):
            rates["persistence"] = self._rate(held, COUNTS["adversariality"])
        keys = {figure: "" if figure == "rate" else f"/{figure}" for figure in FIGURES}
        return {f"{rate}{keys[figure]}": found[figure] for rate, found in rates.items() for figure in FIGURES}

    def _rate(self, group: pl.DataFrame, result: str) -> dict:
        if group["cluster"].n_unique() == len(group):
            return proportion(int((group["result"] == result).sum()), len(group))
        return clustered(group.rename({"cluster": "block"}), result, self._seed)


def _result(scores: np.ndarray, target: np.ndarray, aimed: int) -> str:
    """correct | fooled | other_wrong."""
    if scores.shape != target.shape or scores.ndim != 1:
        expected = f"{target.shape[0]} scores, a class each"
        raise RigError("the predictions do not fit the data set's classes", got=scores.shape, expected=expected)
    predicted = int(scores.argmax())
    if target[predicted] > 0:
        return "correct"
    return "fooled" if aimed in (-1, predicted) else "other_wrong"
