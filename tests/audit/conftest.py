"""A small real run through the campaign's own code, on a network of colours and a cube, and copies of it."""

import shutil
import sys
from pathlib import Path

import numpy as np
import pytest

from rig.attack import poses
from rig.attack.settings import AttackSettings
from rig.audit.deep.toy import write_cube, write_toy
from rig.campaign import TextureJob, attack_texture
from rig.images import encode_png
from rig.scene import load_config

sys.path.insert(0, str(Path(__file__).parent))  # tampered
sys.path.insert(0, str(Path(__file__).parents[1] / "attack" / "pixel"))  # toy_network
sys.path.insert(0, str(Path(__file__).parents[1] / "metrics"))  # synthetic_run
sys.path.insert(0, str(Path(__file__).parents[1]))  # lab_session

from tampered import Tampered, quiet  # noqa: E402

SCALE = 10.0  # of the toy's logits: clean and painted frames lie several logits from the boundary
SETTINGS = {
    "target": "red",
    "max_delta_e": 40.0,
    "steps": 24,
    "views_per_step": 4,
    "texture_px": 32,
    "validation_views": 8,
    "validate_every": 8,
}


@pytest.fixture(scope="session")
def bench(tmp_path_factory):
    """Network, and a cube whose first texel columns must not be painted."""
    folder = tmp_path_factory.mktemp("bench")
    write_toy(folder / "toy.onnx", SCALE)
    scene = write_cube(folder)
    mask = np.full((32, 32, 3), 255, np.uint8)
    mask[:, :4] = 0
    (folder / "mask.png").write_bytes(encode_png(mask))
    scene.write_text(scene.read_text().replace("labels", 'paintable = "mask.png"\nlabels'))
    return folder


@pytest.fixture(scope="session")
def drawn():
    """Every view that the optimiser was shown while `attacked` was made, as it was drawn then."""
    return []


@pytest.fixture(scope="session")
def attacked(bench, drawn, tmp_path_factory):
    """An attack with a budget, a smaller one, none, and its controls: not to be changed."""
    real = poses.draw_views
    poses.draw_views = lambda *args, **kwargs: drawn.extend(found := real(*args, **kwargs)) or found
    try:
        scene = load_config(bench / "cube.toml").model_dump(mode="json")
        job = TextureJob(scene, (str(bench / "toy.onnx"),), AttackSettings(**SETTINGS), 16, 0, (20.0, None), True)
        path = tmp_path_factory.mktemp("runs") / "cube"
        attack_texture(job, path, ["rig", "attack", "texture", "cube.toml"], quiet)
    finally:
        poses.draw_views = real
    return path


@pytest.fixture
def run(attacked, tmp_path) -> Tampered:
    """A copy of `attacked` to plant a fault in."""
    return Tampered(shutil.copytree(attacked, tmp_path / "cube"))
