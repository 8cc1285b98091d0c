"""`rig audit` and `rig report` as a user meets them: exit codes, the first line, the table."""

import json
import sys

import polars as pl
import pytest

from rig.audit import WARN, audit
from rig.cli import main
from rig.report import write_report


def rig(monkeypatch, *arguments) -> int:
    monkeypatch.setattr(sys, "argv", ["rig", *map(str, arguments)])
    try:
        main()
    except SystemExit as exit_:
        return exit_.code or 0
    return 0


@pytest.fixture
def failing(run):
    run.state(lambda state: state["threat_model"].update(norm=""))
    return run.path


def test_a_sound_run_exits_with_0_and_lists_25_checks(attacked, monkeypatch, capsys):
    assert rig(monkeypatch, "audit", attacked, "--json") == 0
    record = json.loads(capsys.readouterr().out)
    assert record["ok"]
    assert [one["number"] for one in record["findings"]] == list(range(1, 26))
    assert {one["status"] for one in record["findings"]} <= {"pass", "warn", "not applicable"}


def test_a_failed_check_exits_with_1(failing, monkeypatch, capsys):
    assert rig(monkeypatch, "audit", failing) == 1
    first = capsys.readouterr().out.splitlines()[0]
    assert first == "The audit failed 1 of 25 checks. 1 threat model: run.json does not state: norm."


def test_an_edited_part_is_one_line_of_the_report_and_of_the_gate(run, monkeypatch, capsys):
    part = run.path / "trials/part-cube-adversarial-toy-000000.parquet"
    pl.read_parquet(part).write_parquet(part)
    said = "trials/part-cube-adversarial-toy-000000.parquet is edited since it was written."
    assert rig(monkeypatch, "report", run.path) == 1
    assert json.loads((run.path / "report.json").read_text())["headline"][0].endswith(said)
    assert rig(monkeypatch, "gate", run.path, "--require", "accuracy>=0") == 1
    (line,) = [line for line in capsys.readouterr().out.splitlines() if line.startswith("FAIL")]
    assert said in line


def test_a_run_begun_before_parts_had_hashes_is_told_of_and_does_not_fail(run):
    run.state(lambda state: state.pop("parts"))
    (run.path / "hashes.sha256").unlink()
    (finding,) = audit(run.path, only=(21,))
    assert (finding.status, "parts carry no hashes" in finding.sentence) == (WARN, True)


@pytest.mark.parametrize("spoil", ["run.json", "trials/part-all.parquet", "metrics.json"])
def test_what_cannot_be_read_exits_with_2_in_one_line(run, spoil, monkeypatch, capsys):
    run.rows(lambda rows: rows)
    (run.path / spoil).write_text("{")
    code = rig(monkeypatch, "audit", run.path)
    out, err = capsys.readouterr()
    if spoil == "metrics.json":  # the run is readable, its report is not: checks of the report fail
        assert code == 1
        assert "cannot be" in out
    else:
        assert code == 2
        assert len(err.strip().splitlines()) == 1


def test_no_run_at_all_is_one_line(tmp_path, monkeypatch, capsys):
    assert rig(monkeypatch, "audit", tmp_path / "none") == 2
    assert "no such run folder" in capsys.readouterr().err


def test_a_report_with_a_failed_check_says_so_first_and_exits_with_1(failing, monkeypatch, capsys):
    assert rig(monkeypatch, "report", failing) == 1
    record = json.loads((failing / "report.json").read_text())
    assert record["ok"] is False
    assert record["headline"][0] == "The audit failed 1 of 25 checks. 1 threat model: run.json does not state: norm."
    page = (failing / "report.html").read_text().replace("\u2060", "")
    header = page[page.index('<header id="headline">') :]
    assert header.split("<p")[1].startswith(' class="notice error" role="alert">The audit failed 1')
    assert page.count('<td class="level">') == 25


def test_a_report_without_one_does_not(run, monkeypatch, capsys):
    assert rig(monkeypatch, "report", run.path) == 0
    record = json.loads((run.path / "report.json").read_text())
    assert record["ok"]
    assert record["headline"][0].startswith("Painted texture")
    assert len(record["audit"]) == 25


def test_names_in_findings_are_escaped_on_the_page(run):
    evil = "<img src=x onerror=alert(1)>"
    run.state(lambda state: state["threat_model"]["distribution"]["dimensions"].update({evil: [0, 1]}))
    page = write_report(run.path).read_text()
    assert evil not in page
    assert "&lt;img src=x" in page
