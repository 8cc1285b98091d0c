"""A laid-out sheet as files: vector PDF, PNG that knows its dots an inch, and the board's TOML."""

import io
import math
import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
from reportlab.lib.units import mm
from reportlab.pdfgen.canvas import FILL_NON_ZERO, Canvas

from rig.calibrate.board import Board
from rig.calibrate.layout import RULER_MM, STRIP_MM, TICK_MM, Rectangle, Sheet, lay_out
from rig.errors import CalibrationError
from rig.images import encode_png
from rig.runs import write_atomically

PX_PER_MM = 10  # 254 dpi: edges on tenths of a millimetre fall between pixels
WORDS_MM = STRIP_MM - TICK_MM - 0.8  # height of the words below the ruler


def write_board(board: Board, paper: str, out: Path) -> list[Path]:
    """Writes out.pdf, out.png and out.toml. Refuses to put another board in the place of one already printed."""
    out = out.with_suffix("") if out.suffix in {".pdf", ".png", ".toml"} else out
    described = Path(f"{out}.toml")
    sheet = lay_out(board, paper)
    toml = board.to_toml().encode()
    if described.exists() and described.read_bytes() != toml:
        raise CalibrationError("describes another board, perhaps printed already", where=described, hint="choose --out")
    files = {f"{out}.pdf": pdf_of(sheet), f"{out}.png": png_of(sheet), described: toml}
    return [
        write_atomically(Path(path), lambda partial, c=content: partial.write_bytes(c))
        for path, content in files.items()
    ]


def pdf_of(sheet: Sheet) -> bytes:
    """The page in true scale: a PDF's unit is 1/72 inch, its origin the lower left corner."""
    height_mm = sheet.paper_mm[1]
    file = io.BytesIO()
    canvas = Canvas(file, pagesize=[side * mm for side in sheet.paper_mm], invariant=1)
    canvas.setTitle(sheet.words)
    canvas.setViewerPreference("PrintScaling", "None")  # what a viewer's print dialogue starts with
    _fill(canvas, sheet.pattern, height_mm)
    left, top = sheet.strip_mm
    canvas.translate(left * mm, (height_mm - top) * mm)
    canvas.rotate(90 if sheet.strip_upright else 0)
    _fill(canvas, sheet.ruler, 0)
    canvas.setFont("Helvetica", WORDS_MM * mm)
    canvas.drawString(0, -(STRIP_MM - 0.4) * mm, sheet.words)
    canvas.save()
    return file.getvalue()


def _fill(canvas: Canvas, rectangles: tuple[Rectangle, ...], from_mm: float) -> None:
    """All in one path: drawn one by one, neighbours would show hairlines between them."""
    path = canvas.beginPath()
    for left, top, width, height in rectangles:
        path.rect(left * mm, (from_mm - top - height) * mm, width * mm, height * mm)
    canvas.drawPath(path, stroke=0, fill=1, fillMode=FILL_NON_ZERO)  # where rectangles overlap, too


def png_of(sheet: Sheet) -> bytes:
    """The page at 254 dpi, which the file says; programs that heed it print in true scale."""
    width, height = (math.ceil(side * PX_PER_MM) for side in sheet.paper_mm)
    page = np.full((height, width), 255, np.uint8)
    _blacken(page, sheet.pattern)
    strip = np.full((round(STRIP_MM * PX_PER_MM), round(RULER_MM * PX_PER_MM) + 2), 255, np.uint8)
    _blacken(strip, sheet.ruler)
    at = (0, strip.shape[0] - 5)
    cv2.putText(
        strip, sheet.words, at, cv2.FONT_HERSHEY_SIMPLEX, _text_scale(sheet.words, strip.shape[1]), 0, 1, cv2.LINE_AA
    )
    left, top = (round(place * PX_PER_MM) for place in sheet.strip_mm)
    if sheet.strip_upright:
        strip = np.rot90(strip)
        top -= strip.shape[0]
    page[top : top + strip.shape[0], left : left + strip.shape[1]] = strip
    return _with_density(encode_png(np.repeat(page[:, :, None], 3, axis=2)), 1000 * PX_PER_MM)


def _blacken(page: np.ndarray, rectangles: tuple[Rectangle, ...]) -> None:
    for left, top, width, height in rectangles:
        first_row, end_row, first_column, end_column = (
            max(0, round(edge * PX_PER_MM)) for edge in (top, top + height, left, left + width)
        )
        page[first_row:end_row, first_column:end_column] = 0


def _text_scale(words: str, room_px: int) -> float:
    (width, _), _ = cv2.getTextSize(words, cv2.FONT_HERSHEY_SIMPLEX, 1, 1)
    return min(0.7, room_px / width)


def _with_density(png: bytes, px_per_m: int) -> bytes:
    """A PNG with a pHYs chunk (PNG specification 11.3.5.3) after its header of 8 + 25 bytes."""
    body = b"pHYs" + struct.pack(">IIB", px_per_m, px_per_m, 1)
    return png[:33] + struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body)) + png[33:]
