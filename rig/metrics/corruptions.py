"""What natural corruptions do to the frames of a sweep, beside what its attacks do to them."""

import polars as pl

from rig.contracts import TRIAL_COLUMNS
from rig.metrics.load import Run, check_outcomes, check_values
from rig.metrics.paired import mcnemar
from rig.metrics.parts import read_parts
from rig.metrics.rates import proportion, with_verdict
from rig.sweep.corrupted import COLUMNS, FOLDER

PAIR = ["object", "artefact", "model", "view"]
PLACE = ("object", "model", "artefact", "corruption")


def corruption_metrics(run: Run, trials: pl.DataFrame) -> dict | None:
    """`rows`: one for each object x model x artefact x corruption x severity; `mismatches`.

    None for a run without corrupted frames. Raises RunError.
    """
    folder = run.path / FOLDER
    parts = read_parts(folder)
    if not parts:
        return None
    rows = pl.concat([part.having([*TRIAL_COLUMNS, *COLUMNS]) for part in parts], how="diagonal_relaxed")
    check_values(rows, folder)
    check_outcomes(rows, folder)
    plain = with_verdict(trials).select(*PAIR, twin_result="result", frame_twin="frame_hash")
    both = with_verdict(rows).join(plain, on=PAIR, how="left")
    table = [
        dict(zip((*PLACE, "severity"), key, strict=True)) | _rates(group)
        for key, group in both.partition_by(*PLACE, "severity", as_dict=True, maintain_order=True).items()
    ]
    return {"rows": table, "mismatches": _mismatches(both)}


def _rates(group: pl.DataFrame) -> dict:
    """`accuracy` and `adversariality` under the corruption; `kept`: still right, of views whose twin is right."""
    right, was_right = group["result"] == "correct", group["twin_result"] == "correct"
    fooled, was_fooled = group["result"] == "fooled", group["twin_result"] == "fooled"
    return {
        "accuracy": proportion(int(right.sum()), len(group)),
        "adversariality": proportion(int(fooled.sum()), len(group)),
        "kept": proportion(int((right & was_right).sum()), int(was_right.sum())),
        "fooling_kept": proportion(int((fooled & was_fooled).sum()), int(was_fooled.sum())),
        "twin_accuracy": proportion(int(was_right.sum()), len(group)),
        "twin_adversariality": proportion(int(was_fooled.sum()), len(group)),
        "lost": int((was_right & ~right).sum()),
        "gained": int((~was_right & right).sum()),
        "p": mcnemar(int((was_right & ~right).sum()), int((~was_right & right).sum())),
    }


def _mismatches(both: pl.DataFrame) -> list[str]:
    """Rows without their twin, of another frame than the twin's, or there twice."""
    lost = both.filter(pl.col("frame_twin").is_null())
    other = both.filter(pl.col("frame_twin") != pl.col("twin_hash"))
    repeated = len(both) - both.n_unique([*PAIR, "corruption", "severity"])
    said = [f"{len(lost)} corrupted frames have no twin among the trials"] if len(lost) else []
    said += [f"{len(other)} corrupted frames were made of another frame than their twin"] if len(other) else []
    return said + ([f"{repeated} corrupted frames are there twice"] if repeated else [])
