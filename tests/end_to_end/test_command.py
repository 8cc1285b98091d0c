"""The `rig` command as a user runs it: real network, real frames, real kills."""

import contextlib
import io
import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import polars as pl
import pytest
from report_schema import conforming

from rig.cli import main
from rig.images import read_image

ROOT = Path(__file__).parents[2]
RIG = [sys.executable, "-m", "rig"]
ATTACK = [
    *("attack", "texture", "baseball", "--model", "efficientnet-lite0", "--target", "golf ball", "--views", "8"),
    *("--steps", "6", "--delta-e", "40", "--set", "attack.views_per_step=4", "--set", "attack.texture_px=128"),
    *("--set", "attack.validate_every=3", "--set", "attack.validation_views=4"),
]


def rig(*arguments) -> SimpleNamespace:
    """The command, run in this process: what it costs to start Python is paid in the tests that kill it."""
    out, err, before = io.StringIO(), io.StringIO(), sys.argv
    sys.argv, code = ["rig", *map(str, arguments)], 0
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            main()
    except SystemExit as exit_:
        code = exit_.code or 0
    finally:
        sys.argv = before
    return SimpleNamespace(returncode=code, stdout=out.getvalue(), stderr=err.getvalue())


def trials(run: Path) -> pl.DataFrame:
    return pl.read_parquet(run / "trials" / "part-*.parquet").sort("artefact", "view")


def stop_once(command: list, how: signal.Signals, exists: Path, pattern: str) -> tuple[int, str]:
    """Start a command, signal it as soon as `pattern` matches a file below `exists`; its exit code and stderr."""
    process = subprocess.Popen(
        [*RIG, *map(str, command)], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, cwd=ROOT
    )
    deadline = time.monotonic() + 120
    while not list(exists.glob(pattern)):
        assert process.poll() is None, "ended before it could be stopped"
        assert time.monotonic() < deadline
        time.sleep(0.02)
    process.send_signal(how)
    _, stderr = process.communicate(timeout=60)
    return process.returncode, stderr


@pytest.fixture(scope="module")
def attacked(tmp_path_factory) -> tuple[Path, Path]:
    """The same attack, once in one go and once killed twice: during the optimisation and during the sweep.

    Each in a process of its own, as a user's are. Torch's threads must be as many in all of them: with two in one and one
    in the other, sums of floats in another order made textures that differed by up to 3 of 255.
    """
    folder = tmp_path_factory.mktemp("runs")
    whole, killed = folder / "whole", folder / "killed"
    done = subprocess.run([*RIG, *ATTACK, "--out", whole], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    stop_once([*ATTACK, "--out", killed], signal.SIGKILL, killed, "attack/adversarial/state.npz")
    stop_once(["resume", killed], signal.SIGKILL, killed, "trials/part-*.parquet")
    resumed = subprocess.run([*RIG, "resume", killed], capture_output=True, text=True, cwd=ROOT)
    assert resumed.returncode == 0, resumed.stderr
    return whole, killed


def test_a_run_killed_with_sigkill_ends_with_the_same_rows_and_textures(attacked):
    whole, killed = attacked
    assert trials(killed).equals(trials(whole))
    for name in ("adversarial", "control_random", "control_single_view"):
        textures = [read_image(run / "artefacts" / name / "texture.png") for run in attacked]
        np.testing.assert_array_equal(*textures)


def test_a_finished_run_holds_everything_the_report_needs(attacked):
    whole, _ = attacked
    state = json.loads((whole / "run.json").read_text())
    assert state["status"] == "done"
    assert state["models"][0]["sha256_before"] == state["models"][0]["sha256_after"]
    assert state["resources"]["gradients"] >= 6 * 4
    assert set(trials(whole)["artefact"]) == {"clean", "adversarial", "control_random", "control_single_view"}
    assert (whole / "report.html").stat().st_size < 10_000_000
    report = conforming(whole / "report.json")
    assert report["ok"], report["notices"]


def test_the_headline_is_recounted_from_the_trials(attacked):
    whole, _ = attacked
    rates = json.loads((whole / "metrics.json").read_text())["rates"]
    for row in rates:
        outcomes = trials(whole).filter(pl.col("artefact") == row["artefact"])["outcome"].to_list()
        assert row["n"] == len(outcomes) == 8
        assert row["counts"]["fooled"] == outcomes.count("target")
        assert row["counts"]["correct"] == outcomes.count("correct")


def test_the_linf_of_an_artefact_is_recounted_from_its_file(attacked):
    whole, _ = attacked
    clean, painted = (
        read_image(whole / "artefacts" / name / "texture.png").astype(int) for name in ("clean", "adversarial")
    )
    said = json.loads((whole / "artefacts" / "adversarial" / "artefact.json").read_text())
    assert said["linf_255"] == np.abs(painted - clean).max() > 0


def test_the_same_command_again_does_nothing_anew(attacked):
    whole, _ = attacked
    before = {path: path.stat().st_mtime_ns for path in whole.glob("trials/*")}
    assert rig(*ATTACK, "--out", whole).returncode == 0
    assert {path: path.stat().st_mtime_ns for path in whole.glob("trials/*")} == before


def test_a_sweep_scores_a_given_artefact_beside_its_clean_twin(attacked, tmp_path):
    whole, _ = attacked
    out = tmp_path / "swept"
    done = rig(
        *("sweep", "baseball", "--model", "efficientnet-lite0", "--artefact", whole / "artefacts" / "adversarial"),
        *("--target", "golf ball", "--views", "10", "--texture-px", "128", "--out", out, "--json"),
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["ok"]
    assert trials(out).group_by("artefact").len().sort("artefact").rows() == [("adversarial", 10), ("clean", 10)]


def test_an_interrupted_run_says_how_to_go_on_and_exits_130(tmp_path):
    command = ["sweep", "baseball", "--model", "efficientnet-lite0", "--views", "2000", "--out", tmp_path / "r"]
    code, stderr = stop_once(command, signal.SIGINT, tmp_path, "r/trials/part-*.parquet")
    assert code == 130
    last = f"rig: interrupted; the run folder is whole, go on with: rig resume {tmp_path / 'r'}"
    assert stderr.strip().splitlines()[-1] == last


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["sweep", "baseball", "--model", "none.onnx", "--out", "r"], "none.onnx"),
        (["sweep", "nowhere", "--model", "efficientnet-lite0", "--out", "r"], "no such scene; got nowhere"),
        (
            ["sweep", "baseball", "--model", "efficientnet-lite0", "--target", "rifel", "--out", "r"],
            "did you mean rifle",
        ),
        (["sweep", "baseball", "--model", "efficientnet-lite0", "--target", "baseball", "--out", "r"], "true label"),
        (
            ["sweep", "baseball", "--model", "efficientnet-lite0", "--set", "object.labels=['dogg']", "--out", "r"],
            "dogg",
        ),
        (["attack", "texture", "baseball", "--model", "efficientnet-lite0", "--delta-e", "x", "--out", "r"], "Delta-E"),
        (
            ["attack", "texture", "baseball", "--model", "efficientnet-lite0", "--set", "attack.lr=1", "--out", "r"],
            '"lr"',
        ),
        (
            ["sweep", "baseball", "--model", "efficientnet-lite0", "--set", "views.distance_m=[0.9,2]", "--out", "r"],
            "the camera may be inside the object; got 0.9; expected more than object.radius_m, 1",
        ),
        (["attack", "pixel", "none", "--model", "efficientnet-lite0", "--out", "r"], "no such images"),
        (["attack", "pixel", ".", "--model", "efficientnet-lite0", "--out", "r"], "no images here"),
        (["attack", "pixel", ".", "--model", "efficientnet-lite0", "--pixels", "one", "--out", "r"], "not numbers"),
        (["attack", "pixel", ".", "--model", "efficientnet-lite0", "--search", "de", "--out", "r"], "unknown search"),
        (
            ["attack", "pixel", ".", "--model", "efficientnet-lite0", "--target", "cup", "--any-target", "--out", "r"],
            "exclude each other",
        ),
        (
            ["attack", "pixel", ".", "--model", "efficientnet-lite0", "--set", "search.pop=3", "--out", "r"],
            '"pop"',
        ),
        (["report", "r"], "no such run folder"),
        (["resume", "r"], "not a run folder"),
        (["scene", "check", "baseball", "--set", "views.fov=3"], 'did you mean "fov_deg"'),
        (["models", "fetch", "resnet"], "resnet"),
    ],
)
def test_bad_input_is_one_clear_line_and_exit_code_2(arguments, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = rig(*arguments)
    assert done.returncode == 2, done.stderr
    lines = done.stderr.strip().splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("rig: ")
    assert message in lines[0]
    assert list(tmp_path.iterdir()) == []


def test_a_model_that_is_not_onnx_is_one_line(tmp_path):
    (tmp_path / "m.onnx").write_text("hello")
    command = [*RIG, "models", "inspect", tmp_path / "m.onnx"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 2
    assert len(done.stderr.strip().splitlines()) == 1


def test_help_lists_the_commands_in_the_order_of_work():
    listed = [
        line.split()[0] for line in rig("--help").stdout.partition("Commands:")[2].splitlines() if line.startswith("  ")
    ]
    known = [word for word in listed if word in {"demo", "models", "scene", "sweep", "attack", "report", "resume"}]
    assert known == ["demo", "models", "scene", "sweep", "attack", "report", "resume"]


def test_preview_draws_a_contact_sheet(tmp_path):
    done = rig("scene", "preview", "baseball", "--views", "8", "--size", "64", "--out", tmp_path / "p.png")
    assert done.returncode == 0, done.stderr
    assert read_image(tmp_path / "p.png").shape == (128, 256, 3)
