"""Makes `small_graphs` importable, which the tests here share."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
