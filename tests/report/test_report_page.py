import hashlib
import html
import json
import re
import shutil

import numpy as np
import plotly.graph_objects as go
import polars as pl
import pytest
from page_parts import Page
from report_schema import conforming
from synthetic_run import write_run

from rig.errors import RunError
from rig.images import encode_png, read_image
from rig.metrics import metrics
from rig.metrics.persistence import Cells
from rig.report import write_report
from rig.report.figures import outline

EVIL = "</script><script>console.error('planted')</script>\"><img src=x onerror=\"console.error('planted')\"> µ龟"


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    return write_run(tmp_path_factory.mktemp("runs") / "demo")


@pytest.fixture
def run(whole, tmp_path):
    return shutil.copytree(whole, tmp_path / "demo")


@pytest.fixture(scope="module")
def page(whole):
    return Page(write_report(whole))


def test_headline_has_rate_denominator_interval_and_method(page, whole):
    attacked = next(row for row in metrics(whole)["rates"] if row["artefact"] == "adversarial")
    reached = attacked["adversariality"]
    expected = (
        f"Painted texture: called rifle on {reached['k']} of 200 unseen views ({100 * reached['rate']:.1f} %, "
        f"95 % CI {100 * reached['low']:.1f}–{100 * reached['high']:.1f}, Wilson)"
    )
    assert expected in page.text
    assert "The clean turtle at the same views: recognised on" in page.text
    assert "Controls at the same views: a random texture of the same distance: called rifle on" in page.text


def test_json_files_say_what_the_page_says(page, whole):
    record = conforming(whole / "report.json")
    assert record["schema"] == 1 and record["ok"] and record["notices"] == []
    assert all(sentence in page.text for sentence in record["headline"])
    assert (
        record["metrics"] == json.loads((whole / "metrics.json").read_text()) == json.loads(json.dumps(metrics(whole)))
    )


def test_sections_come_in_order(page):
    ids = [attrs["id"] for tag, attrs in page.tags if tag in ("section", "header") and "id" in attrs]
    assert ids == [
        "headline", "frames", "extremes", "map", "rates", "textures", "steps", "controls",
        "persistence", "wrong", "conditions", "limits", "audit", "threat", "provenance", "glossary",
    ]  # fmt: skip
    links = [attrs["href"] for attrs in page.all("a") if attrs["href"].startswith("#")]
    assert {link[1:] for link in links} == set(ids)


def test_offline_and_small(page):
    fetched = [a[name] for _, a in page.tags for name in ("src", "srcset", "data", "poster", "action") if a.get(name)]
    fetched += [attrs["href"] for tag, attrs in page.tags if attrs.get("href")]
    assert all(address.startswith(("data:", "#")) for address in fetched)
    style = page.source[page.source.index("<style>") : page.source.index("</style>")]
    assert "url(" not in style and "@import" not in style
    policy = page.all("meta", **{"http-equiv": "Content-Security-Policy"})[0]["content"]
    assert policy.startswith("default-src 'none'") and "http" not in policy
    assert page.path.stat().st_size < 10_000_000


def test_frame_pairs_are_the_views_nearest_to_cell_centres(page, whole):
    """Second road: great-circle distances to the centres of 3 x 8 cells, from the trials themselves."""
    clean = pl.concat(pl.read_parquet(path) for path in whole.glob("trials/*.parquet")).filter(artefact="clean")
    expected = set()
    for low in (-1, -1 / 3, 1 / 3):
        for start in range(-180, 180, 45):
            inside = clean.filter(
                pl.col("azimuth_deg").is_between(start, start + 45)
                & pl.col("elevation_deg").radians().sin().is_between(low, low + 2 / 3)
            )
            centre = np.radians(start + 22.5), np.arcsin(low + 1 / 3)
            azimuth, elevation = (np.radians(inside[name].to_numpy()) for name in ("azimuth_deg", "elevation_deg"))
            cosine = np.sin(elevation) * np.sin(centre[1]) + np.cos(elevation) * np.cos(centre[1]) * np.cos(
                azimuth - centre[0]
            )
            expected.add(inside["view"][int(np.argmax(cosine))])
    shown = page.source[page.source.index('<section id="frames">') : page.source.index('<section id="extremes">')]
    assert sorted(re.findall(r'<figure title="([^"]+)">', shown)) == sorted(expected)
    assert shown.count('loading="lazy"') == 2 * len(expected)


def test_every_picture_and_figure_has_words(page):
    assert all(attrs.get("alt") for attrs in page.all("img"))
    plots = [attrs for attrs in page.all("div") if "data-figure" in attrs]
    assert all(attrs["role"] == "img" and attrs["aria-label"] for attrs in plots)
    assert {attrs["data-figure"] for attrs in plots} == set(page.figures)


def test_figures_are_valid_plotly(page):
    def resolved(value):
        if isinstance(value, dict):
            return {key: resolved(item) for key, item in value.items()}
        if isinstance(value, list):
            return [resolved(item) for item in value]
        return "#123456" if isinstance(value, str) and value.startswith("--") else value

    for figure in page.figures.values():
        go.Figure(resolved(figure))  # raises on an unknown property or value


def test_every_colour_of_a_figure_is_in_the_style(page):
    used = set(re.findall(r'"(--[a-z-]+)"', json.dumps(page.figures)))
    assert used and all(f"{name}:" in page.source for name in used)


def test_names_are_escaped_everywhere(tmp_path):
    run = write_run(
        tmp_path / "<b>run", 24, objects=(EVIL,), models=(EVIL,), target=EVIL + " target", label=EVIL + " true",
        artefacts=("clean", "adversarial", "control_random"),
    )  # fmt: skip
    record = json.loads((run / "artefacts/adversarial/artefact.json").read_text())
    (run / "artefacts/adversarial/artefact.json").write_text(json.dumps(record | {"label": EVIL}))
    page = Page(write_report(run))
    assert page.source.count("planted") > 20
    assert "<script>console" not in page.source and "<img src=x" not in page.source
    assert len(page.all("script")) == 5  # figures, cells, Plotly and two of its own
    assert EVIL.replace("\u00a0", " ") in page.text
    labels = [text for figure in page.figures.values() for trace in figure["data"] for text in trace.get("text", [])]
    assert labels and not any("<" in text for text in labels)


def test_untargeted(tmp_path):
    page = Page(write_report(write_run(tmp_path / "run", 40, target="")))
    assert "Painted texture: misclassified on" in page.text
    assert "called" not in page.text.split("Limits")[0]


def test_clean_only_without_history_and_thumbnails(tmp_path):
    run = write_run(tmp_path / "run", 30, artefacts=("clean",), history=False, thumbnails=False, target="")
    page = Page(write_report(run))
    assert "The clean turtle: recognised on" in page.text
    assert "No thumbnails are stored for these views." in page.text
    assert not [attrs for attrs in page.all("section") if attrs.get("id") in ("steps", "controls")]


def test_an_object_that_is_never_wrong(tmp_path):
    run = write_run(tmp_path / "run", 5, artefacts=("clean",), history=False, thumbnails=False, target="")
    for path in run.glob("trials/*.parquet"):
        right = [pl.lit("loggerhead").alias("predicted"), pl.lit("correct").alias("outcome")]
        pl.read_parquet(path).with_columns(right).write_parquet(path)
    page = Page(write_report(run))
    assert "The clean turtle: recognised on 5 of 5 unseen views (100.0 %" in page.text
    assert "No answer is wrong." in page.text and "No frames of these views are on this page." in page.text
    assert len(json.loads((run / "report.json").read_text())["summary"]) == 2


def test_no_trials_no_report(run):
    for path in run.glob("trials/*.parquet"):
        pl.read_parquet(path).clear().write_parquet(path)
    before = sorted(path.name for path in run.iterdir())
    with pytest.raises(RunError, match="the run has no trials yet"):
        write_report(run)
    assert sorted(path.name for path in run.iterdir()) == before


def test_several_objects_and_models(tmp_path):
    run = write_run(tmp_path / "run", 30, objects=("turtle", "ball"), models=("lite0", "lite2"))
    page = Page(write_report(run))
    assert "turtle on lite0" in page.text and "ball on lite2" in page.text
    assert "Over all objects" in page.text and "only 2 clusters" in page.text


def test_views_without_a_pose(run):
    for path in run.glob("trials/*.parquet"):
        pl.read_parquet(path).with_columns(azimuth_deg=pl.lit(None, pl.Float64)).write_parquet(path)
    page = Page(write_report(run))
    assert "These trials have no camera pose, so there is no map." in page.text


def edit(path, **changes):
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def other_texture(run):
    path = run / "artefacts/adversarial/texture.png"
    image = read_image(path)
    image[0, 0] = 255 - image[0, 0]
    path.write_bytes(encode_png(image))


def another_model(run):
    models = json.loads((run / "run.json").read_text())["models"]
    edit(run / "run.json", models=[models[0] | {"sha256_after": "00" * 32}])


FAULTS = {
    "changed while the run was under way": another_model,
    "is not the picture whose hash artefact.json holds": other_texture,
    "differs from the clean one by up to": lambda run: edit(run / "artefacts/adversarial/artefact.json", linf_255=1),
    "This run is not finished": lambda run: edit(run / "run.json", status="running", finished=None),
    "This run has no controls": lambda run: [path.unlink() for path in sorted(run.glob("trials/*.parquet"))[3:]],
}


@pytest.mark.parametrize("words", FAULTS)
def test_what_is_wrong_stands_above_the_figures(run, words):
    FAULTS[words](run)
    page = Page(write_report(run))
    record = json.loads((run / "report.json").read_text())
    assert words in page.text.split("The same views")[0]
    assert any(words in notice["text"] for notice in record["notices"])
    assert record["ok"] == all(notice["level"] == "warning" for notice in record["notices"])


def test_out_puts_the_page_elsewhere(run, tmp_path):
    for path in run.glob("*report*"):
        path.unlink()
    out = tmp_path / "other.html"
    assert write_report(run, out) == out
    assert (tmp_path / "other.json").exists() and (run / "metrics.json").exists()
    assert not list(run.glob("*report*"))


def test_a_place_that_cannot_be_written(run, tmp_path):
    with pytest.raises(RunError, match="cannot write the report"):
        write_report(run, tmp_path / "missing" / "report.html")
    assert not list(run.glob("*.tmp"))


def test_same_run_same_page(run):
    first = hashlib.sha256(write_report(run).read_bytes()).hexdigest()
    assert hashlib.sha256(write_report(run).read_bytes()).hexdigest() == first


def test_settings_are_shown_as_text(page):
    assert html.escape('"objective": "cross_entropy"') in page.source.replace("&#34;", "&quot;")


def test_empty_cells_leave_their_place(tmp_path):
    page = Page(write_report(write_run(tmp_path / "run", 9, artefacts=("clean", "adversarial"))))
    grid = page.source[page.source.index('<section id="frames">') : page.source.index('<section id="extremes">')]
    n_pairs, n_gaps = grid.count("<figure title"), grid.count('<div class="gap">')
    assert 1 <= n_pairs <= 9
    assert (n_pairs + n_gaps) % 8 == 0


def test_the_map_projection_keeps_areas():
    """Cells of equal solid angle cover equal areas on the page (shoelace formula on their outlines)."""
    cells = Cells(3, 8)
    areas = []
    for band in range(3):
        for column in range(8):
            x, y = map(np.array, outline(cells.bounds(band, column), middle=0.0))
            areas.append(0.5 * np.sum(x * np.roll(y, -1) - y * np.roll(x, -1)))
    assert areas == pytest.approx([4 * np.pi / 24] * 24, rel=0.01)  # a unit sphere has area 4 pi
