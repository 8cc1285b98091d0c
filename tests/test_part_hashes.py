"""Parts of a run that were edited, lost or added since they were written; the hashes by `sha256sum`, another program."""

import hashlib
import subprocess

import pytest

from rig import part_hashes
from rig.runs import RunFolder

LIST = "hashes.sha256"


@pytest.fixture
def run(tmp_path):
    """Two parts, an older one that was merged into the second, and a table that is no part."""
    run = RunFolder.start(tmp_path / "run", ["rig"], {}, 0)
    for name in ("trials/part-a.parquet", "trials/part-a-0.parquet", "pixel/items.parquet", "attack/history.parquet"):
        run.write_table(name, [{"x": 1.0}])
    run.remove_parts(["trials/part-a-0.parquet", "trials/part-never.parquet"])
    return run


def changed(run) -> dict[str, tuple]:
    compared = part_hashes.compare(run.path)
    return {name: found for name in ("edited", "missing", "unlisted") if (found := getattr(compared, name))}


def test_a_run_as_it_was_written_has_nothing_changed_before_and_after_its_end(run):
    assert (changed(run), part_hashes.compare(run.path).n_same) == ({}, 2)
    run.finish()
    assert (changed(run), part_hashes.compare(run.path).n_same) == ({}, 2)


def test_a_finished_list_is_one_that_sha256sum_checks_and_run_json_names(run):
    run.finish()
    told = subprocess.run(["sha256sum", "-c", LIST], cwd=run.path, capture_output=True, text=True, check=True).stdout
    assert told.splitlines() == ["pixel/items.parquet: OK", "trials/part-a.parquet: OK"]
    digest = hashlib.sha256((run.path / LIST).read_bytes()).hexdigest()
    assert RunFolder.open(run.path).state["parts"]["sha256"] == digest


@pytest.mark.parametrize("is_done", [False, True])
def test_edited_missing_and_added_parts_are_named(run, is_done):
    if is_done:
        run.finish()
    part, other = run.path / "trials/part-a.parquet", run.path / "pixel/items.parquet"
    part.write_bytes(part.read_bytes().replace(b"PAR1", b"PAR2"))
    (run.path / "trials/part-new.parquet").write_bytes(other.read_bytes())
    other.unlink()
    assert changed(run) == {
        "edited": ("trials/part-a.parquet",),
        "missing": ("pixel/items.parquet",),
        "unlisted": ("trials/part-new.parquet",),
    }


def test_a_line_cut_short_by_a_kill_is_ignored_and_the_next_one_is_not_lost(run):
    with (run.path / LIST).open("a") as file:
        file.write("ab12  trials/part-b.par")
    assert changed(run) == {}
    run.write_table("trials/part-b.parquet", [{"x": 2.0}])
    run.finish()
    assert changed(run) == {}
    assert "part-b" in (run.path / LIST).read_text()


def test_the_line_is_on_disk_before_the_part_has_its_name(run, monkeypatch):
    seen = []
    monkeypatch.setattr("os.replace", lambda *_: seen.append((run.path / LIST).read_text()))
    run.write_table("trials/part-late.parquet", [{"x": 3.0}])
    assert "trials/part-late.parquet" in seen[0]
    assert not (run.path / "trials/part-late.parquet").exists()


def test_a_part_made_again_counts_with_its_new_hash(run):
    run.write_table("trials/part-a.parquet", [{"x": 9.0}])
    assert changed(run) == {}


def test_a_run_begun_by_an_older_version_gets_no_list(run):
    del run.state["parts"]
    (run.path / LIST).unlink()
    run.write_table("trials/part-b.parquet", [{"x": 2.0}])
    run.finish()
    assert not (run.path / LIST).exists()


def test_a_name_with_a_line_break_stays_one_line(run):
    run.write_table("trials/part-a\n0.parquet", [{"x": 2.0}])
    assert changed(run) == {}
