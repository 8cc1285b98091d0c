"""Small real runs through the campaign's own code, on a network of colours and a cube; and hands that tamper with copies."""

import json
import shutil
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch

from rig.attack import poses
from rig.attack.settings import AttackSettings
from rig.audit.deep.toy import write_cube, write_toy
from rig.campaign import TextureJob, attack_texture
from rig.images import content_hash, encode_png
from rig.scene import load_config

sys.path.insert(0, str(Path(__file__).parents[1] / "attack" / "pixel"))  # toy_network
sys.path.insert(0, str(Path(__file__).parents[1]))  # lab_session

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


def quiet(*_) -> None:
    pass


@pytest.fixture(scope="session", autouse=True)
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


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
        job = TextureJob(scene, str(bench / "toy.onnx"), AttackSettings(**SETTINGS), 16, 0, (20.0, None), True)
        path = tmp_path_factory.mktemp("runs") / "cube"
        attack_texture(job, path, ["rig", "attack", "texture", "cube.toml"], quiet)
    finally:
        poses.draw_views = real
    return path


@pytest.fixture
def run(attacked, tmp_path) -> "Tampered":
    """A copy of `attacked` to plant a fault in."""
    return Tampered(shutil.copytree(attacked, tmp_path / "cube"))


class Tampered:
    """A run folder and ways to change what it says, each leaving everything else consistent."""

    def __init__(self, path: Path):
        self.path = path

    def json(self, name: str, change) -> None:
        path = self.path / name
        content = json.loads(path.read_text())
        change(content)
        path.write_text(json.dumps(content))

    def state(self, change) -> None:
        self.json("run.json", change)

    def metrics(self, change) -> None:
        self.json("metrics.json", change)

    def rows(self, change) -> None:
        parts = sorted(self.path.glob("trials/part-*.parquet"))
        table = change(pl.concat([pl.read_parquet(part) for part in parts], how="diagonal"))
        for part in parts:
            part.unlink()
        table.write_parquet(self.path / "trials" / "part-all.parquet")

    def predict(self, label: str, *where: pl.Expr) -> None:
        """These rows say `label`, consistently in every column but the probabilities."""
        outcome = {"red": "target", "plain": "correct"}.get(label, "other_wrong")
        chosen = pl.all_horizontal(*where)
        said = {"predicted": label, "outcome": outcome}
        self.rows(
            lambda rows: rows.with_columns(
                pl.when(chosen).then(pl.lit(value)).otherwise(pl.col(name)).alias(name) for name, value in said.items()
            )
        )

    def paint(self, artefact: str, texture: np.ndarray, honest: bool = True) -> None:
        """Another picture; `honest`: artefact.json states its hash."""
        folder = f"artefacts/{artefact}"
        (self.path / folder / "texture.png").write_bytes(encode_png(texture))
        if honest:
            self.json(f"{folder}/artefact.json", lambda record: record.update(texture_sha256=content_hash(texture)))
