"""Many objects and models on one page: which one to open first, the table above them, and the matrix of transfer."""

from rig.metrics.load import Run
from rig.metrics.precision import misses_expected, worst_cell
from rig.metrics.transfer import OWN, SAME_NAME, UNKNOWN
from rig.report import headline
from rig.report.first_screen import main_figure
from rig.report.words import goal

MARKS = {OWN: "◆", SAME_NAME: "◇", UNKNOWN: "?"}


def most_important(metrics: dict) -> int:
    """The number of the group that a reader should see first: most fooled, or without an attack least recognised."""
    groups = metrics["groups"]
    attacked = any(headline.main_attack(group["artefacts"]) for group in groups)

    def worth(i: int) -> float:
        figure = main_figure(metrics, groups[i])
        if figure is None or figure["rate"] is None:
            return -1.0
        return figure["rate"] if attacked else 1 - figure["rate"]

    return max(range(len(groups)), key=worth)


def overview(run: Run, metrics: dict) -> dict | None:
    """A row an object x model with a rate for each artefact; None where there is only one."""
    groups = metrics["groups"]
    if len(groups) < 2:
        return None
    names = list(dict.fromkeys(name for group in groups for name in group["artefacts"]))
    rates = {(row["object"], row["model"], row["artefact"]): row for row in metrics["rates"]}
    rows = []
    for group in groups:
        mine = [rates.get((group["object"], group["model"], name)) for name in names]
        cells = [row and (row["accuracy"] if row["artefact"] == "clean" else row["adversariality"]) for row in mine]
        rows.append(
            {"object": group["object"], "model": group["model"], "words": goal(group["target"]), "cells": cells}
        )
    targets = list(dict.fromkeys(group["target"] for group in groups))
    n_intervals = sum(cell is not None for row in rows for cell in row["cells"])
    return {
        "columns": [_column(run, name, targets) for name in names],
        "rows": rows,
        "n_intervals": n_intervals,
        "misses": misses_expected(n_intervals),
    }


def _column(run: Run, name: str, targets: list[str]) -> dict:
    counted = "recognised" if name == "clean" else goal(targets[0]) if len(targets) == 1 else "called its target"
    return {"name": name, "words": headline.human(run, name), "counted": counted, "fooled": name != "clean"}


def transfer_rows(run: Run, metrics: dict) -> list[dict]:
    """The matrix with its marks and words."""
    return [
        row
        | {
            "words": headline.human(run, row["artefact"]),
            "origin": _origin(row),
            "counted": goal(row["target"]),
            "cells": [cell | {"mark": MARKS.get(cell["made"], "")} for cell in row["cells"]],
        }
        for row in metrics["transfer"]
    ]


def _origin(row: dict) -> str:
    if row["made_on"] is None:
        return "not recorded"
    models = ", ".join(str(one.get("name")) for one in row["made_on"]["models"])
    objects = ", ".join(map(str, row["made_on"]["objects"]))
    return f"{models or 'network not recorded'}{f', {objects}' if objects else ''}"


def at_once(row: dict) -> dict:
    """Of one artefact's cells: how many intervals are expected to miss, and the most fooled cell's for all at once."""
    seen = [cell for cell in row["cells"] if cell["n"]]
    return {"n": len(seen), "misses": misses_expected(len(seen)), "worst": worst_cell(seen)}
