"""Refined sweeps through the command's own path: a cube with one magenta side, small frames, a network that is known."""

import copy
import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
from magenta_network import is_magenta, write_magenta
from report_schema import conforming

from rig.attack.goal import goal_of
from rig.audit import audit
from rig.campaign import SweepJob, resume, sweep_scenes
from rig.campaign.refine import Precision, cells_of, precision, sweep_refined
from rig.contracts import Artefact
from rig.errors import RigError, RunError
from rig.gate import judge, parse_requirement
from rig.gate.rows import measure
from rig.images import encode_png
from rig.metrics.compare_load import read_side
from rig.metrics.load import read_run, read_trials
from rig.metrics.rates import rates
from rig.metrics.recount import differences, recount
from rig.metrics.summary import evaluation, metrics
from rig.model import DeployedModel, resolve
from rig.render import Renderer
from rig.runs import RunFolder
from rig.scene import load_config, load_scene, rebuilt
from rig.sweep import Case
from rig.views import draw_views

SIDE_PX, VIEWS = 16, 64


def quiet(*_) -> None:
    pass


@pytest.fixture(scope="module")
def bench(tmp_path_factory):
    """A folder with scene, network and a painted texture on which another side is magenta, too."""
    folder = tmp_path_factory.mktemp("bench")
    write_magenta(folder / "magenta.onnx", SIDE_PX)
    texture = np.full((4, 4, 3), 128, np.uint8)
    texture[:2, :2] = (255, 0, 255)
    (folder / "cube.png").write_bytes(encode_png(texture))
    texture[:2] = (255, 0, 255)
    (folder / "painted").mkdir()
    (folder / "painted" / "texture.png").write_bytes(encode_png(texture))
    corners = [f"v {x} {y} {z}" for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)]
    # the top in the texture's upper left quarter, the front in the upper right, the rest below
    uv = [f"vt {u} {v}" for left, low in ((0.1, 0.6), (0.6, 0.6), (0.1, 0.1)) for u, v in _corners(left, low)]
    sides = {"1 2 4 3": 2, "5 7 8 6": 1, "1 5 6 2": 2, "3 4 8 7": 2, "1 3 7 5": 2, "2 6 8 4": 0}
    faces = [
        f"f {' '.join(f'{c}/{4 * quarter + k}' for k, c in enumerate(side.split(), 1))}"
        for side, quarter in sides.items()
    ]
    (folder / "cube.obj").write_text("\n".join([*corners, *uv, *faces]) + "\n")
    (folder / "cube.toml").write_text(
        '[object]\nmesh = "cube.obj"\ntexture = "cube.png"\nlabels = ["ball"]\n[views]\nrotation = "any"\n'
        f"distance_m = [2.5, 3.0]\n[sensor]\nsize_px = {SIDE_PX}\n"
    )
    return folder


def _corners(left: float, low: float):
    return ((left, low), (left + 0.3, low), (left + 0.3, low + 0.3), (left, low + 0.3))


def job(bench, seed=0, refine=Precision(0.05, 150), views=VIEWS, names=("cube",), artefacts=("painted",)):
    scene = load_config(str(bench / "cube.toml")).model_dump(mode="json")
    given = tuple(str(bench / name) for name in artefacts)
    scenes = tuple(scene | {"name": name} for name in names)
    return SweepJob(
        scenes, (str(bench / "magenta.onnx"),), given, "magenta", views, "random", 4, seed, precision=refine
    )


@pytest.fixture(scope="module")
def refined(bench, tmp_path_factory):
    return sweep_scenes(job(bench), tmp_path_factory.mktemp("runs") / "refined", ["rig", "sweep"], quiet).path


@pytest.fixture(scope="module")
def stated(refined):
    return metrics(refined)


def plan(path) -> dict:
    return json.loads((path / "run.json").read_text())["refinement"]


def parts(path) -> dict[str, int]:
    return {part.name: part.stat().st_mtime_ns for part in path.glob("trials/part-*.parquet")}


def killed_after(ticks: int):
    """A progress that interrupts: parts that are done by then are on disk, the next one is not begun."""
    left = iter(range(ticks))

    def tick(*_) -> None:
        if next(left, None) is None:
            raise KeyboardInterrupt

    return tick


def test_a_killed_run_ends_at_the_views_of_one_that_was_not(bench, refined, tmp_path):
    n_first = -(-VIEWS // 25) * 2  # parts of the first round
    with pytest.raises(KeyboardInterrupt):  # between the rounds
        sweep_scenes(job(bench), tmp_path / "run", ["rig", "sweep"], killed_after(n_first - 1))
    with pytest.raises(KeyboardInterrupt):  # within the second
        resume(tmp_path / "run", killed_after(n_first))
    done = parts(tmp_path / "run")
    assert len(plan(tmp_path / "run")["cube"]["rounds"]) == 2 and len(done) == n_first + 1
    resume(tmp_path / "run", quiet)
    assert parts(tmp_path / "run").items() >= done.items()  # none was made again
    assert plan(tmp_path / "run") == plan(refined)
    assert read_trials(read_run(tmp_path / "run")).equals(read_trials(read_run(refined)))


def test_rates_are_those_of_the_declared_distribution(bench, tmp_path):
    """Four runs; the truth from frames of a Sobol net. Counts alone say more: the side that changes has more views."""
    truth, found, counted = true_rate(bench), [], []
    for seed in range(4):
        path = run_only(job(bench, seed, Precision(0.001, 128), artefacts=()), tmp_path / str(seed))
        rows = rates(evaluation(read_trials(path), path))
        found.append(rows[0]["adversariality"]["rate"])
        counted.append(rows[0]["adversariality"]["k"] / rows[0]["n"])
    assert abs(np.mean(found) - truth) < 3 * standard_error(found)
    assert np.mean(counted) - truth > 3 * standard_error(counted)


def standard_error(values) -> float:
    return np.std(values, ddof=1) / np.sqrt(len(values))


def run_only(asked: SweepJob, out):
    """The command's loop without its report."""
    models = [DeployedModel(resolve(name)) for name in asked.models]
    run = RunFolder.start(out, ["rig"], asked.config(), asked.seed)
    run.state |= {"threat_model": {"distribution": {"name": "any"}}, "models": [{"name": models[0].card.name}]}
    scene = rebuilt(asked.scenes[0], asked.texture_px)
    clean = Artefact("clean", scene.mesh.texture)
    case = Case(scene, (clean,), (), {models[0].card.name: goal_of(scene, asked.target, models[0].labels)})
    sweep_refined(run, [case], models, asked.views, asked.precision, quiet)
    run.finish()
    return read_run(run.path)


def true_rate(bench) -> float:
    scene = load_scene(str(bench / "cube.toml"), (), 4)
    renderer = Renderer(scene, (SIDE_PX, SIDE_PX))
    views = draw_views(scene.config, 512, 99, "truth", "sobol")
    frames = renderer.frames(scene.mesh.texture, [renderer.prepare(view) for view in views])
    return is_magenta(np.stack([frame.image for frame in frames])).mean()


def test_the_audit_of_a_refined_run_passes_and_counts_by_weights(refined, stated):
    found = {one.number: one for one in audit(refined, stated)}
    assert not [one for one in found.values() if one.status == "fail"]
    assert found[21].status == found[22].status == found[23].status == "pass"
    assert stated["mismatches"] == []
    (painted,) = (row for row in stated["rates"] if row["artefact"] == "painted")
    worst = found[17].evidence["worst_case"]  # of one attack: its accuracy
    assert [worst[name] for name in ("rate", "low", "high")] == pytest.approx(
        [painted["accuracy"][name] for name in ("rate", "low", "high")], abs=1e-9
    )


def test_the_audit_draws_placed_views_again(refined, stated, tmp_path):
    path = damaged(refined, tmp_path)
    state = json.loads((path / "run.json").read_text())
    (path / "run.json").write_text(json.dumps(state | {"seed": 1}))
    (found,) = audit(path, stated, only=[21])
    assert (found.status, len(found.evidence["views"])) == ("fail", 20) and "seed and distribution" in found.sentence


def test_counts_stated_for_rates_are_found_out(refined, stated):
    stated = copy.deepcopy(stated)
    figure = stated["rates"][0]["adversariality"]
    figure["rate"] = figure["k"] / figure["n"]
    assert "weighted adversariality" in differences(stated["rates"], recount(refined, "eval"))[0]
    assert [one.status for one in audit(refined, stated, only=[22])] == ["fail"]


def test_it_stopped_for_the_reason_that_it_gives(refined, stated):
    record = plan(refined)["cube"]
    widths = [
        row[name]["high"] - row[name]["low"]
        for row in stated["rates"]
        for name in ("accuracy", "adversariality", "other_wrong")
    ]
    assert record["half_width"] == pytest.approx(max(widths) / 2)
    assert record["stopped"] == ("precision" if record["half_width"] <= 0.05 else "budget")
    assert conforming(refined / "report.json")["metrics"] == json.loads(json.dumps(stated))
    page = (refined / "report.html").read_text()
    assert "Where views were placed" in page and "stratified score interval" in page
    assert "Wilson" not in page[: page.index('id="glossary"')]


def test_gate_and_comparison_know_that_views_do_not_count_alike(refined):
    measured = measure(read_run(refined))
    verdicts = judge(measured, [parse_requirement(text) for text in ("accuracy<=0.9", "worst_cell<=1")])
    assert all(one.holds for one in verdicts), verdicts
    assert "weighted; stratified" in verdicts[1].reason and " of " not in verdicts[1].reason
    assert "Korn and Graubard" in verdicts[2].reason
    with pytest.raises(RunError, match="refined sweep cannot be compared"):
        read_side("A", refined)


def damaged(refined, tmp_path):
    return shutil.copytree(refined, tmp_path / "run")


def test_lost_views_are_named_not_averaged_over(refined, tmp_path):
    path = damaged(refined, tmp_path)
    last = max(parts(path))
    for part in path.glob(f"trials/*{last[-14:]}"):
        part.unlink()
    with pytest.raises(
        RunError, match=r"views are not those of the refinement's rounds: clean, cube, round \d, cell \d"
    ):
        metrics(path)


@pytest.mark.parametrize("rounds", [[[8] * 7], [[0] + [8] * 7], []])
def test_rounds_that_cannot_be_are_one_line(refined, tmp_path, rounds):
    path = damaged(refined, tmp_path)
    state = json.loads((path / "run.json").read_text())
    state["refinement"]["cube"]["rounds"] = rounds
    (path / "run.json").write_text(json.dumps(state))
    with pytest.raises(RunError, match="refinement.cube"):
        read_run(path)


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ((0.5, None, 200, "random"), "no half-width"),
        ((0.0, None, 200, "random"), "no half-width"),
        ((0.03, 100, 200, "random"), "too few views"),
        ((0.03, None, 200, "sobol"), "random draws"),
        ((None, 500, 200, "random"), "budget of --refine"),
    ],
)
def test_what_cannot_be_refined_is_one_line(asked, said):
    with pytest.raises(RigError, match=said):
        precision(*asked)


def test_corrupted_frames_are_not_refined(bench):
    with pytest.raises(RigError, match="no corrupted frames"):
        replace(job(bench), corruptions=("fog",))


def test_across_a_pinned_angle_there_is_one_cell(bench):
    config = load_config(str(bench / "cube.toml"), ("views.elevation_deg=10", "views.azimuth_deg=[0,90]"))
    cells = cells_of(config, 64)
    assert (cells.bands, cells.columns, cells.azimuth_deg) == (1, 9, (0, 90))
