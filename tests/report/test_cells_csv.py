"""cells.csv against the trials, counted again by another road, and against spreadsheets that run what they read."""

import csv
import io

import polars as pl
import pytest
from scipy.stats import binomtest
from synthetic_run import write_run

from rig.report import write_report
from rig.report.cells_csv import COLUMNS, cells_csv

NAMES = {
    "turtle": "turtle",
    "=1+1": "'=1+1",
    "+x": "'+x",
    "-x": "'-x",
    "@x": "'@x",
    "\tx": "'\tx",
    "\rx": "'\rx",
    "a,b": "a,b",
}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    path = tmp_path_factory.mktemp("cells") / "run"
    artefacts = ("clean", "adversarial")
    return write_run(path, 90, ("turtle", "=HYPERLINK(1)"), ("lite0", "lite1"), artefacts=artefacts, thumbnails=False)


@pytest.fixture(scope="module")
def table(run):
    write_report(run)
    return pl.read_csv(run / "cells.csv")


def test_its_columns_are_those_that_are_documented(table):
    assert table.columns == list(COLUMNS)
    assert table.select("n", "k").dtypes == [pl.Int64] * 2
    assert table.select("azimuth_low_deg", "elevation_low_deg", "rate", "low", "high").dtypes == [pl.Float64] * 5


def test_every_cell_is_counted_again_from_the_trials(run, table):
    trials = pl.read_parquet(run / "trials" / "*.parquet")
    for row in table.to_dicts():
        mine = trials.filter(
            pl.col("object") == row["object"].removeprefix("'"),
            pl.col("model") == row["model"],
            pl.col("artefact") == row["artefact"],
            pl.col("azimuth_deg").is_between(row["azimuth_low_deg"], row["azimuth_high_deg"], closed="left"),
            pl.col("elevation_deg").is_between(row["elevation_low_deg"], row["elevation_high_deg"], closed="left"),
        )
        k = int((mine["predicted"] == mine["target_label"]).sum())
        assert (row["n"], row["k"]) == (len(mine), k)
        if len(mine):
            low, high = binomtest(k, len(mine)).proportion_ci(0.95, "wilson")
            assert (row["rate"], row["low"], row["high"]) == pytest.approx((k / len(mine), low, high))
    assert table["n"].sum() == len(trials)


def test_names_that_a_spreadsheet_would_run_are_text(table):
    assert set(table["object"]) == {"turtle", "'=HYPERLINK(1)"}
    cell = {"azimuth_deg": (-180.0, -90.0), "elevation_deg": (-30.0, 0.0), "n": 2, "k": 1, "rate": 0.5, "low": 0.1}
    maps = [{"object": name, "model": "m", "artefact": "clean", "cells": [cell]} for name in NAMES]
    rows = list(csv.DictReader(io.StringIO(cells_csv(maps), newline="")))
    assert [row["object"] for row in rows] == list(NAMES.values())
    assert {(row["azimuth_low_deg"], row["elevation_low_deg"]) for row in rows} == {("-180.0", "-30.0")}


def test_another_page_of_the_folder_does_not_lose_the_first_one_s_cells(run, table):
    write_report(run, run / "again.html")
    assert (run / "again-cells.csv").read_bytes() == (run / "cells.csv").read_bytes()


def test_runs_without_views_have_none():
    assert cells_csv([]) == ""
