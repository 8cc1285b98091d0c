import errno
import os
from pathlib import Path

import numpy as np
import pytest

from rig.contracts import Artefact
from rig.errors import RunError
from rig.runs import RunFolder, write_atomically


def start(path, config=None, seed=0):
    return RunFolder.start(path, ["rig", "test"], config or {"a": {"b": 1}}, seed)


def test_the_same_run_started_again_goes_on(tmp_path):
    run = start(tmp_path / "r")
    run.state["threat_model"] = {"goal": "x"}
    run.save()
    assert start(tmp_path / "r").state["threat_model"] == {"goal": "x"}


def test_another_config_or_seed_is_refused_and_named(tmp_path):
    start(tmp_path / "r")
    with pytest.raises(RunError, match="holds another run; got a.b = 2; expected 1"):
        start(tmp_path / "r", {"a": {"b": 2}})
    with pytest.raises(RunError, match="got seed = 5; expected 0"):
        start(tmp_path / "r", seed=5)


def test_a_folder_with_other_things_is_left_alone(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(RunError, match="folder is not empty and holds no run"):
        start(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_a_half_written_or_foreign_run_json_is_one_line(tmp_path):
    with pytest.raises(RunError, match="not a run folder"):
        RunFolder.open(tmp_path)
    (tmp_path / "run.json").write_text('{"schema": 1, ')
    with pytest.raises(RunError, match="cannot read run.json"):
        RunFolder.open(tmp_path)
    (tmp_path / "run.json").write_text('{"schema": 99}')
    with pytest.raises(RunError, match="another version; got 99; expected schema 1"):
        RunFolder.open(tmp_path)


def test_a_full_disk_mid_write_leaves_the_old_file_and_no_rubbish(tmp_path):
    target = tmp_path / "state.bin"
    write_atomically(target, lambda partial: partial.write_bytes(b"old"))

    def fill(partial: Path):
        partial.write_bytes(b"new but cut sh")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with pytest.raises(RunError, match=r"cannot write \(No space left on device\)"):
        write_atomically(target, fill)
    assert target.read_bytes() == b"old"
    assert [path.name for path in tmp_path.iterdir()] == ["state.bin"]


def test_a_really_full_disk_is_one_line(tmp_path):
    """/dev/full fails as a full disk does."""
    with pytest.raises(RunError, match="No space left on device"):
        write_atomically(tmp_path / "x", lambda partial: Path("/dev/full").write_bytes(b"1"))


def test_a_place_that_cannot_be_written_is_one_line():
    with pytest.raises(RunError, match="cannot write"):
        start(Path("/proc/rig-run"))


def test_an_artefact_is_what_its_8_bit_file_says(tmp_path):
    texture = np.random.default_rng(0).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    run = start(tmp_path / "r")
    saved = run.save_artefact(Artefact("adversarial", texture, {"name": "adversarial"}))
    np.testing.assert_array_equal(saved.texture, texture)
    assert run.has_artefact("adversarial")
    assert not run.has_artefact("clean")


def test_rows_that_lack_a_column_of_others_keep_it_for_the_rest(tmp_path):
    run = start(tmp_path / "r")
    run.write_table("t.parquet", [{"a": 1}, {"a": 2, "b": 0.5}])
    assert run.read_rows("t.parquet") == [{"a": 1, "b": None}, {"a": 2, "b": 0.5}]


def test_arrays_come_back_without_pickle(tmp_path):
    run = start(tmp_path / "r")
    run.write_arrays("s.npz", {"x": np.arange(3)})
    np.testing.assert_array_equal(run.read_arrays("s.npz")["x"], np.arange(3))
    assert run.read_arrays("none.npz") is None


def test_a_folder_that_cannot_be_is_one_line(tmp_path):
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(RunError, match="cannot write"):
        RunFolder.start(tmp_path / "file" / "run", ["test"], {}, 0)
