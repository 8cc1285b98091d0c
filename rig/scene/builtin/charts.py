"""Objects made by code: smooth surfaces over unit squares, painted texel by texel and packed into one texture.

A chart is a map from the unit square to space. Its square becomes a rectangle of the texture, so every texel belongs
to exactly one place on the object, and painting is a function of that place.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.ndimage import distance_transform_edt, map_coordinates

from rig.contracts import Mesh

TEXTURE_PX = 512
GUTTER_PX = 2  # on each side of a chart


@dataclass(frozen=True)
class Chart:
    """surface(s, t) gives points (..., 3); ds x dt points outwards. paint(s, t, points) gives RGB (..., 3) in [0, 1].

    `cells` is the number of quads along s and along t. `rising` tells which diagonal splits a quad: an array of
    booleans (cells_t, cells_s), or one boolean for all.
    """

    surface: Callable[[np.ndarray, np.ndarray], np.ndarray]
    paint: Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]
    cells: tuple[int, int]
    rising: np.ndarray | bool = True

    def grid(self) -> np.ndarray:
        """Points (cells_t + 1, cells_s + 1, 3)."""
        return self.surface(*np.meshgrid(*(np.linspace(0, 1, n + 1) for n in self.cells)))

    def extent_m(self) -> np.ndarray:
        """Mean length of the surface along s and along t."""
        points = self.grid()
        return np.array([np.linalg.norm(np.diff(points, axis=a), axis=-1).sum(a).mean() for a in (1, 0)])


@dataclass(frozen=True)
class Rectangle:
    """Texels of one chart; x and y count from the texture's bottom left corner, as uv does."""

    x: int
    y: int
    width: int
    height: int

    def texel_centres(self) -> tuple[np.ndarray, np.ndarray]:
        """(s, t), each (height, width), bottom row first."""
        return np.meshgrid((np.arange(self.width) + 0.5) / self.width, (np.arange(self.height) + 0.5) / self.height)


def build(charts: Sequence[Chart], light: Callable[[Mesh], np.ndarray] | None = None) -> Mesh:
    """One mesh of all charts in the unit sphere. `light(mesh)` gives the vertices a brightness (N,) to be baked."""
    rectangles = pack([chart.extent_m() for chart in charts], TEXTURE_PX)
    mesh = normalised(_geometry(charts, rectangles))
    brightness = np.ones(len(mesh.vertices_m)) if light is None else light(mesh)
    texture, painted, start = np.zeros((TEXTURE_PX, TEXTURE_PX, 3)), np.zeros((TEXTURE_PX, TEXTURE_PX), bool), 0
    for chart, box in zip(charts, rectangles, strict=True):
        s, t = box.texel_centres()
        shape = (chart.cells[1] + 1, chart.cells[0] + 1)
        baked = brightness[start : start + shape[0] * shape[1]].reshape(shape)
        start += baked.size
        shade = map_coordinates(baked, [t * chart.cells[1], s * chart.cells[0]], order=1)
        place = np.s_[box.y : box.y + box.height, box.x : box.x + box.width]
        texture[place] = chart.paint(s, t, chart.surface(s, t)) * shade[..., None]
        painted[place] = True
    texture = _filled(texture, painted)[::-1]
    return _compact(replace(mesh, texture=np.rint(255 * np.clip(texture, 0, 1)).astype(np.uint8)))


def pack(extents_m: Sequence[np.ndarray], size_px: int) -> list[Rectangle]:
    """Rectangles in proportion to the extents (width, height), about as large as they fit, with gutters."""
    low, high = 0.0, float(size_px) / max(extent.max() for extent in extents_m)
    for _ in range(12):
        middle = (low + high) / 2
        low, high = (middle, high) if _placed(extents_m, middle, size_px) else (low, middle)
    return _placed(extents_m, low, size_px)


def _placed(extents_m, scale, size_px) -> list[Rectangle] | None:
    """Tallest first, each as low and then as far left as the corners so far allow; None where one does not fit."""
    sizes = [tuple(int(side) + 2 * GUTTER_PX for side in np.maximum(extent * scale, 1)) for extent in extents_m]
    boxes = {}
    for i in sorted(range(len(sizes)), key=lambda i: sizes[i][::-1], reverse=True):
        box = _lowest_free(boxes.values(), *sizes[i], size_px)
        if box is None:
            return None
        boxes[i] = box
    margin = 2 * GUTTER_PX
    return [
        Rectangle(x + GUTTER_PX, y + GUTTER_PX, width - margin, height - margin)
        for x, y, width, height in (boxes[i] for i in range(len(sizes)))
    ]


def _lowest_free(boxes, width, height, size_px) -> tuple[int, int, int, int] | None:
    rows = sorted({0} | {y + h for _, y, _, h in boxes if y + h + height <= size_px})
    columns = sorted({0} | {x + w for x, _, w, _ in boxes if x + w + width <= size_px})
    for y in rows if height <= size_px else ():
        for x in columns if width <= size_px else ():
            if all(x >= a + w or a >= x + width or y >= b + h or b >= y + height for a, b, w, h in boxes):
                return x, y, width, height
    return None


def _geometry(charts, rectangles) -> Mesh:
    """Vertices, faces and uv of all charts; neither normalised nor painted yet."""
    points, faces, uv, start = [], [], [], 0
    for chart, box in zip(charts, rectangles, strict=True):
        grid = chart.grid()
        rows, columns = grid.shape[:2]
        s, t = np.meshgrid(np.linspace(0, 1, columns), np.linspace(0, 1, rows))
        points.append(grid.reshape(-1, 3))
        uv.append(np.stack([box.x + s * box.width, box.y + t * box.height], -1).reshape(-1, 2) / TEXTURE_PX)
        faces.append(start + _triangles(rows, columns, chart.rising))
        start += rows * columns
    vertices, faces = np.concatenate(points), np.concatenate(faces)
    faces = faces[np.linalg.norm(_face_normals(vertices, faces), axis=1) > 1e-9]  # a tip's last row is one point
    blank = np.zeros((1, 1, 3), np.uint8)
    return Mesh(vertices, faces.astype(np.int32), np.concatenate(uv), np.zeros_like(vertices), blank)


def _triangles(rows: int, columns: int, rising: np.ndarray | bool) -> np.ndarray:
    """Faces (M, 3) of a grid numbered row by row, counter-clockwise with s to the right and t up."""
    a = (np.arange(rows - 1)[:, None] * columns + np.arange(columns - 1)).ravel()
    b, c, d = a + 1, a + 1 + columns, a + columns
    up = np.broadcast_to(rising, (rows - 1, columns - 1)).ravel()[:, None]
    first = np.where(up, np.stack([a, b, c], 1), np.stack([a, b, d], 1))
    second = np.where(up, np.stack([a, c, d], 1), np.stack([b, c, d], 1))
    return np.concatenate([first, second])


def normalised(mesh: Mesh) -> Mesh:
    """The mesh moved and scaled into the unit sphere, with smooth normals."""
    centred = mesh.vertices_m - enclosing_centre(mesh.vertices_m)
    vertices = centred / np.linalg.norm(centred, axis=1).max()
    return replace(mesh, vertices_m=vertices, normals=smooth_normals(vertices, mesh.faces))


def enclosing_centre(points: np.ndarray, steps: int = 2000) -> np.ndarray:
    """Centre of the smallest enclosing ball, by Badoiu and Clarkson's walk towards the farthest point."""
    centre = points.mean(axis=0)
    for i in range(1, steps + 1):
        farthest = points[np.argmax(((points - centre) ** 2).sum(axis=1))]
        centre = centre + (farthest - centre) / (i + 1)
    return centre


def smooth_normals(vertices: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """Area-weighted vertex normals (N, 3); vertices at one place share theirs, so charts meet without an edge."""
    _, place = np.unique(np.round(vertices, 7), axis=0, return_inverse=True)
    face_normals = _face_normals(vertices, faces)
    sums = np.zeros((place.max() + 1, 3))
    for corner in faces.T:
        np.add.at(sums, place.ravel()[corner], face_normals)
    normals = sums[place.ravel()]
    return normals / np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12)


def _face_normals(vertices, faces) -> np.ndarray:
    """(M, 3), as long as twice the face's area."""
    a, b, c = (vertices[corner] for corner in faces.T)
    return np.cross(b - a, c - a)


def _compact(mesh: Mesh) -> Mesh:
    """Without the vertices that no face uses."""
    used, faces = np.unique(mesh.faces, return_inverse=True)
    return replace(
        mesh,
        vertices_m=mesh.vertices_m[used],
        uv=mesh.uv[used],
        normals=mesh.normals[used],
        faces=faces.reshape(-1, 3).astype(np.int32),
    )


def _filled(texture: np.ndarray, painted: np.ndarray) -> np.ndarray:
    """Gutters take the nearest chart's colour, so that filtering never bleeds."""
    _, (rows, columns) = distance_transform_edt(~painted, return_indices=True)
    return texture[rows, columns]
