"""A patch as a sheet: the sticker at true scale, to be cut out along its outline and put where its run says."""

import io
import json
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
from reportlab.lib.units import mm

from rig.calibrate.layout import known_paper_mm
from rig.calibrate.sheet import new_canvas
from rig.errors import RigError, RunError
from rig.images import content_hash, read_image
from rig.metrics.load import Run, read_run
from rig.metrics.patch import PatchRecord, patch_record, sticker_settings
from rig.printing.pages import AROUND_MM, BLEED_MM, HEADER_MM, room_mm
from rig.printing.picture import MM_PER_INCH, with_bleed
from rig.printing.sheets import CUT_GREY, LINE_MM, TITLE_MM, begin_page, cut_marks, end_page, reader_of
from rig.runs import write_atomically
from rig.scene.gamut import Gamut, gamut_of
from rig.scene.sticker import StickerSettings, outline_of

if TYPE_CHECKING:
    from rig.printing.job import Asked


def sticker_files(path: Path, asked: "Asked", out: Path) -> tuple[dict, list[Path], list[str]]:
    """Writes PDF and print.json; their record, paths and what to say. Raises RigError, and refuses to replace another."""
    run = read_run(path)
    record = patch_record(run, asked.artefact)
    if record is None:
        known = [name for name, one in run.artefacts.items() if one.kind == "patch"]
        raise RunError("no such patch", where=path, got=asked.artefact, expected=" or ".join(known))
    if asked.size_mm is not None:
        expected = f"{record.size_mm[0]:g} x {record.size_mm[1]:g} mm, as it was optimised"
        raise RigError("a sticker's size is its run's", where="--size-mm", got=f"{asked.size_mm:g}", expected=expected)
    settings = sticker_settings(run)
    patch = read_image(path / "artefacts" / asked.artefact / "patch.png")
    gamut = gamut_of(asked.response)
    described = _described(run, asked, record, settings, patch, gamut)
    _require_same(out, described)
    words = _words(described)
    pdf = _pdf(settings, patch, asked, f"{described['run']}, {asked.artefact}", words)
    contents = {f"{asked.artefact}.pdf": pdf, "print.json": json.dumps(described, indent=1).encode()}
    files = [
        write_atomically(out / name, lambda partial, c=content: partial.write_bytes(c))
        for name, content in contents.items()
    ]
    return described, files, words


def _described(
    run: Run, asked: "Asked", record: PatchRecord, settings: StickerSettings, patch: np.ndarray, gamut: Gamut
) -> dict:
    return {
        "run": run.name,
        "objects": list(run.record.config.get("scenes") or []),
        "artefact": asked.artefact,
        "patch_sha256": content_hash(patch),
        "paper": asked.paper,
        "dpi": asked.dpi,
        "size_mm": list(record.size_mm),
        "object_mm": settings.object_mm,
        "place": {"at_deg": list(settings.at_deg), "roll_deg": settings.roll_deg, "lies": settings.lies},
        "gamut": gamut.name,
        "outside_gamut_frac": float(gamut.outside(patch).mean()),
    }


def _require_same(out: Path, described: dict) -> None:
    path = out / "print.json"
    if path.exists() and json.loads(path.read_text(encoding="utf-8")) != described:
        raise RunError("describes another print, perhaps on paper already", where=path, hint="choose another --out")


def _words(described: dict) -> list[str]:
    width, height = described["size_mm"]
    at, place = described["place"]["at_deg"], described["place"]
    of = (
        f" of {described['object_mm']:g} mm (longest side)"
        if described["object_mm"]
        else ", as large as its scene says"
    )
    return [
        f"sticker of {width:g} x {height:g} mm for {', '.join(described['objects'])}{of}",
        f"where a ray from azimuth {at[0]:g}, elevation {at[1]:g} degrees to its centre meets it, turned by {place['roll_deg']:g}",
        f"{described['outside_gamut_frac']:.1%} of its pixels lie outside the gamut of {described['gamut']}",
    ]


def _pdf(settings: StickerSettings, patch: np.ndarray, asked: "Asked", title: str, words: list[str]) -> bytes:
    paper_mm = _paper_mm(settings, asked.paper, len(words))
    picture, edges_mm = picture_of_sticker(settings, patch, asked.dpi)
    width, height = settings.size_mm
    file = io.BytesIO()
    canvas = new_canvas(file, title)
    begin_page(canvas, paper_mm, title)
    canvas.saveState()
    canvas.translate((paper_mm[0] - width) / 2 * mm, (paper_mm[1] - HEADER_MM - 2 * AROUND_MM - height) * mm)
    high_mm, wide_mm = (side * MM_PER_INCH / asked.dpi for side in picture.shape[:2])
    lower_mm = height + BLEED_MM - high_mm  # whole pixels: counted from the upper left
    canvas.drawImage(reader_of(picture), -BLEED_MM * mm, lower_mm * mm, wide_mm * mm, high_mm * mm)
    canvas.setLineWidth(LINE_MM * mm)
    canvas.setStrokeGray(CUT_GREY)
    canvas.lines([[x * mm for x in edge] for edge in edges_mm])
    canvas.setStrokeGray(0)
    canvas.lines([[x * mm for x in mark] for mark in cut_marks(width, height)])
    canvas.restoreState()
    canvas.setFont("Helvetica", TITLE_MM * mm)
    for line, said in enumerate(words):
        lower = paper_mm[1] - HEADER_MM - 4 * AROUND_MM - height - line * 1.5 * TITLE_MM
        canvas.drawString(2 * AROUND_MM * mm, lower * mm, said)
    end_page(canvas, paper_mm)
    canvas.save()
    return file.getvalue()


def _paper_mm(settings: StickerSettings, paper: str, n_lines: int) -> tuple[float, float]:
    """Upright or lying, whichever holds it. Raises RigError."""
    width, height = known_paper_mm(paper)
    room = room_mm(paper)
    words_mm = 2 * AROUND_MM + 1.5 * TITLE_MM * n_lines
    need = settings.size_mm[0] + 2 * AROUND_MM, settings.size_mm[1] + 2 * AROUND_MM + words_mm
    if need[0] <= room[0] and need[1] <= room[1]:
        return width, height
    if need[0] <= room[0] + height - width and need[1] <= room[1] - height + width:
        return height, width
    got = f"{settings.size_mm[0]:g} x {settings.size_mm[1]:g} mm"
    raise RigError(
        "the sticker is too large for the paper", where="--paper", got=f"{got} on {paper}", hint="a larger paper"
    )


def picture_of_sticker(settings: StickerSettings, patch: np.ndarray, dpi: int) -> tuple[np.ndarray, np.ndarray]:
    """(H, W, 3) uint8 of its box and bleed, white beyond, filtered as it is on the object; its outline's edges, in mm.

    Edges (E, 4) from the box's lower left, y up.
    """
    px_per_mm = dpi / MM_PER_INCH
    (width, height), (high_px, wide_px) = settings.size_mm, patch.shape[:2]
    columns, rows = (int(np.ceil((side + 2 * BLEED_MM) * px_per_mm)) for side in (width, height))
    x = ((np.arange(columns) + 0.5) / px_per_mm - BLEED_MM) / width
    y = ((np.arange(rows) + 0.5) / px_per_mm - BLEED_MM) / height
    places = np.meshgrid((x * wide_px - 0.5).astype(np.float32), (y * high_px - 0.5).astype(np.float32))
    colors = cv2.remap(patch, *places, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    outline = outline_of(settings)
    boxed = (x >= 0) & (x < 1), (y >= 0) & (y < 1)
    at = [np.clip((part * n).astype(int), 0, n - 1) for part, n in ((x, outline.shape[1]), (y, outline.shape[0]))]
    inside = outline[np.ix_(at[1], at[0])] & boxed[1][:, None] & boxed[0]
    return with_bleed(colors, inside, BLEED_MM * px_per_mm), _edges_mm(outline, settings.size_mm)


def _edges_mm(outline: np.ndarray, size_mm: tuple[float, float]) -> np.ndarray:
    """Between pixels of the outline and others."""
    padded = np.pad(outline, 1)
    high, wide = outline.shape
    down = np.argwhere(padded[1:-1, 1:] != padded[1:-1, :-1])  # (row, column of the line)
    across = np.argwhere(padded[1:, 1:-1] != padded[:-1, 1:-1])
    row, column = down.T
    lines = [np.stack([column, high - row, column, high - row - 1], axis=1)]
    row, column = across.T
    lines.append(np.stack([column, high - row, column + 1, high - row], axis=1))
    return np.concatenate(lines) * np.array([size_mm[0] / wide, size_mm[1] / high] * 2)
