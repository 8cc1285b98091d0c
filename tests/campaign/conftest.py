import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "attack" / "pixel"))  # toy_network
sys.path.insert(0, str(Path(__file__).parents[1]))  # lab_session, sticker_scene, chromium
sys.path.insert(0, str(Path(__file__).parents[1] / "audit"))  # tampered
sys.path.insert(0, str(Path(__file__).parents[1] / "model" / "detect"))  # planted
