"""Natural corruptions: what they do to a picture, that a view keeps its weather, and their rows beside a sweep's."""

import json

import cv2
import numpy as np
import polars as pl
import pytest
from chromium import check_figures, needs_chromium
from magenta_network import is_magenta, write_magenta

from rig.audit import audit, failed
from rig.campaign import SweepJob, resume, sweep_scenes
from rig.errors import RigError
from rig.images import decode_jpeg, encode_jpeg
from rig.metrics.corruptions import corruption_metrics
from rig.metrics.load import read_run, read_trials
from rig.scene import load_config
from rig.sweep.corruptions import NAMES, USUAL, Corruption, chosen

library = pytest.importorskip("imagecorruptions.corruptions")
GIVEN = ("rain", "gaussian_noise-3", "jpeg_compression-2")


def quiet(done, total, what):
    pass


@pytest.fixture(scope="module")
def picture():
    small = np.random.default_rng(0).integers(40, 200, (8, 8, 3), np.uint8)
    return cv2.resize(small, (48, 48), interpolation=cv2.INTER_CUBIC)


@pytest.fixture(autouse=True)
def _not_compiled(monkeypatch):
    """The library's glass blur as Python: the same code, and numba's compiler takes longer than all of these tests."""
    shuffle = library._shuffle_pixels_njit_glass_blur.py_func
    monkeypatch.setattr(library, "_shuffle_pixels_njit_glass_blur", shuffle)


def harm(name, before, after):
    """How far a picture is from what it was; of what lays a veil over it, how little of it is left."""
    if name in ("fog", "frost"):
        return 1 - np.corrcoef(before.ravel(), after.ravel())[0, 1]
    return np.abs(after.astype(int) - before).mean()


@pytest.mark.parametrize("name", NAMES)
def test_a_corruption_follows_from_its_seed_and_grows_with_its_severity(name, picture):
    np.random.seed(3)  # noqa: NPY002
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    weak, strong = Corruption(name, 1), Corruption(name, 5)
    changed = weak.applied(picture, 7)
    assert changed.shape == picture.shape and changed.dtype == np.uint8
    assert np.array_equal(changed, weak.applied(picture, 7))
    assert np.array_equal(before, np.random.get_state()[1])  # noqa: NPY002
    assert 0 < harm(name, picture, changed) < harm(name, picture, strong.applied(picture, 7))


def test_another_seed_is_other_weather(picture):
    for name in ("fog", "snow", "rain", "gaussian_noise", "glass_blur"):
        one, other = (Corruption(name, 3).applied(picture, seed) for seed in (1, 2))
        assert not np.array_equal(one, other)


def test_noise_and_jpeg_are_as_strong_as_published(picture):
    """Hendrycks & Dietterich 2019: noise of standard deviation 0.18 at severity 3; JPEG quality 18 at severity 2."""
    grey = np.full((200, 200, 3), 128, np.uint8)
    noisy = Corruption("gaussian_noise", 3).applied(grey, 0).astype(float)
    inside = (noisy > 0) & (noisy < 255)
    assert inside.mean() > 0.99 and (noisy - 128).std() / 255 == pytest.approx(0.18, rel=0.03)
    said, own = Corruption("jpeg_compression", 2).applied(picture, 0), decode_jpeg(encode_jpeg(picture, 18))
    assert np.abs(said.astype(int) - own).mean() < 3 < np.abs(picture.astype(int) - own).mean()


@pytest.mark.parametrize(
    ("given", "said"),
    [(["fgo"], "unknown corruption; got fgo"), (["fog-6"], "got fog-6"), (["fog-"], "got fog-"), (["-3"], "got -3")],
)
def test_an_unknown_corruption_is_one_line(given, said):
    with pytest.raises(RigError, match="^--corruption: ") as error:
        chosen(given)
    assert said in str(error.value)


def test_names_stand_for_all_severities_and_count_once():
    assert chosen(["fog-3", "fog"]) == (Corruption("fog", 3), *(Corruption("fog", n) for n in (1, 2, 4, 5)))
    assert len(chosen(USUAL)) == 35


def test_a_frame_that_is_too_small_is_refused():
    with pytest.raises(RigError, match="too small to be corrupted; got 31 x 40"):
        Corruption("fog", 1).applied(np.zeros((40, 31, 3), np.uint8), 0)


@pytest.fixture(scope="module")
def job(tmp_path_factory):
    folder = tmp_path_factory.mktemp("given")
    model = write_magenta(folder / "magenta.onnx")
    settings = ('object.labels=["ball"]', "background.color=[0,1]")
    scene = load_config("baseball", settings).model_dump(mode="json")
    return SweepJob((scene,), (str(model),), (), None, 30, "random", 32, 0, GIVEN)


@pytest.fixture(scope="module")
def swept(job, tmp_path_factory):
    return sweep_scenes(job, tmp_path_factory.mktemp("run") / "run", ["rig", "sweep"], quiet).path


def rows_of(run):
    return pl.read_parquet(run / "corruptions" / "part-*.parquet")


def test_every_corrupted_row_has_its_clean_twin(swept):
    rows, trials = rows_of(swept), read_trials(read_run(swept))
    assert len(rows) == 30 * 7 and len(trials) == 30
    both = rows.join(
        trials.select("object", "artefact", "model", "view", twin="frame_hash"),
        on=["object", "artefact", "model", "view"],
    )
    assert len(both) == len(rows) and (both["twin"] == both["twin_hash"]).all()
    assert (both["frame_hash"] != both["twin_hash"]).all()
    assert corruption_metrics(read_run(swept), trials)["mismatches"] == []


def test_rates_under_corruption_are_those_of_the_frames_corrupted_again(swept, job):
    """The second road: frames rendered here, corrupted here, and judged by numpy."""
    from rig.render import Renderer
    from rig.scene import rebuilt
    from rig.views import draw_views

    scene = rebuilt(job.scenes[0], 32)
    renderer = Renderer(scene, (32, 32))
    views = draw_views(scene.config, 30, 0, "eval")
    frames = renderer.frames(scene.mesh.texture, [renderer.prepare(view) for view in views])
    table = {
        (row["corruption"], row["severity"]): row
        for row in json.loads((swept / "corruptions.json").read_text())["rows"]
    }
    assert len(table) == 7
    plain = ~is_magenta(np.stack([frame.image for frame in frames]))
    for (name, severity), row in table.items():
        again = np.stack([Corruption(name, severity).applied(frame.image, frame.view.seed) for frame in frames])
        right = ~is_magenta(again)
        assert (row["accuracy"]["k"], row["accuracy"]["n"]) == (right.sum(), 30)
        assert (row["lost"], row["gained"]) == ((plain & ~right).sum(), (~plain & right).sum())
        assert (row["kept"]["k"], row["kept"]["n"]) == ((plain & right).sum(), plain.sum())


def test_the_sweep_s_own_rates_do_not_mix_with_those_of_corrupted_frames(swept):
    metrics = json.loads((swept / "metrics.json").read_text())
    assert [row["n"] for row in metrics["rates"]] == [30]
    assert not failed(audit(swept))
    assert json.loads((swept / "run.json").read_text())["resources"]["queries"] == 30 * 8


def test_a_killed_sweep_goes_on_with_the_corruptions_left(swept, job, tmp_path):
    def stop(done, total, what):
        if "corrupted" in what:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        sweep_scenes(job, tmp_path / "run", ["rig", "sweep"], stop)
    kept = {path: path.stat().st_mtime_ns for path in (tmp_path / "run").glob("*/part-*.parquet")}
    assert len(kept) == 3  # two of trials, one of corrupted frames
    resume(tmp_path / "run", quiet)
    assert all(path.stat().st_mtime_ns == when for path, when in kept.items())
    key = ["view", "corruption", "severity"]
    assert rows_of(tmp_path / "run").sort(key).equals(rows_of(swept).sort(key))


def test_a_row_of_another_frame_is_told(swept):
    (part, *_) = sorted((swept / "corruptions").glob("part-*.parquet"))
    whole = part.read_bytes()
    rows = pl.read_parquet(part)
    rows.with_columns(twin_hash=pl.lit("0" * 16)).write_parquet(part)
    run = read_run(swept)
    said = corruption_metrics(run, read_trials(run))["mismatches"]
    part.write_bytes(whole)
    assert said == [f"{len(rows)} corrupted frames were made of another frame than their twin"]


@needs_chromium
def test_the_page_draws_its_figure_without_a_network(swept, tmp_path):
    page = (swept / "corruptions.html").read_text()
    assert "Beside fog, snow and rain" in page and "JPEG" in page
    check_figures(swept / "corruptions.html", tmp_path, 1)
