"""The page of a pixel run: what it says is what the trials say, whole in one file, drawn by a real browser."""

import json
import re
import shutil
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "attack" / "pixel"))
from chromium import check_figures, needs_chromium  # noqa: E402
from report_schema import conforming
from toy_network import write_images, write_linear  # noqa: E402

from rig.attack.pixel.settings import search_settings  # noqa: E402
from rig.campaign import PixelJob, attack_pixels  # noqa: E402
from rig.errors import RunError  # noqa: E402
from rig.report import write_report  # noqa: E402

SEARCHES = ("rig", "random", "exhaustive")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bench")
    first = write_linear(folder / "first.onnx", 0)
    write_linear(folder / "second.onnx", 1, near=first)
    write_images(folder / "set.npz", first, 16)
    job = PixelJob(
        images=str(folder / "set.npz"),
        models=(str(folder / "first.onnx"), str(folder / "second.onnx")),
        pixels=(1, 3),
        searches={name: search_settings(name, {"max_queries": 300}) for name in SEARCHES},
        target=None,
        any_target=False,
        limit=8,
        skip_bad=False,
        resize=False,
        threads=1,
        seed=0,
    )
    return attack_pixels(job, folder / "run", ["rig", "attack", "pixel"], lambda *_: None).path


def test_the_headline_states_k_of_n_for_every_network_and_number_of_pixels(run):
    record = conforming(run / "report.json")
    steps = [step for step in record["metrics"]["steps"] if step["search"] == "rig"]
    assert [(step["found_on"], step["pixels"]) for step in steps] == [
        ("first", 1), ("first", 3), ("second", 1), ("second", 3),
    ]  # fmt: skip
    text = " ".join(record["headline"])
    for step in steps:
        assert f"{step['success']['k']} of 8 (" in text
    assert record["ok"]
    assert record["notices"] == []


def test_the_page_is_one_file_without_a_fetch_and_within_its_budget(run):
    page = (run / "report.html").read_text()
    assert len(page) < 10_000_000
    own = re.sub(r"<script>.*?</script>", "", page, flags=re.S)
    assert not re.findall(r"""(?:src|href)=["'](?!data:|#)""", own)
    assert "default-src &#39;none&#39;" in page


def test_every_section_of_the_navigation_is_there(run):
    page = (run / "report.html").read_text()
    links = re.findall(r'<a href="#(\w+)">', page)
    assert {"images", "rates", "queries", "searches", "transfer", "labels", "confidence", "threat"} <= set(links)
    assert all(f'id="{link}"' in page for link in links)


def test_the_gallery_shows_each_change_by_ring_and_number(run):
    page = (run / "report.html").read_text()
    assert page.count("<circle") >= 2 * 8
    assert re.search(r"\(\d+, \d+\) #[0-9a-f]{6}", page)


def test_the_transfer_matrix_has_everything_on_its_diagonal(run):
    metrics = json.loads((run / "metrics.json").read_text())
    own = [row["rate"] for row in metrics["transfer"] if row["found_on"] == row["model"]]
    assert any(rate["n"] for rate in own)
    assert all(rate["k"] == rate["n"] for rate in own)


def test_a_run_that_has_just_begun_is_one_line(run, tmp_path):
    begun = tmp_path / "begun"
    shutil.copytree(run, begun)
    for part in (begun / "trials").glob("part-*px-*.parquet"):
        part.unlink()
    with pytest.raises(RunError, match="no attacked image yet"):
        write_report(begun)


def test_names_from_a_run_are_text_and_never_html(run, tmp_path):
    evil = tmp_path / "evil"
    shutil.copytree(run, evil)
    state = json.loads((evil / "run.json").read_text())
    state["skipped"] = ["<img src=x onerror=alert(1)>.png: bad"]
    state["config"]["images"] = "<script>alert(2)</script>"
    (evil / "run.json").write_text(json.dumps(state))
    page = write_report(evil).read_text()
    assert "<img src=x" not in page
    assert "<script>alert" not in page


@needs_chromium
def test_a_browser_draws_every_figure_without_a_console_message(run, tmp_path):
    a_network = 1 + 2 + 2  # by K, by queries for each K, confidence for each K
    check_figures(run / "report.html", tmp_path, least=2 * a_network)
