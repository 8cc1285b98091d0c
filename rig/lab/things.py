"""What the lab can put before its camera: board, object and chart as surfaces of a true size."""

import dataclasses
from functools import lru_cache

import cv2
import numpy as np

from rig.calibrate.board import Board
from rig.calibrate.simulated import PAPER, PX_PER_MM, WHITE_MM, print_of
from rig.contracts import Mesh, Transform
from rig.lab.settings import Printer
from rig.lab.surface import TILE, Surface, linear_of, rectangle
from rig.scene import shrink

CHART_LONGER_SIDE_M, CHART_TEXELS = 0.3, 2048
OBJECT_SAMPLES = 2
MAT_SIDES = 90
BOARD_EDGE_M, OBJECT_EDGE_M = 0.008, 0.02  # corners on the board are what everything is measured by


@lru_cache(maxsize=4)  # each desk with the same board has the same one
def board_surface(board: Board) -> Surface:
    """The print with white around it, in the board frame; its black and white are the simulated camera's."""
    printed = print_of(board)
    more_rows, more_columns = (-side % TILE for side in printed.shape)
    printed = np.pad(printed, ((more_rows, 0), (0, more_columns)), constant_values=PAPER)
    left_m = bottom_m = -WHITE_MM / 1000
    height_m, width_m = (side / PX_PER_MM / 1000 for side in printed.shape)
    image = np.repeat(np.rint(printed).astype(np.uint8)[:, :, None], 3, axis=2)
    return Surface(
        rectangle(left_m, bottom_m, left_m + width_m, bottom_m + height_m, image), linear_of(image), BOARD_EDGE_M
    )


def object_surface(mesh: Mesh, texture: np.ndarray, printer: Printer) -> Surface:
    """The object as that printer makes it."""
    painted = dataclasses.replace(mesh, texture=texture)
    return Surface(painted, printer.reflectance(linear_of(texture)), OBJECT_EDGE_M, OBJECT_SAMPLES)


def chart_surface(picture: np.ndarray, printer: Printer) -> Surface:
    """A printed sheet, its middle at the origin."""
    height_m, width_m = np.array(picture.shape[:2]) * (CHART_LONGER_SIDE_M / max(picture.shape[:2]))
    small = shrink(picture, CHART_TEXELS)
    rows, columns = (max(TILE, round(side / TILE) * TILE) for side in small.shape[:2])
    aligned = cv2.resize(small, (columns, rows), interpolation=cv2.INTER_AREA)
    sheet = rectangle(-width_m / 2, -height_m / 2, width_m / 2, height_m / 2, aligned)
    return Surface(sheet, printer.reflectance(linear_of(aligned)), CHART_LONGER_SIDE_M / 20)


def mat_surface(radius_m: float, reflectance: float) -> Surface:
    """A plain disc about the origin."""
    around = np.linspace(0, 2 * np.pi, MAT_SIDES, endpoint=False)
    unit = np.concatenate([[[0.0, 0.0]], np.stack([np.cos(around), np.sin(around)], axis=-1)])
    rim = np.arange(MAT_SIDES)
    mesh = Mesh(
        vertices_m=radius_m * np.c_[unit, np.zeros(len(unit))],
        faces=np.stack([0 * rim, 1 + rim, 1 + (rim + 1) % MAT_SIDES], axis=-1).astype(np.int32),
        uv=(unit + 1) / 2,
        normals=np.tile([0.0, 0, 1], (len(unit), 1)),
        texture=np.zeros((TILE, TILE, 3), np.uint8),
    )
    return Surface(mesh, np.full((TILE, TILE, 3), reflectance, np.float32), OBJECT_EDGE_M)


def standing_in_the_middle(board: Board, mesh: Mesh) -> Transform:
    """board_from_object of a mesh whose lowest point touches the middle of the print; its axes are the board's."""
    board_from_object = np.eye(4)
    board_from_object[:3, 3] = [*np.array(board.size_mm) / 2000, -mesh.vertices_m[:, 2].min()]
    return board_from_object
