"""Makes `small_graphs` importable, which the tests here share, and leaves the official node tests for `-m`."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))


def pytest_configure(config):
    config.addinivalue_line("markers", "onnx_backend: the official ONNX node tests, run when asked for by -m")


def pytest_collection_modifyitems(config, items):
    if "onnx_backend" not in config.getoption("-m"):
        left_out = [item for item in items if item.get_closest_marker("onnx_backend")]
        items[:] = [item for item in items if item not in left_out]
        config.hook.pytest_deselected(items=left_out)
