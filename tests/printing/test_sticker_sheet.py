"""A sticker's sheet, measured in the rasterised PDF."""

import json

import numpy as np
import pypdfium2
import pytest

from rig.errors import RigError
from rig.images import content_hash, encode_png
from rig.printing.job import Asked, print_run

SIZE_MM, PX_PER_MM = (60.0, 40.0), 6
PATCH_PX = 20, 30  # blocks of 2 mm


def run_of(folder, shape="rectangle", size_mm=SIZE_MM):
    """What a print reads of a patch run: run.json, artefact.json, patch.png."""
    patch = np.random.default_rng(0).integers(0, 100, (*PATCH_PX, 3), np.uint8)
    patch[..., 0] += 150  # no greys: those are cut lines
    settings = {"size_mm": size_mm, "shape": shape, "at_deg": (10, 80), "object_mm": 200}
    measured = {
        "area_mm2": 2400,
        "outline_mm2": 2400,
        "texel_mm": 0.5,
        "object_pixels_frac": 0.1,
        "frame_pixels_frac": 0.03,
    }
    record = {"name": "adversarial", "kind": "patch", "patch": {"size_mm": size_mm} | measured}
    config = {"job": "attack patch", "sticker": settings, "scenes": {"turtle": {}}}
    threat = {"distribution": {"name": "eot-sim"}}
    (folder / "artefacts/adversarial").mkdir(parents=True)
    (folder / "run.json").write_text(
        json.dumps({"schema": 1, "status": "done", "threat_model": threat, "models": [], "config": config})
    )
    (folder / "artefacts/adversarial/artefact.json").write_text(json.dumps(record))
    (folder / "artefacts/adversarial/patch.png").write_bytes(encode_png(patch))
    return patch


def page_of(out) -> np.ndarray:
    (page,) = pypdfium2.PdfDocument(str(out / "adversarial.pdf"))
    return page.render(scale=PX_PER_MM * 25.4 / 72, rev_byteorder=True).to_numpy()[..., :3].astype(int)


def colored(page) -> tuple[slice, slice]:
    """The box of what is neither white nor grey: the sticker with its bleed."""
    found = np.ptp(page, axis=2) > 30
    return tuple(
        slice(np.flatnonzero(found.any(axis=1 - a))[0], np.flatnonzero(found.any(axis=1 - a))[-1] + 1) for a in (0, 1)
    )


def test_the_sticker_has_its_millimetres_and_its_colours_on_paper(tmp_path):
    patch = run_of(tmp_path)
    made = print_run(tmp_path, Asked("adversarial", "a4", 300, None), tmp_path / "out")
    page = page_of(tmp_path / "out")
    assert page.shape[:2] == pytest.approx((297 * PX_PER_MM, 210 * PX_PER_MM), abs=1)
    rows, columns = colored(page)
    assert (columns.stop - columns.start) / PX_PER_MM == pytest.approx(60 + 2 * 2, abs=0.4)
    assert (rows.stop - rows.start) / PX_PER_MM == pytest.approx(40 + 2 * 2, abs=0.4)
    middles = page[rows.start + 3 * PX_PER_MM :: 2 * PX_PER_MM, columns.start + 3 * PX_PER_MM :: 2 * PX_PER_MM][
        :20, :30
    ]  # of blocks of 2 mm
    assert np.abs(middles - patch).mean() < 12
    strip = page[int(-9.5 * PX_PER_MM) :, :, 0] < 200
    runs = [max(map(len, bytes(row.astype(np.uint8)).replace(b"\0", b" ").split()), default=0) for row in strip]
    assert max(runs) / PX_PER_MM == pytest.approx(100 + 2 * 0.1, abs=0.3)  # the ruler
    assert made.record["patch_sha256"] == content_hash(patch) and made.in_words()[0].startswith(
        "sticker of 60 x 40 mm for turtle"
    )


def test_an_ellipse_is_white_beyond_its_bleed(tmp_path):
    run_of(tmp_path, "ellipse")
    print_run(tmp_path, Asked("adversarial", "a4", 150, None), tmp_path / "out")
    page = page_of(tmp_path / "out")
    found = (np.ptp(page, axis=2) > 30)[: 120 * PX_PER_MM]
    area_mm2 = found.sum() / PX_PER_MM**2
    assert np.pi / 4 * 60 * 40 < area_mm2 < np.pi / 4 * 64.5 * 44.5


@pytest.mark.parametrize(
    ("changes", "size_mm", "says"),
    [
        ({"size_mm": 90.0}, SIZE_MM, "a sticker's size is its run's"),
        ({"artefact": "clean"}, SIZE_MM, "no such patch"),
        ({}, (400.0, 300.0), "too large for the paper"),
    ],
)
def test_what_cannot_be_printed_is_one_clear_line(tmp_path, changes, size_mm, says):
    run_of(tmp_path, size_mm=size_mm)
    asked = Asked(**({"artefact": "adversarial", "paper": "a4", "dpi": 72, "size_mm": None} | changes))
    with pytest.raises(RigError, match=says):
        print_run(tmp_path, asked, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_long_sticker_turns_the_page_and_another_print_is_not_replaced(tmp_path):
    run_of(tmp_path, size_mm=(240.0, 40.0))
    print_run(tmp_path, Asked("adversarial", "a4", 72, None), tmp_path / "out")
    assert page_of(tmp_path / "out").shape[:2] == pytest.approx((210 * PX_PER_MM, 297 * PX_PER_MM), abs=1)
    with pytest.raises(RigError, match="describes another print"):
        print_run(tmp_path, Asked("adversarial", "a4", 100, None), tmp_path / "out")
