"""The page of a comparison: what stands in compare.json, with maps, frames and each run's audit."""

import shlex

from rig.metrics.compare_load import Side
from rig.metrics.compare_match import Views
from rig.report import compare_frames, compare_words
from rig.report.compare_figures import RESULTS, difference_map, differences
from rig.report.page import embedded, environment
from rig.report.sections import keep
from rig.report.words import OUTCOMES

FILTERS = ("points", "points_interval", "p_value")
MAX_CARDS = 4
MAX_MAPS = 12  # drawn; the table of each map stands in compare.json


def render(record: dict, audits: list[dict], sides: list[Side], views: list[Views]) -> str:
    drawn: dict[str, dict] = {}
    budget = [compare_frames.MAX_BYTES]
    compared = [
        _comparison(comparison, sides, of, drawn, budget)
        for comparison, of in zip(record["comparisons"], views, strict=True)
    ]
    context = {
        "record": record,
        "runs": [_run(run, side) for run, side in zip(record["runs"], sides, strict=True)],
        "audits": audits,
        "comparisons": compared,
        "title": title(record),
        "kind": sides[0].kind,
        "rule": compare_frames.RULE,
        "results": RESULTS,
        "outcomes": OUTCOMES,
        "max_maps": MAX_MAPS,
    }
    jinja = environment(**{name: getattr(compare_words, name) for name in FILTERS})
    return jinja.get_template("compare.html.j2").render(**context, **embedded(), figures=drawn, cells={})


def title(record: dict) -> str:
    first, *others = (run["name"] for run in record["runs"])
    return f"{first} → {others[0]}" if len(others) == 1 else f"{len(others)} runs against {first}"


def headline(record: dict, sides: list[Side]) -> list[list[str]]:
    """Of each comparison its sentences, the setting out first."""
    return [_sentences(comparison, sides) for comparison in record["comparisons"]]


def _sentences(comparison: dict, sides: list[Side]) -> list[str]:
    kind, many = sides[0].kind, len(comparison["models"]) > 1
    said = []
    for row in compare_words.headline_rows(comparison["rows"]):
        by = f" by {row['model']}" if many else ""
        said.append(compare_words.sentence(comparison, row, kind, target_of(sides[0], row), by))
        said += compare_words.extremes(comparison, row) if row["object"] is None else []
    main = {row["artefact"] for row in compare_words.headline_rows(comparison["rows"])}
    maps = [one for one in comparison["maps"] if one["artefact"] in main]
    said += [_of_map(comparison, one) for one in maps] if len(maps) <= MAX_CARDS else []
    return [compare_words.setting_out(comparison, kind), *filter(None, said)]


def _of_map(comparison: dict, one: dict) -> str:
    said = compare_words.regions(one, comparison["second"])
    return f"{compare_words.capital(compare_words.subject(one))}: {said[0].lower()}{said[1:]}" if said else ""


def target_of(side: Side, row: dict) -> str:
    """The label aimed at, where there is one for all that the row is about."""
    rows = side.rows if row["object"] is None else side.rows.filter(side.rows["object"] == row["object"])
    targets = rows["target_label"].unique().to_list()
    return targets[0] if len(targets) == 1 else ("the target" if any(targets) else "")


def _comparison(comparison: dict, sides: list[Side], views: Views, drawn: dict, budget: list[int]) -> dict:
    second = next(side for side in sides if side.letter == comparison["second"])
    rows = [row | _named(row, comparison, sides[0]) for row in comparison["rows"]]
    shown = [row for row in rows if row["difference"] is not None and row["rate"] in ("accuracy", "adversariality")]
    return comparison | {
        "sentences": _sentences(comparison, sides),
        "cards": compare_words.headline_rows(rows)[:MAX_CARDS],
        "rows": rows,
        "figure": keep(drawn, differences(shown)) if shown else None,
        "figure_px": 70 + 34 * len(shown),
        "maps": [
            _map(one, sides[0], second, views, comparison, drawn, budget) for one in comparison["maps"][:MAX_MAPS]
        ],
        "n_maps": len(comparison["maps"]),
    }


def _named(row: dict, comparison: dict, first: Side) -> dict:
    """What the tables call a row."""
    rate = compare_words.rate_name(row["rate"], target_of(first, row))
    by = f" by {row['model']}" if len(comparison["models"]) > 1 else ""
    subject = compare_words.capital(compare_words.subject(row)) + by
    named = {"subject": subject, "rate_name": rate, "better": compare_words.better(row)}
    return named | {"name": f"{named['subject']}: {rate}", "bar": _bar(row)}


def _bar(row: dict) -> dict:
    """Percent of the width between -100 and +100 points at which a difference and its interval stand."""
    place = {name: 50 + 50 * row[name] for name in ("low", "high")}
    return place | {"difference": 50 + 50 * (row["difference"] or 0)}


def _map(one: dict, first: Side, second: Side, views: Views, comparison: dict, drawn: dict, budget: list[int]) -> dict:
    kinds = compare_frames.changed(views, one)
    frames, budget[0] = compare_frames.frame_pairs(kinds, first, second, budget[0])
    points = compare_frames.map_points(kinds, RESULTS)
    return one | _named(one | {"difference": None, "low": 0, "high": 0}, comparison, first) | {
        "figure": keep(drawn, difference_map(one, points)),
        "frames": {kind: pairs for kind, pairs in frames.items() if pairs},
        "n_changed": {kind: len(rows) for kind, rows in kinds.items()},
        "regions": compare_words.regions(one, comparison["second"]),
    }  # fmt: skip


def _run(run: dict, side: Side) -> dict:
    return run | {"command": shlex.join(run["command"]), "counts": len(side.objects)}
