"""A laid-out sheet as files: vector PDF, PNG that knows its dots an inch, and the TOML that describes it."""

import io
import math
import struct
import zlib
from collections.abc import Iterable
from pathlib import Path

import cv2
import numpy as np
from reportlab.lib.units import mm
from reportlab.pdfgen.canvas import FILL_NON_ZERO, Canvas

from rig.calibrate.board import Board
from rig.calibrate.layout import RULER_MM, STRIP_MM, TICK_MM, Color, Rectangle, Sheet, Strip, lay_out
from rig.errors import CalibrationError
from rig.images import encode_png
from rig.runs import write_atomically

PX_PER_MM = 10  # 254 dpi: edges on tenths of a millimetre fall between pixels
WORDS_MM = STRIP_MM - TICK_MM - 0.8  # height of the words below the ruler
BLACK = (0, 0, 0)


def write_board(board: Board, paper: str, out: Path) -> list[Path]:
    """Writes out.pdf, out.png and out.toml. Refuses to put another board in the place of one already printed."""
    return write_sheet(lay_out(board, paper), board.to_toml(), out)


def write_sheet(sheet: Sheet, toml: str, out: Path) -> list[Path]:
    """Writes out.pdf, out.png and out.toml, what describes the sheet. Refuses to replace what another one says."""
    out = out.with_suffix("") if out.suffix in {".pdf", ".png", ".toml"} else out
    described, content = Path(f"{out}.toml"), toml.encode()
    if described.exists() and described.read_bytes() != content:
        raise CalibrationError("describes another sheet, perhaps printed already", where=described, hint="choose --out")
    files = {f"{out}.pdf": pdf_of([sheet]), f"{out}.png": png_of(sheet), described: content}
    return [
        write_atomically(Path(path), lambda partial, c=content: partial.write_bytes(c))
        for path, content in files.items()
    ]


def pdf_of(sheets: list[Sheet]) -> bytes:
    file = io.BytesIO()
    canvas = new_canvas(file, sheets[0].strip.words)
    for sheet in sheets:
        draw(canvas, sheet)
    canvas.save()
    return file.getvalue()


def new_canvas(file: io.BytesIO, title: str) -> Canvas:
    canvas = Canvas(file, invariant=1)
    canvas.setTitle(title)
    canvas.setViewerPreference("PrintScaling", "None")  # what a viewer's print dialogue starts with
    return canvas


def draw(canvas: Canvas, sheet: Sheet) -> None:
    """A page in true scale: a PDF's unit is 1/72 inch, its origin the lower left corner."""
    height_mm = sheet.paper_mm[1]
    canvas.setPageSize([side * mm for side in sheet.paper_mm])
    for rectangle, color in sheet.pattern.colored:
        canvas.setFillColorRGB(*(value / 255 for value in color))
        fill(canvas, (rectangle,), height_mm)
    canvas.setFillColorRGB(0, 0, 0)
    fill(canvas, sheet.pattern.black, height_mm)
    draw_strip(canvas, sheet.strip, height_mm)
    canvas.showPage()


def draw_strip(canvas: Canvas, strip: Strip, height_mm: float) -> None:
    """Ruler and words on a page `height_mm` high."""
    canvas.saveState()
    left, top = strip.place_mm
    canvas.translate(left * mm, (height_mm - top) * mm)
    canvas.rotate(90 if strip.upright else 0)
    fill(canvas, strip.ruler, 0)
    canvas.setFont("Helvetica", WORDS_MM * mm)
    canvas.drawString(0, -(STRIP_MM - 0.4) * mm, strip.words)
    canvas.restoreState()


def fill(canvas: Canvas, rectangles: tuple[Rectangle, ...], from_mm: float) -> None:
    """All in one path: drawn one by one, neighbours would show hairlines between them."""
    path = canvas.beginPath()
    for left, top, width, height in rectangles:
        path.rect(left * mm, (from_mm - top - height) * mm, width * mm, height * mm)
    canvas.drawPath(path, stroke=0, fill=1, fillMode=FILL_NON_ZERO)  # where rectangles overlap, too


def png_of(sheet: Sheet) -> bytes:
    """The page at 254 dpi, which the file says; programs that heed it print in true scale."""
    page = raster(sheet)
    strip = np.full((round(STRIP_MM * PX_PER_MM), round(RULER_MM * PX_PER_MM) + 2, 3), 255, np.uint8)
    _fill(strip, [(rectangle, BLACK) for rectangle in sheet.strip.ruler])
    at, words = (0, strip.shape[0] - 5), sheet.strip.words
    cv2.putText(strip, words, at, cv2.FONT_HERSHEY_SIMPLEX, _text_scale(words, strip.shape[1]), BLACK, 1, cv2.LINE_AA)
    left, top = (round(place * PX_PER_MM) for place in sheet.strip.place_mm)
    if sheet.strip.upright:
        strip = np.rot90(strip)
        top -= strip.shape[0]
    page[top : top + strip.shape[0], left : left + strip.shape[1]] = strip
    return with_density(encode_png(page), 1000 * PX_PER_MM)


def raster(sheet: Sheet) -> np.ndarray:
    """(H, W, 3) uint8, PX_PER_MM pixels a millimetre, without the strip."""
    width, height = (math.ceil(side * PX_PER_MM) for side in sheet.paper_mm)
    page = np.full((height, width, 3), 255, np.uint8)
    _fill(page, sheet.pattern.colored)
    _fill(page, [(rectangle, BLACK) for rectangle in sheet.pattern.black])
    return page


def _fill(page: np.ndarray, colored: Iterable[tuple[Rectangle, Color]]) -> None:
    for (left, top, width, height), color in colored:
        first_row, end_row, first_column, end_column = (
            max(0, round(edge * PX_PER_MM)) for edge in (top, top + height, left, left + width)
        )
        page[first_row:end_row, first_column:end_column] = color


def _text_scale(words: str, room_px: int) -> float:
    (width, _), _ = cv2.getTextSize(words, cv2.FONT_HERSHEY_SIMPLEX, 1, 1)
    return min(0.7, room_px / width)


def with_density(png: bytes, px_per_m: int) -> bytes:
    """A PNG with a pHYs chunk (PNG specification 11.3.5.3) after its header of 8 + 25 bytes."""
    body = b"pHYs" + struct.pack(">IIB", px_per_m, px_per_m, 1)
    return png[:33] + struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body)) + png[33:]
