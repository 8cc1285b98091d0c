"""From a cell of the view-sphere map to the frames behind it: what the page carries, and real clicks in a browser."""

import base64
import json
import re
from collections import defaultdict

import numpy as np
import polars as pl
import pytest
from browser import CHROMIUM, Browser
from synthetic_run import write_run

from rig.metrics.persistence import Cells
from rig.report import write_report
from rig.report.behind import Album, add_sphere

EVIL = "<img src=x onerror=\"console.error('planted')\">"
N_VIEWS = 60


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Two objects with hostile names; the frames of views with an odd number are not kept."""
    run = write_run(tmp_path_factory.mktemp("runs") / "run", N_VIEWS, objects=("turtle", EVIL), target=EVIL + "!")
    for row in trials_of(run).filter(pl.col("view").str.slice(-1).cast(pl.Int64) % 2 == 1).iter_rows(named=True):
        (run / "frames" / f"{row['frame_hash']}.jpg").unlink(missing_ok=True)
    return run


@pytest.fixture(scope="module")
def page(run):
    return write_report(run)


@pytest.fixture(scope="module")
def carried(page):
    found = re.search(r'<script type="application/json" id="cells">(.*?)</script>', page.read_text(encoding="utf-8"))
    return json.loads(found[1])


def trials_of(run):
    return pl.concat(pl.read_parquet(path) for path in sorted(run.glob("trials/*.parquet")))


def test_every_view_is_listed_in_its_cell_with_both_answers(run, carried):
    """Second road: a plain loop over the trials with the cells' bounds."""
    sphere, expected = carried["spheres"][1], defaultdict(list)  # objects come in the order of their names
    cells = Cells(**sphere["grid"])
    mine = {
        (row["view"], row["artefact"]): row for row in trials_of(run).iter_rows(named=True) if row["object"] == "turtle"
    }
    for (view, artefact), row in mine.items():
        for band in range(cells.bands):
            for column in range(cells.columns):
                bounds = cells.bounds(band, column)
                inside = all(low <= row[name] < high for name, (low, high) in bounds.items())
                if inside and artefact == "clean":
                    answers = [
                        (mine[view, name]["predicted"], round(mine[view, name]["predicted_prob"], 3))
                        for name in ("clean", "adversarial")
                    ]
                    expected[band * cells.columns + column].append((view, answers))
    for i, cell in enumerate(sphere["cells"]):
        listed = [
            (view, [(carried["labels"][label], prob) for label, prob, _ in answers])
            for view, _, _, answers, _ in cell["views"]
        ]
        assert sorted(listed) == sorted(expected[i]) and cell["n"] == len(listed)
    assert sum(map(len, expected.values())) == N_VIEWS


def test_pictures_are_the_kept_files_and_no_others(run, page, carried):
    views = [view for sphere in carried["spheres"] for cell in sphere["cells"] for view in cell["views"]]
    kept = {view[0] for view in views if view[4]}
    assert kept == {view[0] for view in views if int(view[0][-1]) % 2 == 0}
    in_grid = set(re.findall(r'data-frame="([^"]+)"', page.read_text(encoding="utf-8")))
    hashes = {one for view in views for one in view[4]}
    assert hashes == in_grid | carried["pictures"].keys() and not in_grid & carried["pictures"].keys()
    for name, picture in carried["pictures"].items():
        assert base64.b64decode(picture) == (run / "frames" / f"{name}.jpg").read_bytes()


def test_a_budget_gives_every_cell_its_turn(run):
    """With bytes for a few pairs only, each cell has as many as any other, but for the last round and what was kept."""
    album, cells = Album(run / "frames"), Cells(2, 2)
    mine = trials_of(run).filter(pl.col("object") == "turtle").with_columns(result=pl.lit("correct"))
    add_sphere(album, mine, ["clean", "adversarial"], cells, n_maps=1)
    pair = 2 * max(4 * -(-path.stat().st_size // 3) for path in (run / "frames").glob("*.jpg"))
    album.fill(budget=6 * pair)
    assert sum(map(len, album.pictures.values())) <= 6 * pair
    counts = [sum(bool(view[4]) for view in cell["views"]) for cell in album.as_dict()["spheres"][0]["cells"]]
    assert sum(counts) >= 6 and max(counts) - min(counts) <= 1


def test_pictures_that_stand_elsewhere_count_towards_the_budget(run):
    album = Album(run / "frames", shown={"some-frame": "x" * 1000})
    mine = trials_of(run).filter(pl.col("object") == "turtle").with_columns(result=pl.lit("correct"))
    add_sphere(album, mine, ["clean"], Cells(2, 2), n_maps=1)
    album.fill(budget=1000)
    assert album.pictures == {}


def test_a_long_list_is_cut_and_says_so(run, monkeypatch):
    monkeypatch.setattr("rig.report.behind.MAX_LISTED", 40)
    album = Album(run / "frames")
    mine = trials_of(run).filter(pl.col("object") == "turtle").with_columns(result=pl.lit("correct"))
    add_sphere(album, mine, ["clean"], Cells(2, 2), n_maps=2)
    cells = album.as_dict()["spheres"][0]["cells"]
    assert [len(cell["views"]) for cell in cells] == [5, 5, 5, 5]
    assert sum(cell["n"] for cell in cells) == N_VIEWS


@pytest.fixture(scope="module")
def tab(page, tmp_path_factory):
    if CHROMIUM is None:
        pytest.skip("no chromium on PATH (Debian: apt-get install chromium)")
    browser = Browser(tmp_path_factory.mktemp("profile"))
    opened = browser.page(page.as_uri())
    opened.until("document.querySelectorAll('[data-sphere] .frames-behind h4').length == 2")
    opened.click("[data-unfold='all']")
    opened.until("document.querySelectorAll('[data-sphere] .js-plotly-plot').length == 4")
    yield opened
    browser.close()


POINT = """(() => { const map = document.querySelectorAll("[data-sphere='1'] [data-figure]")[%d];
    map.scrollIntoView({block: "center"});
    for (const point of map.querySelectorAll("path.point")) {
        if (point.parentNode.__data__[0].trace.text[point.__data__.i].endsWith(%r)) {
            const box = point.getBoundingClientRect(); return [box.x + box.width / 2, box.y + box.height / 2]; } } })()"""


def test_clicks_on_the_map_show_the_views_that_are_drawn_there(tab):
    """Where a view's mark is drawn, a click lists that view."""
    for number, which in zip(np.random.default_rng(0).choice(N_VIEWS, 6, replace=False), (0, 1) * 3, strict=True):
        view = f"eval-{number:06d}"
        x, y = tab.run(POINT % (which, view))
        for kind in ("mousePressed", "mouseReleased"):
            tab._ask("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)
        shown = tab.text("[data-sphere='1'] .frames-behind")
        assert view in shown
        assert tab.run("document.querySelectorAll('[data-sphere=\"1\"] [aria-pressed=true]').length") == 1
    assert tab.console == []


def test_cells_are_reached_by_keyboard(tab):
    sphere = "document.querySelector(\"[data-sphere='0']\")"
    for cell in (0, 3):
        tab.run(f"{sphere}.querySelector('[data-cell=\"{cell}\"]').focus()")
        tab.press("Enter", "Enter", 13)
        name = tab.run("document.activeElement.closest('tr').dataset.name")
        assert tab.text("[data-sphere='0'] .frames-behind h4") == name
        kept = tab.run(f"{sphere}.querySelectorAll('.frames-behind figure').length")
        rows = tab.run(f"{sphere}.querySelectorAll('.frames-behind tbody tr').length")
        said = tab.text("[data-sphere='0'] .frames-behind p + p")
        assert said.startswith(f"{kept} of {kept + rows} frames kept") and kept + rows > 0
        tab.until(f"[...{sphere}.querySelectorAll('.frames-behind img')].every((one) => one.naturalWidth > 0)")
    assert tab.console == []
    assert all(address.startswith(("file:", "data:", "blob:")) for address in tab.requested)
