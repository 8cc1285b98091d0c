"""`rig print`: lengths and colours measured in the rasterised PDF, the object read back by another library."""

import json
import re

import numpy as np
import pypdfium2
import pytest
import trimesh

from rig.calibrate.board import read_board
from rig.calibrate.detect import detect
from rig.cli import main
from rig.errors import RigError
from rig.geometry import texels_from_uv
from rig.images import read_image
from rig.printing.gamut import preview
from rig.printing.islands import islands_of
from rig.printing.job import Asked, print_run
from rig.printing.pages import BLEED_MM, lay_out
from rig.printing.solid import longest_side_m
from rig.runs import RunFolder
from rig.scene import rebuilt
from rig.scene.gamut import gamut_of
from rig.scene.mesh import read_mesh
from rig.scene.response import ColorResponse
from tests.printing.conftest import SIDES_MM, TEXTURE_PX, make_run

PX_PER_MM = 10  # pages are rasterised at 254 dpi
PAPER = "a4"


@pytest.fixture(scope="module")
def printed(box_run, tmp_path_factory):
    out = tmp_path_factory.mktemp("print") / "sheets"
    return print_run(box_run, Asked("adversarial", PAPER, 300, 90.0), out), out


@pytest.fixture(scope="module")
def pages(printed) -> list[np.ndarray]:
    document = pypdfium2.PdfDocument(str(printed[1] / "adversarial.pdf"))
    assert [page.get_size() for page in document] == [pytest.approx((595.28, 841.89), abs=0.01)] * len(document)
    scale = PX_PER_MM * 25.4 / 72
    return [np.ascontiguousarray(page.render(scale=scale, rev_byteorder=True).to_numpy()[..., :3]) for page in document]


@pytest.fixture(scope="module")
def placed(box_run):
    """The islands of the same mesh at the same size, by page."""
    mesh = scene_of(box_run).mesh
    return mesh, lay_out(islands_of(mesh, 90 / longest_side_m(mesh)), PAPER)


def scene_of(run):
    return rebuilt(next(iter(RunFolder.open(run).state["config"]["scenes"].values())), TEXTURE_PX)


def longest_run(line: np.ndarray) -> int:
    return max(map(len, bytes(line.astype(np.uint8)).replace(b"\0", b" ").split()), default=0)


def test_the_ruler_of_every_page_is_100_mm(pages, printed):
    for page in pages[: printed[0].record["sheets"]]:
        strip = page[-95:, :, 0] < 200  # the lowest 9.5 mm
        assert max(map(longest_run, strip)) / PX_PER_MM == pytest.approx(100 + 2 * 0.1, abs=0.15)


def test_the_faces_of_a_box_are_on_the_page_in_their_true_size(pages, placed):
    """The extent of each island's colours, less the bleed on both sides; its uv has other proportions."""
    mesh, laid_out = placed
    found = []
    for picture, page in zip(pages, laid_out, strict=False):
        for one in page.islands:
            width, height = one.island.size_mm
            left, top = (int((at - BLEED_MM - 0.6) * PX_PER_MM) for at in (one.left_mm, one.top_mm))
            box = picture[top:, left:][: int((height + 5.2) * PX_PER_MM), : int((width + 5.2) * PX_PER_MM)]
            ink = (box < 245).any(axis=2)
            found.append(sorted(np.ptp(np.flatnonzero(ink.any(axis=a))) / PX_PER_MM - 2 * BLEED_MM for a in (0, 1)))
            assert one.island.scale.worst == pytest.approx((1, 1), abs=1e-6)
    expected = [sorted(np.delete(SIDES_MM, axis)) for axis in (0, 0, 1, 1, 2, 2)]
    np.testing.assert_allclose(sorted(found), sorted(expected), atol=0.25)


def test_colours_on_the_page_are_the_artefacts(pages, placed, box_run):
    """Points of faces, their texel by uv and their place on the page by their corners: neither asks the other."""
    mesh, laid_out = placed
    texture = read_image(box_run / "artefacts" / "adversarial" / "texture.png")
    rng, checked = np.random.default_rng(0), 0
    for picture, page in zip(pages, laid_out, strict=False):
        for one in page.islands:
            shares = rng.dirichlet(np.ones(3), 400)
            face = rng.integers(len(one.island.faces), size=400)
            uv = np.einsum("nk,nkd->nd", shares, mesh.uv[mesh.faces[one.island.faces[face]]])
            x_mm, y_mm = np.einsum("nk,nkd->nd", shares, one.island.corners_mm[face]).T
            texel_column, texel_row = texels_from_uv(uv, TEXTURE_PX, TEXTURE_PX)
            inner = (abs(texel_column % 8 - 3.5) < 2) & (abs(texel_row % 8 - 3.5) < 2)  # of a block of one colour
            inner &= (shares > 0.02).all(axis=1)
            column = ((one.left_mm + x_mm) * PX_PER_MM).astype(int)[inner]
            row = ((one.top_mm + one.island.size_mm[1] - y_mm) * PX_PER_MM).astype(int)[inner]
            expected = texture[np.rint(texel_row).astype(int)[inner], np.rint(texel_column).astype(int)[inner]]
            assert np.abs(picture[row, column].astype(int) - expected).max() <= 2
            checked += int(inner.sum())
    assert checked > 300


def test_colour_goes_on_beyond_the_cut_line_and_then_ends(pages, placed):
    _, laid_out = placed
    one, picture = laid_out[0].islands[0], pages[0]
    middle = int((one.top_mm + one.island.size_mm[1] / 2) * PX_PER_MM)
    edge = one.left_mm * PX_PER_MM
    bleed = picture[middle, int(edge - 18) : int(edge - 3)].astype(int)
    assert (bleed < 245).any(axis=1).all()
    np.testing.assert_allclose(bleed, np.broadcast_to(bleed[0], bleed.shape), atol=3)  # the edge's own colour
    assert (picture[middle, int(edge - 28) : int(edge - 22)] > 250).all()


def test_the_last_page_is_the_board_that_its_file_describes(pages, printed):
    board = read_board(printed[1] / "board.toml")
    seen = detect(board, pages[-1])
    assert len(seen.ids) == 70
    expected = 1000 * seen.points_m(board)[:, :2] * [1, -1]
    offset = seen.corners_px / PX_PER_MM - expected
    np.testing.assert_allclose(offset - offset.mean(axis=0), 0, atol=0.05)


@pytest.mark.parametrize(("suffix", "unit_mm"), [("glb", 1000.0), ("obj", 1.0)])
def test_the_object_reads_back_with_its_vertices_uv_texture_and_size(printed, box_run, suffix, unit_mm):
    mesh = scene_of(box_run).mesh
    read = trimesh.load_mesh(printed[1] / f"adversarial.{suffix}", process=False)
    read = read.to_mesh() if isinstance(read, trimesh.Scene) else read
    np.testing.assert_allclose(np.ptp(read.vertices, axis=0).max() * unit_mm, 90, rtol=1e-5)
    scale = 90 / 1000 / longest_side_m(mesh)
    ours = read_mesh(printed[1] / f"adversarial.{suffix}")  # as a scene reads it: +z up again
    np.testing.assert_allclose(ours.uv[ours.faces], mesh.uv[mesh.faces], atol=1e-6)
    expected = mesh.vertices_m[mesh.faces] * scale * 1000 / unit_mm
    np.testing.assert_allclose(ours.vertices_m[ours.faces], expected, atol=2e-5 * 1000 / unit_mm)
    np.testing.assert_array_equal(ours.texture, read_image(box_run / "artefacts" / "adversarial" / "texture.png"))
    assert read.volume * unit_mm**3 == pytest.approx(np.prod(SIDES_MM), rel=1e-4)


def test_without_a_size_the_scenes_own_is_taken_where_it_fits(box_run, printed, tmp_path):
    too_large = print_run(box_run, Asked("adversarial", PAPER, 100, None), tmp_path / "a")
    assert too_large.record["size_mm"] > 90
    assert "the largest that fits a4; the scene's own is" in too_large.in_words()[0]
    with pytest.raises(RigError, match="too large for the paper; got") as error:
        print_run(box_run, Asked("adversarial", PAPER, 100, too_large.record["size_mm"] + 1), tmp_path / "b")
    assert f"at most {too_large.record['size_mm']:g} mm" in str(error.value)
    settings = ("object.radius_m=0.05",)
    small = make_run(tmp_path / "small", box_run.parent, read_image(box_run.parent / "box.png"), settings)
    own = print_run(small, Asked("clean", PAPER, 100, None), tmp_path / "c")
    assert own.record["size_mm"] == pytest.approx(100 * 90 / np.linalg.norm(SIDES_MM), rel=1e-6)
    assert own.record["size_why"] == "the scene's own size"


def test_white_is_printable_and_screen_green_is_not(placed):
    mesh, _ = placed
    texture = np.full((64, 96, 3), 255, np.uint8)
    texture[:32] = (0, 255, 0)
    seen = preview(texture, mesh, gamut_of(None))
    assert seen.outside_frac == pytest.approx(0.5, abs=0.02)  # of six equal faces, three above the other three
    assert seen.outside_delta_e > 20
    panels = [seen.picture[:, left : left + 96] for left in (0, 100, 200)]
    np.testing.assert_array_equal(panels[0], texture)
    assert (panels[1][40:] >= 253).all()
    assert (panels[1][:30] != texture[:30]).any(axis=2).all()


def test_a_printer_that_prints_what_it_is_sent_has_nothing_outside_and_a_grey_one_has_colours_outside(placed):
    mesh, _ = placed
    texture = np.random.default_rng(0).integers(0, 256, (48, 48, 3)).astype(np.uint8)
    exact = ColorResponse(weights=[[0, 0, 0], *np.eye(3)[::-1].tolist()])  # the constant, then blue, green, red
    grey = ColorResponse(weights=[[0, 0, 0], *np.full((3, 3), 1 / 3).tolist()])
    assert preview(texture, mesh, gamut_of(exact)).outside_frac == 0
    assert preview(texture, mesh, gamut_of(grey)).outside_frac > 0.9


def test_gamut_is_relative_to_paper(placed):
    """A camera that gives white paper as light grey has it printable all the same."""
    mesh, _ = placed
    dim = ColorResponse(weights=[[0.1, 0.1, 0.1], *(0.7 * np.eye(3))[::-1].tolist()])
    assert preview(np.full((48, 48, 3), 255, np.uint8), mesh, gamut_of(dim)).outside_frac == 0


def test_another_print_in_its_place_is_refused_and_the_same_is_not(printed, box_run, tmp_path):
    made, out = printed
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    print_run(box_run, Asked("adversarial", PAPER, 300, 90.0), out)
    with pytest.raises(RigError, match="describes another print"):
        print_run(box_run, Asked("adversarial", PAPER, 300, 80.0), out)
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before


def rig(monkeypatch, *arguments) -> int:
    monkeypatch.setattr("sys.argv", ["rig", *map(str, arguments)])
    try:
        main()
    except SystemExit as stopped:
        return stopped.code
    return 0


def test_the_command_prints_what_it_made(box_run, tmp_path, monkeypatch, capsys):
    assert rig(monkeypatch, "print", box_run, "--out", tmp_path, "--size-mm", 50, "--dpi", 100, "--json") == 0
    record = json.loads(capsys.readouterr().out)
    assert (record["size_mm"], record["artefact"], len(record["islands"])) == (50, "adversarial", 6)
    assert json.loads((tmp_path / "print.json").read_text()) == record


BAD = [
    (["--artefact", "../../clean"], "no such artefact; got ../../clean; expected adversarial or clean"),
    (["--artefact", "control_random"], "no such artefact"),
    (["--paper", "a5"], "unknown paper; got a5; expected a4 or letter or a3"),
    (["--size-mm", "0"], "not a size"),
    (["--size-mm", "nan"], "not a size"),
    (["--size-mm", "1e9"], "not a size"),
    (["--board", "none.toml"], "cannot read the board file"),
    (["--response", "none.toml"], "cannot read the colour response"),
]


@pytest.mark.parametrize(("arguments", "message"), BAD)
def test_bad_input_is_one_clear_line_and_nothing_written(arguments, message, box_run, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert rig(monkeypatch, "print", box_run, "--out", tmp_path / "out", *arguments) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert message in line
    assert list(tmp_path.iterdir()) == []


def test_what_is_no_texture_run_is_one_line(tmp_path, box_run):
    asked = Asked("adversarial", PAPER, 100, None)
    with pytest.raises(RigError, match="not a run folder"):
        print_run(tmp_path, asked, tmp_path / "out")
    RunFolder.start(tmp_path / "pixel", ["rig"], {"job": "attack pixel"}, 0)
    with pytest.raises(RigError, match=re.escape("holds no texture; rig print takes runs of rig attack texture")):
        print_run(tmp_path / "pixel", asked, tmp_path / "out")


def test_a_mesh_that_changed_since_is_refused(box_run, tmp_path):
    folder = tmp_path / "box"
    folder.mkdir()
    for name in ("box.obj", "box.png", "scene.toml"):
        (folder / name).write_bytes((box_run.parent / name).read_bytes())
    run = make_run(folder / "run", folder, read_image(folder / "box.png"))
    (folder / "box.obj").write_text((folder / "box.obj").read_text().replace("40.000000000", "45.000000000"))
    with pytest.raises(RigError, match="mesh changed since this run"):
        print_run(run, Asked("adversarial", PAPER, 100, None), tmp_path / "out")
