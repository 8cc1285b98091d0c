"""Desks of the built-in turtle on the A4 board."""

from pathlib import Path

import pytest

from rig.calibrate.board import read_board
from rig.lab import Desk
from rig.lab.settings import LabCamera
from rig.scene import load_scene

BOARD = Path(__file__).parents[2] / "calibration" / "a4-8x11.toml"


@pytest.fixture(scope="session")
def turtle():
    return load_scene("turtle", texture_px=256)


@pytest.fixture(scope="session")
def board():
    return read_board(BOARD)


@pytest.fixture
def desk_of(turtle, board):
    """desk_of(camera settings..., further arguments of Desk as keywords in `more`) -> a new desk."""

    def make(more: dict | None = None, **camera) -> Desk:
        return Desk(turtle, board, LabCamera(**camera), **(more or {}))

    return make
