"""A pipeline's yes or no: recounted here from the trial files with numpy and SciPy alone."""

import json
import sys
from xml.etree import ElementTree

import numpy as np
import polars as pl
import pytest
from scipy.stats import binomtest
from synthetic_run import write_run

from rig.cli import main
from rig.errors import RigError
from rig.gate import judge, parse_requirement
from rig.gate.formats import escaped, junit, lines, markdown
from rig.gate.rows import measure, worst_cell
from rig.metrics.load import read_run


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return write_run(tmp_path_factory.mktemp("runs") / "two", 120, ("turtle", "baseball"), thumbnails=False)


@pytest.fixture(scope="module")
def measured(run):
    return measure(read_run(run))


def verdicts_on(measured, *texts):
    return [one for one in judge(measured, list(map(parse_requirement, texts))) if one.requirement is not None]


def rows_of(run, artefact, name):
    rows = pl.read_parquet(run / "trials" / "part-*.parquet")
    return rows.filter((pl.col("artefact") == artefact) & (pl.col("object") == name)).sort("view")


def wilson_of(hits):
    found = binomtest(int(np.sum(hits)), len(hits)).proportion_ci(0.95, method="wilson")
    return found.low, found.high


def gate(*words, capsys, monkeypatch) -> tuple[int, str, str]:
    monkeypatch.setattr(sys, "argv", ["rig", "gate", *map(str, words)])
    with pytest.raises(SystemExit) as exit_:
        main()
    return exit_.value.code or 0, *capsys.readouterr()


@pytest.mark.parametrize("name", ["turtle", "baseball"])
def test_each_figure_and_end_decides_at_the_value_counted_from_the_files(run, measured, name):
    clean, painted = (rows_of(run, artefact, name)["predicted"].to_numpy() for artefact in ("clean", "adversarial"))
    recognised = clean == "loggerhead"
    hits = {
        "accuracy": recognised,
        "adversariality[adversarial]": painted == "rifle",
        "persistence[adversarial]": (painted == "rifle")[recognised],
        "other_wrong[adversarial]": ~np.isin(painted, ["rifle", "loggerhead"]),
    }
    for figure, values in hits.items():
        for end, value in zip(("", "@lower", "@upper"), (values.mean(), *wilson_of(values)), strict=True):
            for nudge, holds in ((-1e-6, True), (1e-6, False)):
                found = verdicts_on(measured, f"{figure}>={value + nudge:.9f}{end}")
                assert [one.holds for one in found if one.place.startswith(name)] == [holds], (figure, end)


def test_without_an_artefact_accuracy_is_the_clean_ones_and_the_rest_the_attacked_ones(measured):
    assert {one.place.split(" / ")[-1] for one in verdicts_on(measured, "accuracy>=0")} == {"clean"}
    attacked = {one.place.split(" / ")[-1] for one in verdicts_on(measured, "adversariality<=1")}
    assert attacked == {"adversarial", "adversarial-2"}


def test_the_worst_cells_interval_covers_all_cells_at_once():
    """Simulated: whichever of 40 equal cells looks worst, its upper end is above the true rate in 95 % of draws or more."""
    rng, n, true = np.random.default_rng(0), 25, 0.2
    found = []
    for _ in range(400):
        cells = [{"k": int(k), "n": n, "rate": k / n} for k in rng.binomial(n, true, 40)]
        figure = worst_cell(cells)
        found.append((figure["rate"], figure["high"]))
        k, rate = max((cell["k"], cell["rate"]) for cell in cells)
        exact = binomtest(k, n).proportion_ci(1 - 0.05 / 40, method="exact")
        assert (figure["rate"], figure["high"]) == (rate, pytest.approx(exact.high))
    assert np.mean([high >= true for _, high in found]) >= 0.95
    assert np.mean([rate > true for rate, _ in found]) > 0.99, "the worst of many cells is not an unbiased rate"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("accuracy", "not a requirement"),
        ("accuracy>0.9", "not a requirement"),
        ("accuracy>=90%", "not a requirement"),
        ("accuracy>=1.5", "not a share"),
        ("accuracy>=0.9.1", "not a share"),
        ("accurracy>=0.9", "no such figure"),
        ("accuracy>=0.9@middle", "no such end"),
        ("__import__('os')>=1", "not a requirement"),
    ],
)
def test_what_is_no_requirement_is_refused(text, message):
    with pytest.raises(RigError, match=message):
        parse_requirement(text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("accuracy[painted]>=0.9", "no such artefact.*clean, adversarial"),
        ("cvar<=0.5@upper", "cvar has no interval"),
    ],
)
def test_what_a_run_cannot_answer_is_refused(measured, text, message):
    with pytest.raises(RigError, match=message):
        judge(measured, [parse_requirement(text)])


def test_exit_codes_and_a_line_a_requirement(run, tmp_path, capsys, monkeypatch):
    code, out, _ = gate(run, "--require", "accuracy>=0.5", capsys=capsys, monkeypatch=monkeypatch)
    assert code == 0
    assert [line[:4] for line in out.splitlines()] == ["ok  ", "ok  "]
    asked = ["--require", "accuracy>=0.5", "--require", "adversariality<=0.1@upper"]
    code, out, _ = gate(run, *asked, capsys=capsys, monkeypatch=monkeypatch)
    assert code == 1
    assert out.splitlines()[2].startswith("FAIL adversariality<=0.1@upper: ")
    assert out.splitlines()[2].endswith("(fails on 4 of 4)")
    code, out, err = gate(run, "--require", "accuracy=1", capsys=capsys, monkeypatch=monkeypatch)
    assert (code, out, err.count("\n")) == (2, "", 1)
    code, _, err = gate(tmp_path / "no", "--require", "accuracy>=0", capsys=capsys, monkeypatch=monkeypatch)
    assert (code, err.count("\n")) == (2, 1)


def test_a_run_that_is_not_sound_holds_nothing(tmp_path):
    path = write_run(tmp_path / "run", 20, thumbnails=False)
    record = json.loads((path / "run.json").read_text())
    for fault, words in (
        ({"status": "running"}, "not finished"),
        ({"models": [record["models"][0] | {"sha256_after": "cd" * 32}]}, "changed"),
        ({"threat_model": record["threat_model"] | {"goal": ""}}, "Check 1, threat model"),
    ):
        (path / "run.json").write_text(json.dumps(record | fault))
        first = judge(measure(read_run(path)), [parse_requirement("accuracy>=0")])[0]
        assert not first.holds
        assert words in first.reason
    (path / "run.json").write_text(json.dumps(record))
    assert judge(measure(read_run(path)), [parse_requirement("accuracy>=0")])[0].holds


def test_pixel_runs_are_refused(tmp_path):
    path = write_run(tmp_path / "run", 4, thumbnails=False)
    record = json.loads((path / "run.json").read_text())
    (path / "run.json").write_text(json.dumps(record | {"config": {"job": "attack pixel"}}))
    with pytest.raises(RigError, match="no rates over views"):
        measure(read_run(path))


def test_a_crop_is_asked_of_camera_sessions_only(run):
    with pytest.raises(RigError, match="only camera sessions have crops"):
        measure(read_run(run), "board")


def test_junit_has_a_case_a_requirement_and_row_and_survives_any_name(tmp_path):
    name = 'x"><script>&\x01\N{SNOWMAN}'
    path = write_run(tmp_path / "run", 20, (name,), thumbnails=False)
    measured = measure(read_run(path))
    found = judge(measured, list(map(parse_requirement, ("accuracy>=0", "adversariality<=0"))))
    suite = ElementTree.fromstring(junit(measured, found)).find("testsuite")
    assert (suite.get("tests"), suite.get("failures")) == ("4", "2")
    assert len(suite.findall("testcase")) == 4
    assert len(suite.findall("testcase/failure")) == 2
    assert suite.findall("testcase")[1].get("classname").startswith('x"><script>&\N{REPLACEMENT CHARACTER}\N{SNOWMAN}')
    summary = markdown(measured, found)
    assert "<script" not in summary.replace("\\<script", "")
    assert summary.startswith("### rig gate: 1 of 3 requirements fail")


def test_a_summary_is_tables_that_no_name_breaks(measured):
    found = judge(measured, [parse_requirement("accuracy>=0.5")])
    tables = [line for line in markdown(measured, found).splitlines() if line.startswith("|")]
    assert {line.replace("\\|", "").count("|") for line in tables[:4]} == {5}
    assert {line.replace("\\|", "").count("|") for line in tables[4:]} == {6}
    assert escaped("a\nb") == "a b"
    assert len(lines(found)) == 2
