"""A pixel attack on linear networks, really made, and faults planted in copies of it."""

import shutil

import polars as pl
import pytest
from tampered import Tampered, quiet
from toy_network import write_images, write_linear

from rig.attack.pixel.settings import search_settings
from rig.audit import FAIL, NOT_APPLICABLE, PASS, WARN, audit
from rig.campaign import PixelJob, attack_pixels
from rig.images import encode_png, read_image

OWN = (pl.col("search") != "") & (pl.col("model") == pl.col("found_on"))
FOOLED = {"predicted": pl.lit("nothing"), "outcome": pl.lit("other_wrong")}
RIGHT = {"predicted": pl.col("true_label"), "outcome": pl.lit("correct")}


def of(path, number: int):
    (finding,) = audit(path, only=(number,))
    return finding


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pixels")
    weights = write_linear(folder / "linear.onnx", 0)
    write_images(folder / "set.npz", weights, 10)
    searches = {name: search_settings(name, {"max_queries": 150}) for name in ("rig", "random")}
    given = dict.fromkeys(("target", "limit"))
    flags = dict.fromkeys(("any_target", "skip_bad", "resize"), False)
    job = PixelJob(
        str(folder / "set.npz"), (str(folder / "linear.onnx"),), (1, 3), searches, **given, **flags, threads=1, seed=0
    )
    return attack_pixels(job, folder / "run", ["rig", "attack", "pixel"], quiet).path


@pytest.fixture
def pixels(whole, tmp_path):
    return Tampered(shutil.copytree(whole, tmp_path / "run"))


def test_the_untouched_attack_fails_nothing(whole):
    found = {finding.number: finding.status for finding in audit(whole)}
    assert FAIL not in found.values()
    assert {number for number, status in found.items() if status == PASS} >= {
        1,
        2,
        4,
        5,
        7,
        10,
        13,
        15,
        16,
        17,
        20,
        21,
        22,
    }
    assert {number for number, status in found.items() if status == NOT_APPLICABLE} >= {3, 6, 9, 18, 19, 23, 24}


def test_an_image_one_pixel_over_its_budget_is_caught(pixels):
    folder = next(pixels.path.glob("artefacts/rig-1px-*"))
    file = sorted(folder.glob("*.png"))[0]
    image, clean = read_image(file).copy(), read_image(pixels.path / "artefacts/clean" / file.name)
    v, u = next((v, u) for v in range(8) for u in range(9) if (image[v, u] == clean[v, u]).all())
    image[v, u, 0] ^= 1
    file.write_bytes(encode_png(image))
    finding = of(pixels.path, 5)
    assert finding.status == FAIL
    assert "more pixels changed than allowed" in finding.sentence
    assert file.stem in finding.sentence


def test_an_attacked_image_that_was_wrong_to_begin_with_is_caught(pixels):
    victim = pl.read_parquet(pixels.path / "trials" / "part-*.parquet").filter(OWN)["object"][0]
    clean = (pl.col("search") == "") & (pl.col("object") == victim)
    pixels.put(clean, **FOOLED)
    finding = of(pixels.path, 2)
    assert finding.status == FAIL
    assert "not right to begin with" in finding.sentence


def test_a_stated_success_that_the_predictions_do_not_show_is_caught(pixels):
    pixels.metrics(lambda metrics: metrics["steps"][0]["success"].update(k=metrics["steps"][0]["success"]["k"] + 1))
    assert of(pixels.path, 4).status == FAIL


def test_a_success_that_was_not_saved_is_caught(pixels):
    reached = OWN & pl.col("success_query").is_not_null()
    pixels.put(reached, **RIGHT)
    finding = of(pixels.path, 10)
    assert finding.status == WARN
    assert "had succeeded when asked" in finding.sentence


def test_random_beating_the_search_and_more_pixels_doing_worse_are_caught(pixels):
    pixels.put(OWN & (pl.col("search") == "random"), **FOOLED)
    pixels.put(OWN & (pl.col("search") == "rig"), **RIGHT)
    pixels.put(OWN & (pl.col("search") == "rig") & (pl.col("pixels") == 1), **FOOLED)
    assert of(pixels.path, 15).status == FAIL
    assert "random succeeds on" in of(pixels.path, 15).sentence
    assert of(pixels.path, 13).status == WARN
    assert "Success falls with a larger budget" in of(pixels.path, 13).sentence


def test_a_run_without_a_gradient_free_search_is_caught(pixels):
    assert of(pixels.path, 16).status == PASS
    pixels.state(lambda state: state["config"]["searches"].pop("rig"))
    assert of(pixels.path, 16).status == WARN
    assert "no baseline: gradient-free (--search rig)" in of(pixels.path, 16).sentence


def test_successes_that_came_in_the_last_half_of_the_queries_are_caught(pixels):
    pixels.put(OWN & (pl.col("search") == "rig"), **FOOLED)
    pixels.put(OWN, success_query=pl.lit(1, pl.Int64))
    assert of(pixels.path, 11).status == PASS
    pixels.put(OWN & (pl.col("search") == "rig"), success_query=pl.col("queries_total"))
    finding = of(pixels.path, 11)
    assert finding.status == WARN
    assert "successes came in the second half of the queries" in finding.sentence


def test_a_search_without_its_queries_and_a_run_without_a_random_one_are_caught(pixels):
    pixels.rows(
        lambda rows: rows.with_columns(queries_total=pl.when(OWN).then(None).otherwise(pl.col("queries_total")))
    )
    assert "do not state their queries" in of(pixels.path, 16).sentence
    pixels.rows(lambda rows: rows.with_columns(queries_total=pl.lit(3, pl.Int64)))
    assert of(pixels.path, 16).status == PASS
    pixels.state(lambda state: state["config"]["searches"].pop("random"))
    assert "no baseline: random" in of(pixels.path, 16).sentence
