"""The pages of a print as one PDF: islands to cut out, what the printer cannot give, and the board."""

import io

import numpy as np
from PIL import Image
from reportlab.lib.units import mm
from reportlab.lib.utils import ImageReader
from reportlab.pdfgen.canvas import Canvas

from rig.calibrate.layout import RULER_WORDS, UNPRINTABLE_MM, Sheet, Strip, strip_place_mm
from rig.calibrate.sheet import draw, draw_strip, new_canvas
from rig.contracts import Mesh
from rig.printing.gamut import Preview
from rig.printing.islands import Island
from rig.printing.pages import BLEED_MM, MARK_GAP_MM, MARK_MM, Page, Placed
from rig.printing.picture import MM_PER_INCH, picture_of
from rig.scene.gamut import TOLERANCE_DELTA_E

LINE_MM, WORDS_MM, TITLE_MM = 0.1, 2.2, 3.0
BAR_MM = 10.0
CUT_GREY = 0.55  # seen on dark and on light


def pdf_of(
    pages: list[Page], texture: np.ndarray, mesh: Mesh, dpi: int, title: str, seen: Preview, board: Sheet
) -> bytes:
    file = io.BytesIO()
    canvas = new_canvas(file, title)
    for number, page in enumerate(pages, start=1):
        begin_page(canvas, page.paper_mm, f"{title}; sheet {number} of {len(pages)}")
        for placed in page.islands:
            _island(canvas, placed, texture, mesh, dpi, page.paper_mm[1])
        end_page(canvas, page.paper_mm)
    _gamut_page(canvas, pages[0].paper_mm, title, seen)
    draw(canvas, board)
    canvas.save()
    return file.getvalue()


def begin_page(canvas: Canvas, paper_mm: tuple[float, float], words: str) -> None:
    canvas.setPageSize([side * mm for side in paper_mm])
    canvas.setFont("Helvetica", TITLE_MM * mm)
    canvas.drawString(2 * UNPRINTABLE_MM * mm, (paper_mm[1] - UNPRINTABLE_MM - TITLE_MM) * mm, words)


def end_page(canvas: Canvas, paper_mm: tuple[float, float]) -> None:
    draw_strip(canvas, Strip(strip_place_mm(paper_mm, upright=False), False, RULER_WORDS), paper_mm[1])
    canvas.showPage()


def _island(canvas: Canvas, placed: Placed, texture, mesh: Mesh, dpi: int, page_height_mm: float) -> None:
    """In coordinates of its own: millimetres from the lower left of its box, y up."""
    island = placed.island
    width, height = island.size_mm
    canvas.saveState()
    canvas.translate(placed.left_mm * mm, (page_height_mm - placed.top_mm - height) * mm)
    picture = picture_of(island, texture, dpi)
    high_mm, wide_mm = (side * MM_PER_INCH / dpi for side in picture.shape[:2])
    lower_mm = height + BLEED_MM - high_mm  # whole pixels: counted from the upper left
    canvas.drawImage(reader_of(picture), -BLEED_MM * mm, lower_mm * mm, wide_mm * mm, high_mm * mm)
    canvas.setLineWidth(LINE_MM * mm)
    canvas.setStrokeGray(CUT_GREY)
    canvas.lines([[x * mm for x in edge.ravel().tolist()] for edge in island.outline_mm(mesh)])
    canvas.setStrokeGray(0)
    canvas.lines([[x * mm for x in mark] for mark in cut_marks(width, height)])
    _scale_bar(canvas, placed.number, island)
    canvas.restoreState()


def reader_of(picture: np.ndarray) -> ImageReader:
    return ImageReader(Image.fromarray(picture))


def cut_marks(width: float, height: float) -> list[tuple[float, float, float, float]]:
    """Two lines at each corner of the island's box, outside its bleed."""
    near, far = BLEED_MM + MARK_GAP_MM, BLEED_MM + MARK_GAP_MM + MARK_MM
    across = [(x, y) for y in (0.0, height) for x in ((-far, -near), (width + near, width + far))]
    along = [(x, y) for x in (0.0, width) for y in ((-far, -near), (height + near, height + far))]
    return [(x0, y, x1, y) for (x0, x1), y in across] + [(x, y0, x, y1) for x, (y0, y1) in along]


def _scale_bar(canvas: Canvas, number: int, island: Island) -> None:
    """10 mm, and how true this island is to its surface."""
    base = -(BLEED_MM + MARK_GAP_MM + MARK_MM + 1.5)
    canvas.lines(
        [
            [x * mm for x in line]
            for line in (
                (0, base, BAR_MM, base),
                (0, base - 0.7, 0, base + 0.7),
                (BAR_MM, base - 0.7, BAR_MM, base + 0.7),
            )
        ]
    )
    canvas.setFont("Helvetica", WORDS_MM * mm)
    lines = f"island {number}: 10 mm", f"scale {scale_words(island)}", f"at worst {_percent(island.scale.worst)}"
    for line, words in enumerate(lines):
        canvas.drawString((BAR_MM + 1.5) * mm, (base - 0.7 - 1.2 * line * WORDS_MM) * mm, words)


def scale_words(island: Island) -> str:
    return f"{_percent(island.scale.most)} on 95 %"


def _percent(ratios: tuple[float, float]) -> str:
    low, high = (round(100 * (ratio - 1), 1) + 0.0 for ratio in ratios)  # no -0.0
    return f"{low:+.1f} to {high:+.1f} %"


def _gamut_page(canvas: Canvas, paper_mm: tuple[float, float], title: str, seen: Preview) -> None:
    begin_page(canvas, paper_mm, f"{title}; what the printer can give")
    high_px, wide_px = seen.picture.shape[:2]
    width_mm = min(paper_mm[0] - 4 * UNPRINTABLE_MM, (paper_mm[1] - 80) * wide_px / high_px)
    height_mm = width_mm * high_px / wide_px
    top = paper_mm[1] - 20
    canvas.drawImage(
        reader_of(seen.picture), 2 * UNPRINTABLE_MM * mm, (top - height_mm) * mm, width_mm * mm, height_mm * mm
    )
    canvas.setFont("Helvetica", TITLE_MM * mm)
    for line, words in enumerate(gamut_words(seen)):
        canvas.drawString(2 * UNPRINTABLE_MM * mm, (top - height_mm - (line + 1.5) * 1.5 * TITLE_MM) * mm, words)
    end_page(canvas, paper_mm)


def gamut_words(seen: Preview) -> list[str]:
    return [
        "Not to scale. Left: the texture. Middle: the nearest printable colours.",
        "Right, in red: texels that no printable colour comes near.",
        f"{seen.outside_frac:.1%} of the texels used lie outside the gamut of {seen.gamut}:",
        f"farther than Delta-E {TOLERANCE_DELTA_E:g}, on average {seen.outside_delta_e:.1f}.",
    ]
