"""Runs side by side: each against the first, with paired differences. What stands in compare.json.

compare.json: `schema`, `confidence`, `runs` (letter, name, path, job, kind, seed, status, command, models, artefacts,
hashes, n_trials), and one of `comparisons` for each run after the first:

- `first`, `second`: letters. `paired`: whether trials of the same object, view and conditions are compared; if not,
  `reason` says why. `models`, `artefacts`: names matched. `alone`: objects, models and artefacts in one run only.
- `n_pairs`, `n_alone`: trials paired, and trials of what is matched that have no partner ([first's, second's]).
- `same`, `differs`: what of models, artefacts, scenes and settings is equal, and what is not (`what`, `first`, `second`).
- `rows`: of each `object` (None: all of them), `model`, `artefact` and `rate`: `first` and `second` (k, n, rate, low,
  high, method), `difference` = second - first with `low`, `high`, `method`, `warning`; if paired `only_first`,
  `only_second`, the trials that are so in one run alone. `p`: exact McNemar's, or Fisher's where unpaired, for these
  objects; None where trials are no independent draws. `p_holm`: corrected for the rows of the other objects.
- `maps`: the same of each cell of the view sphere (`azimuth_deg`, `elevation_deg`), corrected for all cells of the
  map; `verdict`: better, worse (for the model), or "" where neither is established.
"""

from rig.metrics.compare_cells import maps
from rig.metrics.compare_check import require_comparable
from rig.metrics.compare_differs import differing
from rig.metrics.compare_load import Side
from rig.metrics.compare_match import Views, match_artefacts, match_models, match_views
from rig.metrics.compare_rows import rows
from rig.metrics.intervals import CONFIDENCE

SCHEMA = 1


def compare(sides: list[Side]) -> tuple[dict, list[Views]]:
    """Every run against the first, and the trials that each comparison is of.

    Raises RunError where two cannot be compared.
    """
    found = [_compared(sides[0], side) for side in sides[1:]]
    record = {
        "schema": SCHEMA,
        "confidence": CONFIDENCE,
        "runs": [_described(side) for side in sides],
        "comparisons": [comparison for comparison, _ in found],
    }
    return record, [views for _, views in found]


def _described(side: Side) -> dict:
    record = side.run.record
    return {
        "letter": side.letter,
        "name": side.run.name,
        "path": str(side.run.path),
        "job": record.config.get("job", ""),
        "kind": side.kind,
        "seed": record.seed,
        "status": record.status,
        "finished": record.finished,
        "command": record.command,
        "models": [{"name": model.name, "sha256": model.sha256_before} for model in record.models],
        "artefacts": {name: artefact.texture_sha256 for name, artefact in side.run.artefacts.items()},
        "hashes": record.hashes,
        "distribution": record.threat_model.distribution.name,
        "n_trials": len(side.rows),
    }


def _compared(first: Side, second: Side) -> tuple[dict, Views]:
    require_comparable(first, second)
    models, artefacts = match_models(first, second), match_artefacts(first, second)
    views = match_views(first, second, models, artefacts)
    same, differs = differing(first, second, models, artefacts, views)
    n_pairs = 0 if views.both is None else len(views.both)
    seed = first.run.record.seed or 0
    comparison = {
        "first": first.letter,
        "second": second.letter,
        "paired": views.both is not None,
        "reason": views.reason,
        "models": [vars(match) for match in models],
        "artefacts": [vars(match) for match in artefacts],
        "alone": {
            "objects": _alone(first.objects, second.objects),
            "models": _alone(*_unmatched(first.models, second.models, models)),
            "artefacts": _alone(*_unmatched(first.artefacts, second.artefacts, artefacts)),
        },
        "n_pairs": n_pairs,
        "n_alone": [len(views.first) - n_pairs, len(views.second) - n_pairs],
        "same": same,
        "differs": differs,
        "rows": rows(views, first.kind, seed),
        "maps": maps(views, first, seed),
    }
    return comparison, views


def _alone(first: list[str], second: list[str]) -> list[list[str]]:
    """Names in the first only, and in the second only."""
    return [[name for name in first if name not in second], [name for name in second if name not in first]]


def _unmatched(first: list[str], second: list[str], matches) -> tuple[list[str], list[str]]:
    names = {match.second: match.first for match in matches}
    return first, [names.get(name, name) for name in second]
