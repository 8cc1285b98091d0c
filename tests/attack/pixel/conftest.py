import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # toy_network
SHARED = Path(__file__).parents[4] / "shared" / "assets"


@pytest.fixture(scope="session")
def shared():
    if not SHARED.is_dir():
        pytest.skip(f"{SHARED} is absent: no CIFAR-10 networks here")
    return SHARED
