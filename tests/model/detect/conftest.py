"""Makes `planted` importable, which the tests here share."""

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))

SQUARES = {0: (47.5, 23.5, 63.5, 39.5), 1: (15.5, -0.5, 31.5, 15.5)}  # label to box: red and green


@pytest.fixture(scope="session")
def squares():
    return SQUARES


@pytest.fixture(scope="session")
def picture():
    """(64, 96, 3): a red square in columns 48 to 63, a green one in columns 16 to 31."""
    image = np.zeros((64, 96, 3), np.uint8)
    image[24:40, 48:64, 0] = 255
    image[0:16, 16:32, 1] = 255
    return image
