"""Which island goes where: boxes with room for bleed, cut marks and a scale bar, row by row on as many pages as needed.

Page coordinates: millimetres from the page's upper left corner, x right, y down.
"""

from dataclasses import dataclass

from rig.calibrate.layout import QUIET_MM, STRIP_MM, UNPRINTABLE_MM, known_paper_mm
from rig.errors import RigError
from rig.printing.islands import Island

BLEED_MM = 2.0  # colour beyond the cut line, for scissors that miss it
MARK_GAP_MM, MARK_MM = 1.0, 3.0  # between bleed and cut mark; a cut mark's length
AROUND_MM = BLEED_MM + MARK_GAP_MM + MARK_MM
LABEL_MM = 10.0  # height of scale bar and words below an island
LABEL_WIDTH_MM = 50.0
HEADER_MM = 6.0
MIN_ISLAND_MM2 = 5.0  # smaller ones cannot be cut out


@dataclass(frozen=True)
class Placed:
    """`left_mm`, `top_mm`: the upper left corner of the island's own box."""

    number: int
    island: Island
    left_mm: float
    top_mm: float


@dataclass(frozen=True)
class Page:
    paper_mm: tuple[float, float]
    islands: tuple[Placed, ...]


def room_mm(paper: str) -> tuple[float, float]:
    """What a page has for islands with all that is around them."""
    width, height = known_paper_mm(paper)
    return width - 2 * UNPRINTABLE_MM, height - 2 * UNPRINTABLE_MM - HEADER_MM - QUIET_MM - STRIP_MM


def _around(island: Island) -> tuple[float, float]:
    """The island's box with all that is around it."""
    width, height = island.size_mm
    return max(width + 2 * AROUND_MM, LABEL_WIDTH_MM + AROUND_MM), height + 2 * AROUND_MM + LABEL_MM


def largest_scale(islands: list[Island], paper: str) -> float:
    """By how much the islands may be enlarged and each still fit a page, turned or not."""
    width, height = (side - taken for side, taken in zip(room_mm(paper), _taken_mm(), strict=True))
    return min(max(min(width / w, height / h) for w, h in (island.size_mm, island.size_mm[::-1])) for island in islands)


def _taken_mm() -> tuple[float, float]:
    return 2 * AROUND_MM, 2 * AROUND_MM + LABEL_MM


def lay_out(islands: list[Island], paper: str) -> list[Page]:
    """Rows of islands, the highest first, each in the first row with room for it. Raises RigError for one too large."""
    room, rows = room_mm(paper), _Rows(room_mm(paper))
    lying = [_lying(island, room) for island in islands]
    order = sorted(range(len(lying)), key=lambda i: -_around(lying[i])[1])
    places = {i: rows.place(*_around(lying[i])) for i in order}
    pages: list[list[Placed]] = [[] for _ in range(rows.n_pages)]
    for number in sorted(places):
        page, left, top = places[number]
        at = left + UNPRINTABLE_MM + AROUND_MM, top + UNPRINTABLE_MM + HEADER_MM + AROUND_MM
        pages[page].append(Placed(number + 1, lying[number], *at))
    return [Page(known_paper_mm(paper), tuple(page)) for page in pages]


def _lying(island: Island, room: tuple[float, float]) -> Island:
    """Its longer side across the page, or upright where it only fits so."""
    ways = [island, island.turned()]
    fitting = [way for way in ways if all(side <= most for side, most in zip(_around(way), room, strict=True))]
    if not fitting:
        got = "{:.0f} x {:.0f} mm".format(*island.size_mm)
        raise RigError("an island is larger than the paper has room for", where="--size-mm", got=got)
    return max(fitting, key=lambda way: way.size_mm[0])


class _Rows:
    """Rows as high as their first box, filled from the left; a page takes rows until it is full."""

    def __init__(self, room: tuple[float, float]):
        self.room = room
        self.rows: list[list[float]] = []  # page, top, height, used width
        self.n_pages = 0

    def place(self, width: float, height: float) -> tuple[int, float, float]:
        """Page, left and top of a box no larger than the room."""
        for row in self.rows:
            if height <= row[2] and row[3] + width <= self.room[0]:
                row[3] += width
                return int(row[0]), row[3] - width, row[1]
        page, top = (self.rows[-1][0], self.rows[-1][1] + self.rows[-1][2]) if self.rows else (0, 0.0)
        if top + height > self.room[1]:
            page, top = page + 1, 0.0
        self.rows.append([page, top, height, width])
        self.n_pages = int(page) + 1
        return int(page), 0.0, top
