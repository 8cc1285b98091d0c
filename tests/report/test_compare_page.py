"""The page of several runs: sentences with numbers, exit codes, hostile names, a browser without a console message."""

import html
import json

import pytest
import typer
from chromium import check_figures, needs_chromium
from run_pair import called, model_record, number, second_run
from synthetic_run import write_run

from rig.cli_report import report_command
from rig.errors import RunError
from rig.report.compare import audits_failed, write_comparison
from rig.report.compare_words import p_value, points

EVIL = "</script><script>console.error('planted')</script>\"><img src=x onerror=\"console.error('planted')\"> µ龟"
KEPT = ("clean", "adversarial", "control_random", "control_single_view")


def hardened(row: dict) -> dict:
    row = row | {"model": "hardened"}
    if row["artefact"] == "clean" and row["azimuth_deg"] > 0 and number(row) % 2:
        return called(row, "other_wrong")
    return called(row, "correct") if row["artefact"] == "adversarial" and number(row) % 3 else row


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    place = tmp_path_factory.mktemp("runs")
    before = write_run(place / "before", 60, artefacts=KEPT, history=False)
    return before, second_run(before, place / "after", hardened, models=[model_record("hardened")])


@pytest.fixture(scope="module")
def written(runs):
    return write_comparison(list(runs))


def test_the_page_lies_beside_the_first_run_with_its_json(written, runs):
    page, record = written
    assert page == runs[0].parent / "compare.html"
    assert json.loads(page.with_suffix(".json").read_text(encoding="utf-8")) == json.loads(json.dumps(record))


def test_sentences_say_what_the_rows_say(written):
    page, record = written
    text = html.unescape(page.read_text(encoding="utf-8")).replace("\N{NO-BREAK SPACE}", " ")
    row = next(
        one for one in record["comparisons"][0]["rows"] if (one["artefact"], one["rate"]) == ("clean", "accuracy")
    )
    lost = 100 * (row["first"]["rate"] - row["second"]["rate"])
    expected = (
        f"B recognises the clean turtle on {lost:.1f} points fewer views than A [{points(row['low'])} to "
        f"{points(row['high'])}]: {row['second']['k']} of 60 ({100 * row['second']['rate']:.1f} %)"
    )
    assert lost > 0 and expected in text
    assert any(expected in sentence for sentence in record["headline"])
    assert "What differs: the model (efficientnet-lite0 → hardened)." in text
    assert "after Holm's correction for 3 cells" in text


def test_compare_json_has_the_documented_keys(written):
    record = written[1]
    assert {"schema", "confidence", "runs", "comparisons", "headline", "ok", "audits"} == set(record)
    comparison = record["comparisons"][0]
    assert {
        *("first", "second", "paired", "reason", "models", "artefacts", "alone"),
        *("n_pairs", "n_alone", "same", "differs", "rows", "maps"),
    } == set(comparison)
    row_keys = {"object", "model", "artefact", "rate", "first", "second", "difference", "low", "high", "p", "p_holm"}
    assert all(row_keys | {"method", "warning", "only_first", "only_second"} <= set(row) for row in comparison["rows"])
    assert all({"azimuth_deg", "elevation_deg", "verdict"} <= set(cell) for cell in comparison["maps"][0]["cells"])


def test_a_failed_audit_of_any_run_stands_in_the_first_line_and_in_the_exit_code(runs, tmp_path, capsys):
    models = [model_record("hardened") | {"sha256_after": "d" * 64}]
    swapped = second_run(runs[0], tmp_path / "swapped", hardened, models=models)
    with pytest.raises(typer.Exit) as exit_code:
        report_command([runs[0], swapped], tmp_path / "page.html", as_json=True)
    record = json.loads(capsys.readouterr().out)
    assert exit_code.value.exit_code == 1 and audits_failed(record) and not record["ok"]
    assert record["headline"][0].startswith("Run B: the audit failed")
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    header = page[page.index('<header id="headline">') :]
    assert header.index("Run B: the audit failed") < header.index("<h1>")


@needs_chromium
def test_hostile_names_are_words_and_every_figure_is_drawn(tmp_path):
    artefacts = KEPT[:2]
    before = write_run(tmp_path / "a", 40, (EVIL,), (EVIL,), EVIL + "!", artefacts, EVIL + "?", history=False)
    after = second_run(before, tmp_path / "b", lambda row: hardened(row) | {"model": EVIL})
    other = write_run(
        tmp_path / "c", 40, (EVIL,), (EVIL,), EVIL + "!", artefacts, EVIL + "?", history=False, seed=1, thumbnails=False
    )
    page, _ = write_comparison([before, after, other], tmp_path / "page.html")
    source = page.read_text(encoding="utf-8")
    assert "<script>console" not in source and "<img src=x" not in source and "planted" in source
    check_figures(page, tmp_path, least=6)  # for each of two comparisons the differences and two maps


def test_what_cannot_be_compared_leaves_nothing_behind(runs, tmp_path):
    for bad in ([runs[0], runs[0]], [runs[0], tmp_path], [runs[0], runs[1] / "trials"]):
        with pytest.raises(RunError):
            write_comparison(bad, tmp_path / "page.html")
    with pytest.raises(RunError, match="overwrite its own JSON"):
        write_comparison(list(runs), tmp_path / "page.json")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("value", "said"), [(-0.0954, "−9.5"), (0.095, "+9.5"), (0.0, "0.0"), (-0.0001, "0.0"), (None, "–")]
)
def test_differences_are_said_in_points(value, said):
    assert points(value) == said


def test_a_p_value_is_never_said_to_be_zero():
    assert (p_value(0.0), p_value(0.00234), p_value(0.0499), p_value(None)) == ("< 0.0001", "0.0023", "0.0499", "–")
