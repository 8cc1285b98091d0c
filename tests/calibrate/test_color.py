"""A printed chart, photographed by a printer's and a camera's simulation, gives back what they make of colours."""

import dataclasses
import json
from datetime import UTC, datetime

import cv2
import numpy as np
import pypdfium2
import pytest
import torch

from rig.calibrate.board import make_board
from rig.calibrate.color import calibrate_color, seen_colors, undistorted, write_chart
from rig.calibrate.color_chart import Chart, default_chart, patch_cells, read_chart
from rig.calibrate.color_fit import distance, fit, simplest
from rig.calibrate.color_reading import read
from rig.calibrate.color_simulated import SimulatedCamera, SimulatedPrinter, photograph, sheet_corners_px
from rig.calibrate.lens import Lens
from rig.calibrate.profile import CameraProfile, Quality
from rig.calibrate.simulated import undistort
from rig.calibrate.sources import Photograph
from rig.campaign.records import distribution
from rig.cli import main
from rig.contracts import Mesh
from rig.errors import CalibrationError, SceneError
from rig.images import encode_png
from rig.render import MipAtlas, Renderer, surface, texture_tensor
from rig.scene import Scene, load_config
from rig.scene.config import resolve_scene
from rig.scene.response import ColorResponse, read_response, terms
from rig.views import draw_views

CAMERA = SimulatedCamera(640, 480)
EXPOSURES = 0.72, 0.8, 0.86


def shoot(camera: SimulatedCamera = CAMERA, seed: int = 0, height_frac: float = 0.92) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return photograph(default_chart(), SimulatedPrinter(), camera, sheet_corners_px(camera, rng, height_frac), rng)


def look(image: np.ndarray):
    return read(default_chart(), Photograph("shot.png", image, ""))


@pytest.fixture(scope="module")
def shots() -> list[np.ndarray]:
    return [shoot(dataclasses.replace(CAMERA, exposure=e), seed) for seed, e in enumerate(EXPOSURES)]


@pytest.fixture(scope="module")
def calibrated(shots, tmp_path_factory):
    folder = tmp_path_factory.mktemp("color")
    for number, image in enumerate(shots):
        (folder / f"{number}.png").write_bytes(encode_png(image))
    return calibrate_color([folder], default_chart(), folder / "out" / "response"), folder / "out"


@pytest.mark.parametrize("paper", ["a4", "letter"])
def test_the_printed_chart_has_the_colours_that_its_file_says_where_it_says(paper, tmp_path):
    write_chart(paper, tmp_path)
    chart = read_chart(tmp_path / "chart.toml")
    assert chart == default_chart()
    page = pypdfium2.PdfDocument(str(tmp_path / "chart.pdf"))[0].render(scale=254 / 72, rev_byteorder=True).to_numpy()
    page = np.ascontiguousarray(page[..., :3])
    corners, ids, _ = cv2.aruco.ArucoDetector(chart.aruco_dictionary).detectMarkers(page)
    seen = dict(zip(np.ravel(ids).tolist(), corners, strict=True))
    assert set(seen) == set(chart.markers)
    first_px = seen[chart.markers[0]][0, 0]
    offset_mm = first_px / 10 - chart.marker_corners_mm[0, 0]
    np.testing.assert_allclose(seen[chart.markers[3]][0, 2] / 10 - offset_mm, chart.marker_corners_mm[3, 2], atol=0.2)
    for reach_mm in (-0.45, 0.45):  # of a patch's side, towards its corners
        column, row = np.rint((chart.centres_mm + reach_mm * chart.patch_mm + offset_mm) * 10).astype(int).T
        np.testing.assert_array_equal(page[row, column], chart.colors_8bit)


def test_the_chart_spans_the_printable_cube_with_a_grey_ramp_in_no_order():
    colors = default_chart().colors_8bit.astype(int)
    corners = {tuple(corner) for corner in 255 * np.array(list(np.ndindex(2, 2, 2)))}
    assert corners <= set(map(tuple, colors.tolist()))
    assert len({tuple(c) for c in colors.tolist() if len(set(c)) == 1}) >= 17
    place = np.arange(len(colors))
    assert abs(np.corrcoef(place, colors.sum(axis=1))[0, 1]) < 0.15


def test_predictions_hold_on_patches_that_were_not_fitted(calibrated):
    found, _ = calibrated
    assert found.quality.held_out_delta_e_median <= 3
    assert found.quality.held_out_delta_e_p95 <= 6
    assert found.quality.uncorrected_delta_e_median > 10  # there was something to be found
    assert [record.name for record in found.photographs] == ["0.png", "1.png", "2.png"]


def test_predictions_hold_on_colours_that_no_chart_had(calibrated):
    """Against the simulation itself, without noise, in the light that gives white paper the response's white."""
    found, _ = calibrated
    colors = np.random.default_rng(1).random((500, 3))
    predicted = found.response(torch.from_numpy(colors)).numpy()
    white = found.response(torch.ones(1, 3, dtype=torch.float64)).numpy()[0]
    printer = SimulatedPrinter()
    lights = np.linspace(0.3, 1.2, 200)
    whites = CAMERA.encoded(lights[:, None] * printer(np.ones(3)))
    light = lights[np.abs(whites - white).sum(axis=1).argmin()]
    errors = distance(predicted, CAMERA.encoded(light * printer(colors)))
    assert np.median(errors) <= 3
    assert np.quantile(errors, 0.95) <= 6


def test_exposure_and_noise_become_the_sensors_ranges(calibrated):
    found, _ = calibrated
    white = SimulatedPrinter()(np.ones(3))
    seen = [dataclasses.replace(CAMERA, exposure=e).encoded(0.9 * white).mean() for e in EXPOSURES]
    np.testing.assert_allclose(found.sensor.gain, [seen[0] / np.mean(seen), seen[-1] / np.mean(seen)], atol=0.02)
    low, high = found.sensor.noise_std
    assert 0.004 <= low < CAMERA.noise_std <= 1.5 * high  # JPEG smooths some of it away
    assert found.print.offset[0] < 0 < found.print.offset[1] < 0.05


def test_uneven_light_is_taken_out():
    """The same sheet in even light: patches agree within noise, whatever the light's fall-off was."""
    even = look(shoot(dataclasses.replace(CAMERA, fall_off=0.0, slope=0.0), seed=9))
    uneven = look(shoot(dataclasses.replace(CAMERA, fall_off=0.5, slope=0.6), seed=10))
    assert uneven.unevenness > 1.3 > 1.05 > even.unevenness
    errors = distance(seen_colors([even]), seen_colors([dataclasses.replace(uneven, white=even.white)]))
    assert np.median(errors) < 1.5


def glare(image):
    v, u = np.mgrid[: image.shape[0], : image.shape[1]]
    spot = 45 * np.exp(-((u - 330) ** 2 + (v - 235) ** 2) / 25**2)
    return np.clip(image * 0.8 + spot[..., None], 0, 255).astype(np.uint8)


def bent(image):
    v, u = np.mgrid[: image.shape[0], : image.shape[1]].astype(np.float32)
    return cv2.remap(image, u + 9 * np.sin(v / 75).astype(np.float32), v, cv2.INTER_LINEAR)


def covered(image):
    return np.vstack([image[:240], np.full_like(image[240:], 90)])


BAD = {
    "white paper is clipped": lambda: shoot(dataclasses.replace(CAMERA, exposure=1.3)),
    "too dark": lambda: shoot(dataclasses.replace(CAMERA, exposure=0.06, noise_std=0.002)),
    "unevenly lit": lambda: shoot(dataclasses.replace(CAMERA, exposure=0.5, slope=2.0)),
    "shadow or glare": lambda: glare(shoot()),
    "markers are not all seen; got 2 of 4": lambda: covered(shoot()),
    "markers are not all seen; got 0 of 4": lambda: np.ascontiguousarray(shoot()[:, ::-1]),
    "not flat": lambda: bent(shoot()),
    "too small": lambda: shoot(height_frac=0.43),
}


@pytest.mark.parametrize("words", BAD)
def test_a_photograph_that_would_mislead_is_refused_in_one_line(words):
    with pytest.raises(CalibrationError, match=words) as error:
        look(BAD[words]())
    assert str(error.value).startswith("shot.png: ")
    assert "\n" not in str(error.value)


def profile_of(lens: Lens) -> CameraProfile:
    """As `rig calibrate camera` writes it, of 640 x 480 pixels."""
    quality = Quality(rms_px=0.2, held_out_rms_px=0.2, views=12, dropped_views=0, corners=800)
    board = make_board("test", squares=(8, 11), square_mm=25.0, marker_mm=18.0, dictionary="5X5_100")
    return CameraProfile(
        schema=1,
        date=datetime.now(UTC),
        rig="0",
        opencv="5",
        width_px=640,
        height_px=480,
        lens=lens,
        standard_deviation=lens,
        quality=quality,
        board=board,
        views=(),
    )


def test_a_lens_that_distorts_is_taken_out_by_its_profile(tmp_path):
    """Seen through the lens of another road's formula, the chart is read as without it."""
    straight = shoot(CAMERA, seed=4)
    lens = Lens(fx_px=500, fy_px=500, cx_px=319.5, cy_px=239.5, k1=-0.3, k2=0.05)
    v, u = np.mgrid[:480, :640]
    ideal = undistort(lens, np.stack([(u - 319.5) / 500, (v - 239.5) / 500], axis=-1))
    source_px = (ideal * 500 + [319.5, 239.5]).astype(np.float32)
    bent_image = cv2.remap(straight, source_px, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    shown = undistorted(Photograph("shot.png", bent_image, ""), profile_of(lens))
    errors = distance(seen_colors([read(default_chart(), shown)]), seen_colors([look(straight)]))
    assert np.quantile(errors, 0.95) < 1
    moved_px = np.abs(source_px[::60, ::60] - np.stack([u, v], axis=-1)[::60, ::60]).max()
    assert moved_px > 10
    with pytest.raises(CalibrationError, match="not of the size the camera was calibrated at"):
        undistorted(Photograph("half.png", bent_image[::2, ::2], ""), profile_of(lens))


@pytest.mark.parametrize("degree", [1, 2, 3])
def test_the_fit_gives_back_a_known_polynomial_and_its_degree(degree):
    rng = np.random.default_rng(degree)
    sent = rng.random((170, 3))
    weights = rng.normal(0, 0.08, (len(terms(torch.zeros(1, 3), degree)[0]), 3))
    weights[:4] += [[0.2] * 3, *np.diag([0.5] * 3)]
    seen = terms(torch.from_numpy(sent), degree).numpy() @ weights + rng.normal(0, 1e-4, sent.shape)
    found = fit(sent, seen)
    assert found.response.degree == degree
    np.testing.assert_allclose(found.response.weights, weights, atol=0.01)


def test_terms_are_the_monomials_written_out():
    r, g, b = colors = torch.tensor([0.3, 0.5, 0.7])
    expected = {1, r, g, b, r * r, g * g, b * b, r * g, r * b, g * b}
    np.testing.assert_allclose(sorted(terms(colors[None], 2)[0].tolist()), sorted(map(float, expected)), rtol=1e-6)


def test_the_stated_uncertainty_is_the_spread_of_repeated_measurements():
    rng = np.random.default_rng(0)
    chart = default_chart().colors_8bit / 255
    truth = 0.15 + 0.6 * chart
    noisy = [truth + rng.normal(0, 0.02, chart.shape) for _ in range(30)]
    stated = np.median(fit(chart, noisy[0]).sd_delta_e)
    levels = np.linspace(0, 1, 5)
    cube = torch.from_numpy(np.stack(np.meshgrid(levels, levels, levels), -1).reshape(-1, 3))
    predicted = np.array([ColorResponse(weights=_line(chart, seen))(cube).numpy() for seen in noisy])
    exact = 0.15 + 0.6 * cube.numpy()
    spread = np.sqrt(np.mean([distance(one, exact) ** 2 for one in predicted], axis=0))
    assert stated == pytest.approx(np.median(spread), rel=0.25)


def _line(sent, seen):
    return np.linalg.lstsq(np.c_[np.ones(len(sent)), sent[:, ::-1]], seen, rcond=None)[0]


def test_the_simplest_of_equally_good_candidates_is_taken():
    rng = np.random.default_rng(0)
    best = rng.normal(1, 0.5, 100)  # a standard error of 0.05
    good, bad = best + 0.03, best + 0.07
    assert simplest([bad, good, best]) == 1
    assert simplest([good, bad, best]) == 0


def flat_chart(chart: Chart) -> Mesh:
    """The chart as a picture on a square that looks along +x, a texel block a cell."""
    n = max(chart.cells)
    texture = np.full((n, n, 3), 255, np.uint8)
    for (column, row), color in zip(patch_cells(chart.cells), chart.colors, strict=True):
        texture[row, column] = color
    corners = np.array([[0, -1, -1], [0, 1, -1], [0, 1, 1], [0, -1, 1]], float) / np.sqrt(2)
    uv = np.array([[0, 0], [1, 0], [1, 1], [0, 1]], float)
    blocks = np.repeat(np.repeat(texture, 8, axis=0), 8, axis=1)
    return Mesh(corners, np.array([[0, 1, 2], [0, 2, 3]], np.int32), uv, np.tile([1.0, 0, 0], (4, 1)), blocks)


FRONTAL = ("views.azimuth_deg=0", "views.elevation_deg=0", "views.roll_deg=0", "views.offset_frac=0")
STILL = ("sensor.gain=1", "sensor.offset=0", "sensor.noise_std=0", "print.gain=1", "print.offset=0")


@pytest.fixture(scope="module")
def stage(calibrated):
    """A renderer of the flat chart through the response, and one prepared frontal view."""
    _, folder = calibrated
    settings = (f"print.response={folder / 'response.toml'}", *FRONTAL, *STILL)
    scene = Scene(load_config("turtle", settings), flat_chart(default_chart()))
    renderer = Renderer(scene, (384, 384))
    return renderer, [renderer.prepare(draw_views(scene.config, 1, 0, "eval")[0])]


def test_a_render_with_the_response_shows_the_observed_patch_colours(stage, shots):
    renderer, prepared = stage
    chart = default_chart()
    image = renderer.frames(renderer.scene.mesh.texture, prepared)[0].image
    extent_px = np.flatnonzero((image != image[0, 0]).any(axis=2).any(axis=0))
    left, right = extent_px[0], extent_px[-1] + 1
    cell_px = (right - left) / max(chart.cells)
    top = (384 - (right - left)) / 2
    cells = np.array(patch_cells(chart.cells)) + 0.5
    column, row = np.floor(cells * cell_px + [left, top]).astype(int).T
    errors = distance(image[row, column] / 255, seen_colors([look(shot) for shot in shots]))
    assert np.median(errors) <= 3
    assert np.quantile(errors, 0.95) <= 6


def test_gradients_of_the_response_are_its_slopes(calibrated):
    found, _ = calibrated
    colors = torch.rand(4, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0)).requires_grad_()
    assert torch.autograd.gradcheck(found.response, colors)


def test_gradients_flow_through_the_response_in_the_attacks_path(stage):
    """As a step takes it: look up, expose, pull back; against a finite difference over all pixels, 8-bit steps and all."""
    renderer, prepared = stage
    texture = texture_tensor(renderer.scene.mesh.texture).clamp(0.2, 0.8)
    pattern = torch.randn(3, 384, 384, generator=torch.Generator().manual_seed(0)).cumsum(2) / 20

    def value(texture):
        colors = MipAtlas(texture).sample(*surface(prepared))
        return (renderer.expose(colors, prepared) * pattern).sum()

    leaf = texture.clone().requires_grad_()
    value(leaf).backward()
    change = 0.02 * leaf.grad.sign()
    risen = (value(texture + change) - value(texture - change)) / 2
    assert float((leaf.grad * change).sum()) == pytest.approx(float(risen), rel=0.05)
    plain = Renderer(_without_response(renderer.scene), (384, 384))
    other = texture.clone().requires_grad_()
    (plain.expose(MipAtlas(other).sample(*surface(prepared)), prepared) * pattern).sum().backward()
    assert float((leaf.grad - other.grad).abs().max()) > 0.1 * float(other.grad.abs().max())


def _without_response(scene: Scene) -> Scene:
    printing = scene.config.print.model_copy(update={"response": None})
    return Scene(scene.config.model_copy(update={"print": printing}), scene.mesh)


def test_a_response_replaces_the_presets_ranges_and_the_scenes_own_keys_stay(calibrated):
    found, folder = calibrated
    named = f"print.response={folder / 'response.toml'}"
    config = load_config("turtle", ("preset=eot-physical", named, "sensor.noise_std=0.5"))
    assert config.print.response == found.response
    assert (config.print.gain, config.print.offset) == (found.print.gain, found.print.offset)
    assert config.sensor.gain == found.sensor.gain
    assert config.sensor.noise_std == (0.5, 0.5)
    again = resolve_scene(
        config.model_dump(mode="json"), "run.json"
    )  # as `rig resume` does, whatever became of the file
    assert again == config


def test_a_run_says_that_its_distribution_has_a_measured_response(stage):
    scene = stage[0].scene
    assert distribution(scene)["name"] == "eot-sim, measured colour response"
    assert distribution(_without_response(scene))["name"] == "eot-sim"


def test_a_scene_names_a_response_beside_itself_only(calibrated, tmp_path):
    _, folder = calibrated
    text = 'preset = "eot-sim"\n[object]\nbuiltin = "turtle"\nlabels = ["loggerhead"]\n[print]\nresponse = "{}"\n'
    for outside in (str(folder / "response.toml"), "../response.toml"):
        (tmp_path / "scene.toml").write_text(text.format(outside))
        with pytest.raises(SceneError, match="path leaves the scene's folder"):
            load_config(tmp_path)
    (tmp_path / "scene.toml").write_text(text.format("response.toml"))
    with pytest.raises(SceneError, match="cannot read the colour response"):
        load_config(tmp_path)
    (tmp_path / "response.toml").write_bytes((folder / "response.toml").read_bytes())
    assert load_config(tmp_path).print.response.degree >= 1


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ("schema = 1", "schema = 2", "schema"),
        ("[response]", "[answer]", '"response" is missing'),
        ("weights = [", "weights = [[0,0,nan],", "finite"),
        ("weights = [", "weights = [[0,0,0],", "36 rows; expected 4 or 10 or 20 or 35"),
    ],
)
def test_a_broken_response_file_is_one_line(calibrated, tmp_path, before, after, message):
    _, folder = calibrated
    text = (folder / "response.toml").read_text()
    assert before in text
    (tmp_path / "r.toml").write_text(text.replace(before, after))
    with pytest.raises(SceneError, match=message) as error:
        read_response(tmp_path / "r.toml")
    assert "\n" not in str(error.value)


def test_the_command_says_what_it_found(shots, tmp_path, monkeypatch, capsys):
    (tmp_path / "shot.png").write_bytes(encode_png(shots[0]))
    (tmp_path / "chart.toml").write_text(default_chart().to_toml())
    files = map(str, (tmp_path / "shot.png", "--chart", tmp_path / "chart.toml", "--out", tmp_path / "r.toml"))
    monkeypatch.setattr("sys.argv", ["rig", "calibrate", "color", *files, "--json"])
    with pytest.raises(SystemExit) as stopped:
        main()
    assert not stopped.value.code
    said = json.loads(capsys.readouterr().out)
    found = read_response(tmp_path / "r.toml")
    assert said["quality"] == found.quality.model_dump(mode="json") | {
        "held_out_delta_e_by_degree": list(found.quality.held_out_delta_e_by_degree)
    }
    assert "one photograph says nothing of how exposure varies" in found.in_words()[-1]
    assert (tmp_path / "r.png").stat().st_size > 1000


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--out", "r"], "what is to be read?"),
        (["x.png", "--chart-only", "--out", "r"], "--chart-only makes a chart"),
        (["--chart-only", "--paper", "a5", "--out", "r"], "unknown paper; got a5"),
        (["x.png", "--chart", "none.toml", "--out", "r"], "cannot read the chart file"),
        (["x.png", "--chart", "chart.toml", "--out", "r"], "no such file or folder"),
        (["x.png", "--chart", "half.toml", "--out", "r"], "175 colors for 176 patches"),
    ],
)
def test_bad_input_is_one_clear_line_and_exit_code_2(arguments, message, tmp_path, monkeypatch, capsys):
    chart = default_chart()
    (tmp_path / "chart.toml").write_text(chart.to_toml())
    (tmp_path / "half.toml").write_text(chart.model_copy(update={"colors": chart.colors[:-1]}).to_toml())
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["rig", "calibrate", "color", *arguments])
    with pytest.raises(SystemExit) as stopped:
        main()
    assert stopped.value.code == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert message in line
    assert sorted(path.name for path in tmp_path.iterdir()) == ["chart.toml", "half.toml"]
