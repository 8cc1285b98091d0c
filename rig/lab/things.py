"""What the lab can put before its camera: board, object and chart as surfaces of a true size."""

import dataclasses

import numpy as np

from rig.calibrate.board import Board
from rig.calibrate.simulated import WHITE_MM, print_of
from rig.contracts import Mesh, Transform
from rig.lab.settings import Printer
from rig.lab.surface import Surface, linear_of, rectangle
from rig.scene import shrink

CHART_LONGER_SIDE_M, CHART_TEXELS = 0.3, 2048


def board_surface(board: Board) -> Surface:
    """The print with white around it, in the board frame; its black and white are the simulated camera's."""
    printed = np.repeat(np.rint(print_of(board)).astype(np.uint8)[:, :, None], 3, axis=2)
    width_mm, height_mm = board.size_mm
    edges_m = np.array([-WHITE_MM, -WHITE_MM, width_mm + WHITE_MM, height_mm + WHITE_MM]) / 1000
    return Surface(rectangle(*edges_m, printed), linear_of(printed))


def object_surface(mesh: Mesh, texture: np.ndarray, printer: Printer) -> Surface:
    """The object as that printer makes it."""
    return Surface(dataclasses.replace(mesh, texture=texture), printer.reflectance(linear_of(texture)))


def chart_surface(picture: np.ndarray, printer: Printer) -> Surface:
    """A printed sheet, its middle at the origin."""
    picture = shrink(picture, CHART_TEXELS)
    height_m, width_m = np.array(picture.shape[:2]) * (CHART_LONGER_SIDE_M / max(picture.shape[:2]))
    sheet = rectangle(-width_m / 2, -height_m / 2, width_m / 2, height_m / 2, picture)
    return Surface(sheet, printer.reflectance(linear_of(picture)))


def standing_in_the_middle(board: Board, mesh: Mesh) -> Transform:
    """board_from_object of a mesh whose lowest point touches the middle of the print; its axes are the board's."""
    board_from_object = np.eye(4)
    board_from_object[:3, 3] = [*np.array(board.size_mm) / 2000, -mesh.vertices_m[:, 2].min()]
    return board_from_object
