"""The page of several objects and models: first screen, overview, transfer, folding; recounted from the trials here."""

import json
import math
import re

import polars as pl
import pytest
from browser import CHROMIUM, Browser
from page_parts import Page, as_read
from report_schema import conforming
from synthetic_run import write_run

from rig.report import write_report

OBJECTS, MODELS = ("ball", "turtle"), ("lite0", "lite1")
KEPT = ("clean", "adversarial", "control_random")
LONG = "</script><script>console.error('planted')</script>µ龟" + "verylongname" * 12


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """lite1 is not fooled by what was made on lite0, except where a row of the turtle says so."""
    run = write_run(tmp_path_factory.mktemp("runs") / "run", 16, OBJECTS, MODELS, artefacts=KEPT, history=False)
    record = json.loads((run / "run.json").read_text())
    record["models"][1] |= {"sha256_before": "cd" * 32, "sha256_after": "cd" * 32}
    del record["config"]["attack"]
    (run / "run.json").write_text(json.dumps(record))
    made_on = {"models": [{"name": "lite0", "sha256": "ab" * 32}], "objects": ["turtle"]}
    for name in ("adversarial", "control_random"):
        path = run / "artefacts" / name / "artefact.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | {"made_on": made_on}))
    for path in run.glob("trials/*.parquet"):
        rows = pl.read_parquet(path)
        if rows["model"][0] == "lite1" and rows["artefact"][0] == "adversarial":
            changed = [pl.lit("bucket").alias("predicted"), pl.lit("other_wrong").alias("outcome")]
            rows.with_columns(changed).write_parquet(path)
    return run


@pytest.fixture(scope="module")
def page(run):
    return Page(write_report(run))


@pytest.fixture(scope="module")
def trials(run):
    return pl.concat(pl.read_parquet(path) for path in sorted(run.glob("trials/*.parquet")))


def counts(trials, name, model, artefact, outcome):
    mine = trials.filter(object=name, model=model, artefact=artefact)
    return len(mine.filter(outcome=outcome)), len(mine)


def part(page, start, end):
    return as_read(re.sub("<[^>]+>", " ", page.source[page.source.index(start) : page.source.index(end)]))


def test_three_sentences_with_the_highest_rate_first(page, trials):
    reached = {(o, m): counts(trials, o, m, "adversarial", "target") for o in OBJECTS for m in MODELS}
    (name, model), (k, n) = max(reached.items(), key=lambda one: one[1][0])
    record = conforming(page.path.with_suffix(".json"))
    assert len(record["summary"]) == 3
    assert record["summary"][0].startswith(
        f"Most fooled: {name} with the painted texture, called rifle by {model} on {k} of {n}"
    )
    assert "not made on: called rifle on 0 of 16 (0.0 %" in record["summary"][1]
    known = [counts(trials, o, m, "clean", "correct")[0] for o in OBJECTS for m in MODELS]
    assert f"{min(known)} of 16" in record["summary"][2] and f"{max(known)} of 16" in record["summary"][2]
    head = part(page, '<header id="headline">', '<section id="overview">')
    assert all(sentence in head for sentence in record["summary"])


def test_the_first_screen_counts_the_audit_and_names_the_worst_first(page):
    record = json.loads(page.path.with_suffix(".json").read_text())
    status = [finding["status"] for finding in record["audit"]]
    head = part(page, '<header id="headline">', '<section id="overview">')
    for mark, word, said in (("✗", "fail", "failed"), ("!", "warn", "warned"), ("✓", "pass", "passed")):
        assert f"{mark} {status.count(word)} {said}" in head
    warned = sorted(
        (one for one in record["audit"] if one["status"] == "warn"), key=lambda one: (one["level"], one["number"])
    )
    places = [head.index(f"! {one['number']} {one['name']}") for one in warned]
    assert places and places == sorted(places)
    assert "Goal targeted: rifle" in head and "Views eot-sim" in head


def test_a_failed_check_comes_first(tmp_path):
    run = write_run(tmp_path / "run", 4, artefacts=("clean",), target="", history=False, thumbnails=False)
    record = json.loads((run / "run.json").read_text())
    record["models"][0]["sha256_after"] = "00" * 32
    (run / "run.json").write_text(json.dumps(record))
    head = part(Page(write_report(run)), '<header id="headline">', '<section id="frames">')
    assert head.startswith("The audit failed 1 of 25 checks.")
    worst = head.split("Worst first:")[1]
    assert worst.split(";")[0].strip().startswith("✗")


def test_the_overview_has_every_count(page, trials):
    table = part(page, '<section id="overview">', "<h3>Over all objects</h3>")
    for name in OBJECTS:
        for model in MODELS:
            cells = [counts(trials, name, model, "clean", "correct")]
            cells += [counts(trials, name, model, artefact, "target") for artefact in KEPT[1:]]
            row = rf"{name} {model}" + "".join(rf" [\d.]+ % {k} of {n} · [\d.]+–[\d.]+" for k, n in cells)
            assert re.search(row, table), row
    assert "12 intervals stand here" in table and "0.6 of them are expected to miss" in table


def test_the_matrix_marks_the_network_that_a_texture_was_made_on(page):
    table = part(page, '<section id="transfer">', '<section id="groups">')
    own = r"on turtle ◆ : called rifle made on lite0, turtle ◆ [\d.]+ % \d+ of 16 · [\d.]+–[\d.]+ [\d.]+ % \d+ of 16"
    assert len(re.findall(own, table)) == 2
    assert len(re.findall(r"on ball: called rifle made on lite0, turtle ◆ [\d.]+ %", table)) == 2


def test_only_the_most_fooled_is_open(page, trials):
    opened = [attrs for attrs in page.all("details", **{"class": "group"}) if "open" in attrs]
    groups = [(o, m) for o in OBJECTS for m in MODELS]
    best = max(range(4), key=lambda i: counts(trials, *groups[i], "adversarial", "target")[0])
    assert [attrs["id"] for attrs in opened] == [f"group-{best + 1}"]


def test_worst_and_best_are_the_extremes_of_the_targets_probability(page, trials):
    block = page.source[page.source.index('id="group-3"') : page.source.index('id="group-4"')]
    shown = block[block.index("Worst and best views") : block.index("Outcome by viewpoint")]
    ranked = trials.filter(object="turtle", model="lite0", artefact="adversarial").sort("target_prob", descending=True)
    expected = [*ranked["view"].head(4), *reversed(ranked["view"].tail(4).to_list())]
    assert re.findall(r'<figure title="([^"]+)">', shown) == expected
    assert [f"{100 * p:.1f} %" for p in ranked["target_prob"].head(4)] == re.findall(r"rifle ([\d.]+ %)<", shown)[:4]


def test_objects_held_by_share(page, trials):
    found = next(
        row for row in json.loads(page.path.with_suffix(".json").read_text())["metrics"]["pooled"]
        if (row["artefact"], row["model"]) == ("adversarial", "lite0")
    )  # fmt: skip
    rates = sorted(counts(trials, name, "lite0", "adversarial", "target")[0] / 16 for name in OBJECTS)
    assert found["n_fooled"] == 2 and found["held_by"] == {"0.5": rates[1], "0.9": rates[0]}
    assert math.isfinite(found["adversariality"]["rate"])


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    if CHROMIUM is None:
        pytest.skip("no chromium on PATH (Debian: apt-get install chromium)")
    opened = Browser(tmp_path_factory.mktemp("profile"))
    yield opened
    opened.close()


def test_folded_groups_open_by_link_and_by_keyboard(browser, page):
    tab = browser.page(page.path.as_uri())
    tab.until("document.querySelector('details.group[open] .js-plotly-plot')")
    assert tab.run("document.querySelectorAll('details.group:not([open]) .js-plotly-plot').length") == 0
    tab.run("document.querySelector('details.group:not([open]) > summary').focus()")
    tab.press("Enter", "Enter", 13)
    tab.until("document.querySelectorAll('details.group[open] [data-sphere] .js-plotly-plot').length == 4")
    tab.click(".overview a[href='#group-4']")
    tab.until("document.getElementById('group-4').open")
    assert tab.console == []


def test_long_and_hostile_names_fit_a_narrow_screen(browser, tmp_path):
    run = write_run(
        tmp_path / "run", 4, (LONG, "µ"), (LONG,), LONG + "!", KEPT, LONG + "?", history=False, thumbnails=False
    )
    tab = browser.page(write_report(run).as_uri(), width=400, dark=True)
    tab.until("document.querySelector('.js-plotly-plot')")
    tab.click("[data-unfold='all']")
    tab.until("document.querySelectorAll('[data-sphere] .js-plotly-plot').length == 4")
    assert tab.run("document.documentElement.scrollWidth") <= 400
    assert tab.run("document.documentElement.dataset.planted") is None and tab.console == []
