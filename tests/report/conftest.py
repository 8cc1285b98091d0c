import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))  # page_parts
sys.path.insert(0, str(Path(__file__).parents[1] / "metrics"))  # synthetic_run
sys.path.insert(0, str(Path(__file__).parents[1] / "capture"))  # browser
sys.path.insert(0, str(Path(__file__).parents[1]))  # chromium
