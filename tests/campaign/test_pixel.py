"""`rig attack pixel` on linear networks, whose every answer numpy can work out again."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from toy_network import LABELS, linear_logits, write_images, write_linear

from rig.attack.pixel.settings import search_settings
from rig.attack.pixel.space import CORNERS
from rig.audit.parts import parts_problem
from rig.campaign import PixelJob, attack_pixels, resume
from rig.errors import RigError
from rig.images import read_image
from rig.metrics.load import read_run
from rig.metrics.pixel import pixel_metrics
from rig.metrics.pixel_load import read_pixel_trials

N_IMAGES, MOST = 20, 400
ROOT = Path(__file__).parents[2]


def quiet(done: int, total: int, what: str) -> None:
    pass


@pytest.fixture(scope="module")
def bench(tmp_path_factory):
    """Two networks and images that the first gets right but for every fifth."""
    folder = tmp_path_factory.mktemp("bench")
    first = write_linear(folder / "first.onnx", 0)
    weights = {"first": first, "second": write_linear(folder / "second.onnx", 1, near=first)}
    images, labels = write_images(folder / "set.npz", weights["first"], N_IMAGES)
    return folder, weights, images, labels


def job(folder: Path, **changes) -> PixelJob:
    names = changes.pop("searches", ("rig", "random"))
    given = {"max_queries": changes.pop("max_queries", MOST)}
    defaults = {
        "images": str(folder / "set.npz"),
        "models": (str(folder / "first.onnx"), str(folder / "second.onnx")),
        "pixels": (1, 3),
        "searches": {name: search_settings(name, given) for name in names},
        "target": None,
        "any_target": False,
        "limit": None,
        "skip_bad": False,
        "resize": False,
        "threads": 1,
        "seed": 0,
    }
    return PixelJob(**defaults | changes)


def rows_of(run: Path) -> pl.DataFrame:
    return pl.read_parquet(run / "trials" / "part-*.parquet").drop("seconds").sort("artefact", "object", "model")


@pytest.fixture(scope="module")
def attacked(bench, tmp_path_factory):
    out = tmp_path_factory.mktemp("runs") / "whole"
    attack_pixels(job(bench[0], searches=("rig", "su2019", "random", "white-box")), out, ["rig"], quiet)
    return out


def test_every_trial_is_what_numpy_says_of_the_saved_png(attacked, bench):
    _, weights, _, labels = bench
    rows = rows_of(attacked).filter(pl.col("search") != "")
    assert len(rows) > 100
    for row in rows.iter_rows(named=True):
        image = read_image(attacked / "artefacts" / row["artefact"] / f"{row['object']}.png")
        logits = linear_logits(weights[row["model"]], image[None])[0]
        assert row["predicted"] == LABELS[int(logits.argmax())]
        assert (row["outcome"] == "correct") == (int(logits.argmax()) == labels[int(row["object"])])
        assert row["predicted_prob"] == pytest.approx(1 / np.exp(logits - logits.max()).sum(), rel=1e-3)


def test_only_images_classified_correctly_are_attacked_and_all_have_a_clean_twin(attacked, bench):
    _, weights, images, labels = bench
    rows = rows_of(attacked)
    for name in ("first", "second"):
        right = np.flatnonzero(linear_logits(weights[name], images).argmax(axis=1) == labels)
        own = rows.filter((pl.col("found_on") == name) & (pl.col("search") == "rig"))
        assert {int(index) for index in own["object"]} == set(right.tolist())
        assert 0 < len(right) < N_IMAGES
        clean = rows.filter((pl.col("artefact") == "clean") & (pl.col("model") == name))
        assert len(clean) == N_IMAGES


def test_l0_counted_from_the_files_is_never_more_than_k(attacked):
    for row in rows_of(attacked).filter(pl.col("search") != "").iter_rows(named=True):
        clean, changed = (
            read_image(attacked / "artefacts" / folder / f"{row['object']}.png")
            for folder in ("clean", row["artefact"])
        )
        assert (clean != changed).any(axis=2).sum() == row["l0"] <= row["pixels"]


def test_no_success_at_k_is_lost_at_a_larger_k_and_costs_nothing_more(attacked):
    own = rows_of(attacked).filter((pl.col("search") != "") & (pl.col("model") == pl.col("found_on")))
    fewer, more = (own.filter(pl.col("pixels") == k) for k in (1, 3))
    both = fewer.filter(pl.col("outcome") != "correct").join(more, on=["object", "search", "found_on"], suffix="_more")
    assert len(both) > 10
    assert (both["outcome_more"] != "correct").all()
    assert (both["queries_more"] == 0).all()
    assert (both["queries_total_more"] == both["queries_total"]).all()
    assert (more.filter(pl.col("outcome") != "correct").height) > both.height  # and three pixels do more than one


def best_single(weights: np.ndarray, image: np.ndarray, true: int) -> float:
    """The lowest margin any one pixel can reach: for a linear network, by every place, corner and rival in a loop."""
    logits, lowest = linear_logits(weights, image[None])[0], np.inf
    for rival in set(range(len(LABELS))) - {true}:
        slope = weights[true].astype(float) - weights[rival]
        for row in range(image.shape[0]):
            for column in range(image.shape[1]):
                gains = (CORNERS - image[row, column].astype(float)) / 255 @ slope[:, row, column]
                lowest = min(lowest, logits[true] - logits[rival] + gains.min())
    return lowest


def test_the_exhaustive_reference_and_the_white_box_find_all_that_one_pixel_can(bench, tmp_path):
    """The closed form bounds every search; the reference reaches it, and the report gives each search's share of it."""
    folder, weights, images, labels = bench
    run = attack_pixels(
        job(folder, models=(str(folder / "first.onnx"),), pixels=(1,), searches=("rig", "exhaustive", "white-box")),
        tmp_path / "r", ["rig"], quiet,
    )  # fmt: skip
    own = rows_of(run.path).filter(pl.col("search") != "")
    possible = {
        name for name in own["object"]
        if best_single(weights["first"], images[int(name)], labels[int(name)]) < 0
    }  # fmt: skip
    fooled = {
        search: set(own.filter((pl.col("search") == search) & (pl.col("outcome") != "correct"))["object"])
        for search in ("rig", "exhaustive", "white-box")
    }
    assert 0 < len(possible) < own["object"].n_unique()
    assert fooled["exhaustive"] == fooled["white-box"] == possible
    assert fooled["rig"] <= possible
    metrics = json.loads((run.path / "metrics.json").read_text())
    shares = {row["search"]: row["share"] for row in metrics["reference"]}
    assert (shares["rig"]["k"], shares["rig"]["n"]) == (len(fooled["rig"]), len(possible))
    assert all(row["beyond"] == 0 for row in metrics["reference"])


class Stop(Exception):
    pass


def stopping_after(n: int):
    def tick(done: int, total: int, what: str) -> None:
        if done == n:
            raise Stop

    return tick


def test_a_run_stopped_anywhere_and_resumed_is_the_same_and_repeats_no_finished_image(bench, tmp_path):
    folder = bench[0]
    whole = attack_pixels(job(folder), tmp_path / "whole", ["rig"], quiet)
    with pytest.raises(Stop):
        attack_pixels(job(folder), tmp_path / "stopped", ["rig"], stopping_after(9))
    parts = list((tmp_path / "stopped" / "trials").glob("part-rig-1px-first-*.parquet"))
    assert len(parts) >= 9
    written = {part: (part.stat().st_mtime_ns, part.read_bytes()) for part in parts}
    with pytest.raises(Stop):
        resume(tmp_path / "stopped", stopping_after(15))
    assert all(
        not part.exists() or (part.stat().st_mtime_ns, part.read_bytes()) == kept for part, kept in written.items()
    )
    with pytest.raises(Stop):
        resume(tmp_path / "stopped", stopping_after(40))
    again = resume(tmp_path / "stopped", quiet)
    assert rows_of(again.path).equals(rows_of(whole.path))
    for path in sorted((whole.path / "artefacts").rglob("*.png")):
        twin = again.path / path.relative_to(whole.path)
        assert twin.read_bytes() == path.read_bytes()
    n_groups = 2 * 2 * 2  # searches x pixels x networks
    assert len(list((again.path / "trials").glob("*.parquet"))) == n_groups + 2
    assert abs(again.state["resources"]["queries"] - whole.state["resources"]["queries"]) < 10 * MOST


def test_a_run_killed_with_sigkill_keeps_its_finished_images(bench, tmp_path):
    folder, out = bench[0], tmp_path / "killed"
    command = ["attack", "pixel", folder / "set.npz", "--model", folder / "first.onnx", "--out", out]
    command += ["--max-queries", "800", "--search", "rig", "--threads", "1"]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    start = [sys.executable, "-m", "rig", *map(str, command)]
    process = subprocess.Popen(start, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env=environment)
    deadline = time.monotonic() + 120
    while not list(out.glob("trials/part-rig-1px-first-*.parquet")):
        assert process.poll() is None, process.stderr.read()
        assert time.monotonic() < deadline
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=60)
    kept = {part.name: part.stat().st_mtime_ns for part in out.glob("trials/part-rig-1px-first-*.parquet")}
    done = []
    resume(
        out, lambda n, total, what: done.append({p.name: p.stat().st_mtime_ns for p in out.glob("trials/part-rig-*")})
    )
    assert kept
    assert kept.items() <= done[len(kept)].items()
    assert parts_problem(read_run(out)) == ""
    asked = job(folder, models=(str(folder / "first.onnx"),), pixels=(1,), searches=("rig",), max_queries=800)
    whole = attack_pixels(asked, tmp_path / "whole", ["rig"], quiet)
    assert rows_of(out).equals(rows_of(whole.path))


def test_targeted_success_is_counted_as_the_target_and_any_target_as_any_of_them(bench, tmp_path):
    folder, weights, _, labels = bench
    one = (str(folder / "first.onnx"),)
    run = attack_pixels(
        job(folder, models=one, any_target=True, searches=("white-box",), limit=6, pixels=(1, 2)),
        tmp_path / "any", ["rig"], quiet,
    )  # fmt: skip
    rows = rows_of(run.path).filter(pl.col("search") != "")
    assert len(rows) == 6 * 3 * 2
    n_other = 0
    for row in rows.iter_rows(named=True):
        image = read_image(run.path / "artefacts" / row["artefact"] / f"{row['object']}.png")
        predicted = LABELS[int(linear_logits(weights["first"], image[None]).argmax())]
        said = "target" if predicted == row["target_label"] else "other_wrong"
        assert row["outcome"] == ("correct" if predicted == row["true_label"] else said)
        n_other += row["outcome"] == "other_wrong"
    assert n_other  # some aimed at one class and hit another: no success
    metrics = json.loads((run.path / "metrics.json").read_text())
    for step in metrics["steps"]:
        of_step = rows.filter(pl.col("pixels") == step["pixels"])
        hits = of_step.filter(pl.col("outcome") == "target")
        assert step["pairs"]["k"] == len(hits)
        assert (step["success"]["k"], step["success"]["n"]) == (hits["object"].n_unique(), 6)


def test_the_transfer_matrix_and_the_pairs_are_recounted_by_hand(attacked):
    run = read_run(attacked)
    metrics = pixel_metrics(run, read_pixel_trials(run))
    rows = rows_of(attacked).to_dicts()
    clean = {(row["object"], row["model"]): row["outcome"] == "correct" for row in rows if not row["search"]}
    hit = {
        (row["found_on"], row["search"], row["pixels"], row["object"], row["model"]): row["outcome"] != "correct"
        for row in rows if row["search"]
    }  # fmt: skip
    assert len(metrics["transfer"]) == 2 * 4 * 2 * 2
    for one in metrics["transfer"]:
        place = (one["found_on"], one["search"], one["pixels"])
        tried = [
            name for found_on, search, pixels, name, model in hit
            if (found_on, search, pixels) == place and model == one["model"]
            and hit[*place, name, one["found_on"]] and clean[name, model]
        ]  # fmt: skip
        assert one["rate"]["n"] == len(tried)
        assert one["rate"]["k"] == sum(hit[*place, name, one["model"]] for name in tried)
    for one in metrics["searches"]:
        first, second = (
            {
                key[3]
                for key in hit
                if key[:3] == (one["found_on"], search, one["pixels"]) and key[0] == key[4] and hit[key]
            }
            for search in (one["first"], one["second"])
        )
        assert (one["only_first"], one["only_second"]) == (len(first - second), len(second - first))
    assert metrics["mismatches"] == []


def test_a_changed_file_is_found_out(bench, tmp_path):
    from rig.images import encode_png

    run = attack_pixels(job(bench[0], searches=("random",), pixels=(1,)), tmp_path / "r", ["rig"], quiet)
    path = next((run.path / "artefacts" / "random-1px-first").glob("*.png"))
    image = read_image(path)
    image[0, :3] ^= 255
    path.write_bytes(encode_png(image))
    folder = read_run(run.path)
    (said, *_) = pixel_metrics(folder, read_pixel_trials(folder))["mismatches"]
    assert "pixels differ in the files, the trial says 1" in said


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"pixels": (1, 73)}, "--pixels: no such number of pixels; got 73; expected 1 to 72"),
        ({"pixels": (0,)}, "--pixels: no such number of pixels; got 0"),
        ({"target": "tiger"}, "unknown label; got tiger"),
        ({"searches": ("exhaustive",), "pixels": (3, 5)}, "only single pixels can be tried exhaustively"),
        ({"images": "/nowhere"}, "no such images"),
    ],
)
def test_bad_input_is_one_line_and_leaves_no_run(bench, tmp_path, changes, message):
    with pytest.raises(RigError, match=message):
        attack_pixels(job(bench[0], **changes), tmp_path / "r", ["rig"], quiet)
    assert not (tmp_path / "r").exists()


def test_networks_of_other_classes_or_sizes_or_the_same_name_are_refused(bench, tmp_path):
    folder = bench[0]
    first = str(folder / "first.onnx")
    write_linear(tmp_path / "large.onnx", 0, size_px=(10, 9))
    with pytest.raises(RigError, match="models of different input sizes; got 9 x 10; expected 9 x 8"):
        attack_pixels(job(folder, models=(first, str(tmp_path / "large.onnx"))), tmp_path / "r", ["rig"], quiet)
    with pytest.raises(RigError, match="two models of one name"):
        attack_pixels(job(folder, models=(first, first)), tmp_path / "r", ["rig"], quiet)


def test_other_images_under_the_same_run_are_refused(bench, tmp_path):
    folder, weights, *_ = bench
    write_images(tmp_path / "set.npz", weights["first"], 8)
    asked = job(folder, images=str(tmp_path / "set.npz"), models=(str(folder / "first.onnx"),), pixels=(1,))
    with pytest.raises(Stop):
        attack_pixels(asked, tmp_path / "r", ["rig"], stopping_after(2))
    write_images(tmp_path / "set.npz", weights["first"], 8, seed=1)
    with pytest.raises(RigError, match="the images changed since this run began"):
        resume(tmp_path / "r", quiet)
