"""What a comparison says: differences in percentage points, sentences with numbers, what is the same and what is not."""

from rig.metrics.compare_cells import HIGHER_IS_BETTER, LEVEL
from rig.metrics.compare_load import IMAGES
from rig.metrics.compare_match import CLEAN
from rig.metrics.compare_rows import HELD
from rig.report.headline import main_attack
from rig.report.words import DASH, MINUS, percent, span

UNITS = {IMAGES: ("image", "images")}
MAX_SHOWN = 4  # of names in a sentence


def points(value: float | None, signed: bool = True) -> str:
    """A difference of rates in percentage points: +9.5, −9.5."""
    if value is None:
        return DASH
    text = f"{100 * value:+.1f}" if signed and round(1000 * value) else f"{abs(100 * value):.1f}"
    return text.replace("-", MINUS)


def points_interval(row: dict) -> str:
    return f"{points(row['low'])} to {points(row['high'])}"


def p_value(p: float | None) -> str:
    if p is None:
        return DASH
    return "< 0.0001" if p < 0.0001 else f"{p:.4f}" if p < 0.1 else f"{p:.2f}"


def equals_p(p: float) -> str:
    said = p_value(p)
    return f"p {said}" if said.startswith("<") else f"p = {said}"


def established(row: dict) -> bool:
    """Whether the interval leaves out zero."""
    return row["difference"] is not None and not row["low"] <= 0 <= row["high"]


def better(row: dict) -> str:
    """For the model: better, worse, or "" where the interval holds zero or the rate is neither."""
    higher = HIGHER_IS_BETTER.get("adversariality" if row["rate"] == HELD else row["rate"])
    if higher is None or not established(row):
        return ""
    return "better" if (row["difference"] > 0) == higher else "worse"


def main_rate(artefact: str) -> str:
    return "accuracy" if artefact == CLEAN else "adversariality"


def headline_rows(rows: list[dict]) -> list[dict]:
    """Those with a sentence on the first screen: clean and the main attack, over all objects where there are several."""
    several, main = any(row["object"] is None for row in rows), main_attack([row["artefact"] for row in rows])
    return [
        row
        for row in rows
        if row["artefact"] in (CLEAN, main)
        and row["rate"] == main_rate(row["artefact"])
        and (row["object"] is None) == several
    ]


def rate_name(rate: str, target: str) -> str:
    goal = f"called {target}" if target else "misclassified"
    names = {"accuracy": "recognised", "adversariality": goal, "other_wrong": "other wrong answer"}
    return names.get(rate, f"{goal}, where both clean twins are recognised")


def subject(row: dict) -> str:
    """The clean turtle; the turtle with texture “adversarial”; objects in place of the name for all of them."""
    name, artefact = row["object"], row["artefact"]
    if artefact == CLEAN:
        return f"the clean {name}" if name is not None else "clean objects"
    with_what = f"after “{artefact}”" if artefact.endswith(" px") else f"with texture “{artefact}”"
    return f"the {name} {with_what}" if name is not None else f"objects {with_what}"


def capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def verb(row: dict, target: str) -> tuple[str, str]:
    """What the model does to the subject, before and after it."""
    if row["rate"] == "accuracy":
        return "recognises", ""
    return ("takes", f" for {target}") if target else ("misclassifies", "")


def sentence(comparison: dict, row: dict, kind: str, target: str, by: str) -> str:
    """B recognises the clean turtle on 9.5 points fewer views than A [−14.1 to −4.9]: 137 of 200 (68.5 %), A 156 ..."""
    first, second, unit = comparison["first"], comparison["second"], UNITS.get(kind, ("view", "views"))[1]
    if row["difference"] is None:
        return f"{second} and {first} share no {unit} of {subject(row)} that count."
    does, after = verb(row, target)
    how_many = (
        f"{points(row['difference'], signed=False)} points {'more' if row['difference'] > 0 else 'fewer'} {unit} than"
    )
    how_many = how_many if round(1000 * row["difference"]) else f"as many {unit} as"
    rates = f"{_count(row['second'])}, {first} on {_count(row['first'])}"
    few = f" ({row['warning']})" if row["warning"] else ""
    said = f"{second} {does} {subject(row)}{after}{by} on {how_many} {first} [{points_interval(row)}]{few}: {rates}"
    return f"{said}{_pairs(comparison, row, unit)}.{'' if established(row) else ' No difference is established.'}"


def _count(figure: dict) -> str:
    return f"{figure['k']} of {figure['n']} ({percent(figure['rate'])})"


def _pairs(comparison: dict, row: dict, unit: str) -> str:
    """The trials that changed, and how surely."""
    if not comparison["paired"]:
        return f" (other {unit}: independent samples, Newcombe's interval)"
    tested = f" (exact McNemar {equals_p(row['p'])})" if row["p"] is not None else ""
    return f"; only in {comparison['second']} on {row['only_second']}, only in {comparison['first']} on {row['only_first']}{tested}"


def extremes(comparison: dict, total: dict) -> list[str]:
    """From which object to which a difference over all objects reaches."""
    same = [row for row in comparison["rows"] if row["object"] is not None and row["difference"] is not None]
    same = [row for row in same if all(row[name] == total[name] for name in ("model", "artefact", "rate"))]
    if len(same) < 2:
        return []
    low, high = min(same, key=lambda row: row["difference"]), max(same, key=lambda row: row["difference"])
    if low["difference"] == high["difference"]:
        return []
    ends = [f"{points(row['difference'])} [{points_interval(row)}] for {row['object']}" for row in (low, high)]
    return [f"By object, the difference is between {ends[0]} and {ends[1]}."]


def regions(one: dict, second: str) -> str:
    """Of 10 cells of the view sphere, B is better in 0 and worse in 2 (...)."""
    found = {verdict: [cell for cell in one["cells"] if cell["verdict"] == verdict] for verdict in ("better", "worse")}
    if not one["n_tested"]:
        return ""
    said = f"Of {one['n_tested']} cells of the view sphere, {second} is better in {_where(found['better'])} "
    said += f"and worse in {_where(found['worse'])}"
    return f"{said} (p < {LEVEL:g} after Holm's correction for {one['n_tested']} cells)."


def _where(cells: list[dict]) -> str:
    if not cells:
        return "none"
    places = [f"azimuth {span(cell['azimuth_deg'])}, elevation {span(cell['elevation_deg'])}" for cell in cells]
    more = f" and {len(places) - MAX_SHOWN} more" if len(places) > MAX_SHOWN else ""
    return f"{len(places)} ({'; '.join(places[:MAX_SHOWN])}{more})"


def setting_out(comparison: dict, kind: str) -> str:
    """What was paired, what is not the same, in one sentence or two."""
    files = [one for one in comparison["differs"] if one["what"].split(" ")[0] in ("model", "texture")]
    files = [one for one in files if one["what"] != "model"]
    settings = sum(one["what"].startswith("setting ") for one in comparison["differs"])
    differs = [_differing(comparison, one["what"]) for one in files]
    differs += [f"{settings} setting{'s' if settings > 1 else ''}"] if settings else []
    return f"{_paired(comparison, kind)} {_difference(comparison, differs)}"


def _paired(comparison: dict, kind: str) -> str:
    unit = UNITS.get(kind, ("view", "views"))
    if not comparison["paired"]:
        return (
            f"Unpaired: the {unit[1]} of {comparison['second']} are others than those of {comparison['first']} "
            f"({comparison['reason']}), so differences are of independent samples and wider than paired ones."
        )
    beside = sum(comparison["n_alone"])
    alone = f"; {beside} trials without a partner are left out" if beside else ""
    same = "same image and target" if kind == IMAGES else "same object, view and conditions"
    return f"{comparison['n_pairs']} pairs of trials, {same}{alone}."


def _difference(comparison: dict, differs: list[str]) -> str:
    files = {what for what in comparison["same"] if what.startswith("model file")}
    same = " The model file is the same." if len(files) == len(comparison["models"]) else ""
    if not differs:
        return f"No model file, texture or setting differs.{same}"
    return f"What differs: {', '.join(differs)}.{same}"


def _differing(comparison: dict, what: str) -> str:
    """The model with both of its names; a texture by its name."""
    for match in comparison["models"]:
        if what == f"model file of {match['first']}" and match["first"] != match["second"]:
            return f"the model ({match['first']} → {match['second']})"
    return f"the {what}"
