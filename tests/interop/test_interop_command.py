"""The commands as a user types them: results on stdout, one line and exit code 2 for bad input."""

import importlib.util
import json
import os

import pytest

from rig.cli import main

has_rerun = pytest.mark.skipif(importlib.util.find_spec("rerun") is None, reason="the extra 'rerun' is not installed")
headless = pytest.mark.skipif(
    any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY")), reason="a viewer would open"
)


def run(monkeypatch, capsys, *words) -> tuple[int, str, str]:
    monkeypatch.setattr("sys.argv", ["rig", *map(str, words)])
    with pytest.raises(SystemExit) as ended:
        main()
    said = capsys.readouterr()
    return ended.value.code or 0, said.out, said.err


def test_export_says_what_it_wrote(pixels, tmp_path, monkeypatch, capsys):
    out = tmp_path / "out"
    words = ("export", pixels, "--format", "imagefolder", "--out", out, "--json")
    code, said, _ = run(monkeypatch, capsys, *words)
    assert code == 0
    assert json.loads(said) == {"out": str(out), "format": "imagefolder", "frames": 6, "trials": 6}
    code, said, error = run(monkeypatch, capsys, *words)
    assert (code, said) == (2, "")
    assert "there is something already" in error


@has_rerun
def test_view_writes_a_recording(swept, tmp_path, monkeypatch, capsys):
    out = tmp_path / "out.rrd"
    code, said, _ = run(monkeypatch, capsys, "view", swept, "--save", out, "--views", 1)
    assert (code, said) == (0, f"8 cameras: {out}\n")
    assert out.stat().st_size > 10_000


@has_rerun
@headless
def test_without_a_display_one_line_says_how_to_go_on(swept, monkeypatch, capsys):
    code, said, error = run(monkeypatch, capsys, "view", swept, "--views", 1)
    assert (code, said) == (2, "")
    assert "viewer did not open" in error
    assert "--save run.rrd" in error


@pytest.mark.parametrize("words", [("export", "--format", "coco", "--out"), ("view", "--save")])
def test_a_missing_run_is_one_line(words, tmp_path, monkeypatch, capsys):
    code, said, error = run(monkeypatch, capsys, words[0], tmp_path / "none", *words[1:], tmp_path / "out")
    assert (code, said) == (2, "")
    assert error.splitlines() == [f"rig: {tmp_path}/none: no such run folder; give the folder that holds run.json"]
    assert list(tmp_path.iterdir()) == []
