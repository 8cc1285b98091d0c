"""`rig attack pose` with a network that only looks for magenta: which views fail, and how many, is worked out on paper."""

import dataclasses
import json
import shutil

import numpy as np
import polars as pl
import pytest
from chromium import check_figures, needs_chromium
from magenta_network import write_magenta
from report_schema import conforming
from typer.testing import CliRunner

from rig.audit import PASS, WARN, audit, failed
from rig.campaign import resume
from rig.campaign.pose import attack_pose
from rig.campaign.pose_job import PoseJob
from rig.cli import app
from rig.errors import RigError
from rig.gate.judge import judge
from rig.gate.requirement import parse_requirement
from rig.gate.rows import measure
from rig.geometry import direction
from rig.images import encode_png
from rig.metrics.load import read_run
from rig.scene import load_config

SHARE = 8 / 81  # of backgrounds in the unit cube with 3 (min(red, blue) - green) > 1: the integral of (2/3 - green)^2
HALF_M, DISTANCE_M = 1 / np.sqrt(3), 3.0  # the cube inside the unit sphere: its face at +x is seen from x > HALF_M


def quiet(done, total, what):
    pass


def write_cube(folder, *settings):
    """A cube, green but for a magenta face towards +x; +z is up."""
    corners = [(x, y, z) for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)]
    faces = [(1, 2, 4, 3), (5, 7, 8, 6), (1, 5, 6, 2), (3, 4, 8, 7), (1, 3, 7, 5), (2, 6, 8, 4)]  # seen from outside
    lines = [f"v {x} {y} {z}" for x, y, z in corners]
    lines += [
        f"vt {u} {v}" for left in (0.4, 0.9) for u, v in ((left, 0), (left + 0.08, 0), (left + 0.08, 1), (left, 1))
    ]
    for face in faces:
        first = 5 if face == faces[1] else 1  # texture coordinates: the right end for the face at +x
        lines.append("f " + " ".join(f"{corner}/{first + i}" for i, corner in enumerate(face)))
    (folder / "cube.obj").write_text("\n".join(lines))
    texture = np.full((64, 64, 3), (64, 192, 64), np.uint8)
    texture[:, 56:] = (255, 0, 255)  # an eighth, so that no coarse mip level is magenta on the green faces
    (folder / "cube.png").write_bytes(encode_png(texture))
    views = f'[views]\nrotation = "any"\ndistance_m = {DISTANCE_M}\n'
    scene = '[object]\nmesh = "cube.obj"\ntexture = "cube.png"\nup = "z"\nlabels = ["ball"]\n'
    (folder / "scene.toml").write_text(scene + views)
    return load_config(folder, settings).model_dump(mode="json")


def job_of(folder, *settings, **changes):
    model = write_magenta(folder / "magenta.onnx")
    asked = {"target": None, "search": "cmaes", "over": (), "max_queries": 80, "runs": 4, "views": 120}
    asked |= {"regions": 3, "around": 12, "threads": 1, "seed": 0} | changes
    return PoseJob(scene=write_cube(folder, *settings), model=str(model), **asked)


@pytest.fixture(scope="module")
def cube(tmp_path_factory):
    """Failing: the magenta face is in sight. Direction alone decides."""
    folder = tmp_path_factory.mktemp("cube")
    return attack_pose(job_of(folder), folder / "run", ["rig", "attack", "pose"], quiet).path


@pytest.fixture(scope="module")
def behind_job(tmp_path_factory):
    """Failing: the background is magenta enough; the face is out of sight."""
    ranges = ("background.color=[0,1]", "views.azimuth_deg=[150,210]", "views.elevation_deg=0", "views.roll_deg=0")
    return job_of(tmp_path_factory.mktemp("behind"), *ranges, over=("all",), views=200)


@pytest.fixture(scope="module")
def behind(behind_job, tmp_path_factory):
    return attack_pose(behind_job, tmp_path_factory.mktemp("run") / "run", ["rig", "attack", "pose"], quiet).path


def metrics_of(run):
    return json.loads((run / "metrics.json").read_text())


def rows_of(run):
    notes = pl.concat([pl.read_parquet(path) for path in (run / "pose").glob("*.parquet")], how="diagonal")
    return pl.read_parquet(run / "trials" / "*.parquet", missing_columns="insert").join(notes, on="view")


def test_every_margin_is_the_closed_form(behind):
    rows = rows_of(behind)
    red, green, blue = (rows[f"background_{name}"].to_numpy() for name in ("red", "green", "blue"))
    magenta = np.minimum(red, blue) - green
    seen = magenta > -0.3  # else the object's green edge may be the least green
    assert np.allclose(rows["margin"].to_numpy()[seen], 1 - 3 * magenta[seen], atol=3.1 / 255)  # 8 bits, three times
    assert (rows["fooled"] == (rows["predicted"] == "magenta")).all()


def test_the_failing_share_agrees_with_the_closed_form(behind):
    sample = metrics_of(behind)["sample"]
    assert sample["n"] == 200 and sample["low"] < SHARE < sample["high"]


def test_the_search_finds_what_is_there_sooner_and_deeper_than_random_draws(behind):
    searches = {one["search"]: one for one in metrics_of(behind)["searches"]}
    directed, random = searches["cmaes"], searches["random"]
    assert directed["n_queries"] == random["n_queries"] == 80
    assert directed["points"][-1]["k"] >= 3  # of 4 runs
    assert directed["best_margin"] < random["best_margin"]
    assert directed["best_margin"] >= -2
    assert directed["fooled"]["k"] > 2 * random["fooled"]["k"]


def test_a_convex_failing_region_is_one_region_that_holds_every_failing_view(behind):
    metrics = metrics_of(behind)
    assert metrics["failures"] and {one["region"] for one in metrics["failures"]} == {0}
    assert {one["mass"]["k"] for one in metrics["failures"]} == {metrics["sample"]["k"]}


def test_where_direction_does_not_matter_a_failure_has_no_half_width(behind):
    for one in metrics_of(behind)["failures"]:
        assert all(radius["k"] == radius["n"] == 12 for radius in one["radii"])
        assert one["half_width"]["deg"] is None


def test_a_visible_face_fails_exactly_where_geometry_says(cube):
    rows = rows_of(cube)
    height_m = DISTANCE_M * direction(rows["azimuth_deg"].to_numpy(), rows["elevation_deg"].to_numpy())[:, 0]
    clear = np.abs(height_m - HALF_M) > 0.4  # nearer, the face is thinner than a pixel, or filtered away
    assert (rows["fooled"].to_numpy() == (height_m > HALF_M))[clear].all() and clear.sum() > 200
    sample, exact = metrics_of(cube)["sample"], (1 - HALF_M / DISTANCE_M) / 2
    assert sample["low"] < exact < sample["high"]


def test_neighbourhoods_of_a_cap_shrink_as_geometry_says(cube):
    """Within a radius that stays inside the cap everything fails; within one that holds all the sphere's half, not."""
    cap_deg = np.degrees(np.arccos(HALF_M / DISTANCE_M))
    for one in metrics_of(cube)["failures"]:
        inside_deg = cap_deg - np.degrees(np.arccos(direction(one["azimuth_deg"], one["elevation_deg"])[0]))
        radii = {radius["radius_deg"]: radius for radius in one["radii"]}
        assert all(found["k"] == found["n"] for radius, found in radii.items() if radius < inside_deg - 6)
        assert one["mass"]["k"] >= 0.5 * metrics_of(cube)["sample"]["k"]


def test_fresh_draws_are_none_that_a_search_saw_and_the_audit_says_so(cube, behind):
    for run in (cube, behind):
        findings = {one.number: one for one in audit(run)}
        assert not failed(list(findings.values()))
        assert findings[3].status == findings[16].status == "pass"
        assert findings[6].status == findings[14].status == "not applicable"
    copied = pl.read_parquet(cube / "trials" / "part-search-random-000-000000.parquet")
    assert set(copied["split"]) == {"search"}


def test_queries_count_every_question(cube):
    rows, state = rows_of(cube), json.loads((cube / "run.json").read_text())
    assert state["resources"]["queries"] == len(rows) == sum(metrics_of(cube)["n_queries"].values())
    assert state["threat_model"]["capability"].startswith("choice of viewpoint and light only")


def test_a_gate_reads_the_unbiased_sample_only(behind):
    verdicts = judge(measure(read_run(behind)), [parse_requirement("accuracy>=0.8@lower")])
    assert all(one.holds for one in verdicts)
    assert f"of {metrics_of(behind)['sample']['n']}" in verdicts[-1].reason


def test_a_killed_search_goes_on_and_comes_to_the_same_end(behind, behind_job, tmp_path):
    done, calls = tmp_path / "run", []

    def stop(n_done, total, what):
        calls.append(what)
        if len(calls) == 25:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        attack_pose(behind_job, done, ["rig", "attack", "pose"], stop)
    assert not (done / "metrics.json").exists()
    resume(done, quiet)
    key = ["view", "frame_hash", "margin"]
    assert rows_of(done).select(key).sort("view").equals(rows_of(behind).select(key).sort("view"))
    assert metrics_of(done) == metrics_of(behind) | {"run": "run"}


def test_a_search_without_random_draws_or_with_fewer_is_caught(cube, tmp_path):
    run = shutil.copytree(cube, tmp_path / "run")
    assert audit(run, only=(16,))[0].status == PASS
    for part in sorted(run.glob("trials/part-search-random-*.parquet")):
        part.unlink()
        (finding,) = audit(run, only=(16,))
        assert finding.status == WARN
        assert "no random draws at equal queries" in finding.sentence


def test_other_stored_views_than_the_search_s_are_refused(behind_job, tmp_path):
    job = dataclasses.replace(behind_job, max_queries=24, runs=1, views=5, regions=0, search="random")
    run = attack_pose(job, tmp_path / "run", ["rig"], quiet).path
    part = run / "trials" / "part-search-random-000-000000.parquet"
    rows = pl.read_parquet(part)
    rows.with_columns(azimuth_deg=pl.col("azimuth_deg") + 1).write_parquet(part)
    with pytest.raises(RigError, match="stored views are not those of this search"):
        resume(run, quiet)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (
            {"max_queries": 10},
            "--max-queries: the budget is smaller than the start; got 10 in 4 runs; expected at least 28",
        ),
        ({"search": "anneal"}, "--search: unknown search; got anneal"),
        ({"target": "ball"}, "the target is a true label of the object; got ball"),
        ({"over": ("fov_deg",)}, "--over: scene"),
    ],
)
def test_what_cannot_be_searched_is_one_line_and_leaves_nothing(tmp_path, changes, said):
    with pytest.raises(RigError) as error:
        attack_pose(job_of(tmp_path, **changes), tmp_path / "run", ["rig"], quiet)
    assert said in str(error.value) and "\n" not in str(error.value)
    assert not (tmp_path / "run").exists()


def test_the_command_says_what_was_wrong_in_the_exit_code(tmp_path):
    write_cube(tmp_path)
    model = write_magenta(tmp_path / "magenta.onnx")
    asked = ["attack", "pose", str(tmp_path), "--model", str(model), "--out", str(tmp_path / "run")]
    found = CliRunner().invoke(app, [*asked, "--over", "azimut_deg"])
    assert isinstance(found.exception, RigError) and "azimuth_deg" in str(found.exception)


def test_the_page_says_what_was_found(behind):
    page = (behind / "report.html").read_text()
    for text in ("How large the failing regions are", "Success by queries", "Random draws", "choice of viewpoint"):
        assert text in page
    assert conforming(behind / "report.json")["ok"]


@needs_chromium
def test_every_figure_is_drawn_without_a_network(behind, tmp_path):
    check_figures(behind / "report.html", tmp_path, 3)
