"""The camera's picture with what is known about it drawn in: board, object outline, axes."""

import threading

import cv2
import numpy as np

from rig.calibrate.board import Board
from rig.capture.outline import Outline
from rig.capture.sight import Sight
from rig.contracts import Mesh, Transform
from rig.geometry import apply
from rig.images import encode_jpeg

LINE, HALO, CORNER = (255, 209, 102), (20, 20, 20), (86, 180, 233)
AXES = ((230, 80, 60), (60, 190, 90), (70, 130, 255))  # x, y, z
AXIS_M = 0.06
JPEG_QUALITY = 80
NEAREST_M = 1e-3


class Picture:
    """Drawn once a frame, however many look."""

    def __init__(self, board: Board, lens, board_from_object: Transform, mesh: Mesh | None):
        self._lens, self._board_from_object = lens, board_from_object
        self._outline = None if mesh is None else Outline(mesh)
        width_m, height_m = np.array(board.size_mm) / 1000
        self._border_m = np.array([[0, 0, 0], [width_m, 0, 0], [width_m, height_m, 0], [0, height_m, 0], [0, 0, 0]])
        self._lock = threading.Lock()
        self._last: tuple[int, bytes] = (-1, b"")

    def jpeg(self, sight: Sight) -> bytes:
        with self._lock:
            if self._last[0] != sight.reading.number:
                self._last = sight.reading.number, encode_jpeg(self.draw(sight), JPEG_QUALITY)
            return self._last[1]

    def draw(self, sight: Sight) -> np.ndarray:
        """(H, W, 3) uint8 RGB."""
        image = sight.reading.image.copy()
        if sight.pose is None:
            return image
        camera_from_board = sight.pose.camera_from_board
        camera_from_object = camera_from_board @ self._board_from_object
        self._lines(image, [self._border_m], camera_from_board, CORNER)
        for corner_px in sight.seen.corners_px:
            cv2.circle(image, _at(corner_px), 2, CORNER, -1, cv2.LINE_AA)
        if self._outline is not None:
            edges = self._outline.seen_from(camera_from_object)
            self._lines(image, self._outline.vertices_m[edges], camera_from_object, LINE)
        for axis, colour in enumerate(AXES):
            self._lines(image, [np.stack([np.zeros(3), AXIS_M * np.eye(3)[axis]])], camera_from_object, colour, 2)
        return image

    def _lines(self, image, lines, camera_from: Transform, colour, width: int = 1) -> None:
        """Lines of points in metres, with a dark halo that keeps them apart from any background."""
        points = np.concatenate(list(lines))
        if not len(points) or (apply(camera_from, points)[:, 2] <= NEAREST_M).any():
            return
        pixels = np.rint(np.clip(self._lens.project(points, camera_from), -1e4, 1e4)).astype(np.int32)
        drawn = np.split(pixels, np.cumsum([len(line) for line in lines])[:-1])
        cv2.polylines(image, drawn, False, HALO, width + 1, cv2.LINE_AA)
        cv2.polylines(image, drawn, False, colour, width, cv2.LINE_AA)


def _at(pixel: np.ndarray) -> tuple[int, int]:
    column, row = np.rint(pixel).astype(int).tolist()
    return column, row
