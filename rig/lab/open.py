"""A desk from the command line's words."""

from pathlib import Path

import numpy as np

from rig.calibrate.board import default_board, read_board
from rig.errors import RigError
from rig.images import read_image
from rig.lab.desk import Desk
from rig.lab.settings import Arrangement, LabCamera, read_lab_camera
from rig.runs import RunFolder
from rig.scene import load_scene
from rig.settings import validated


def open_desk(
    scene: str,
    board: Path | None = None,
    camera: Path | None = None,
    texture: Path | None = None,
    run: Path | None = None,
    artefact: str = "adversarial",
    chart: Path | None = None,
    radius_m: float = Arrangement().object_radius_m,
    seed: int = 0,
) -> Desk:
    """Raises RigError for whatever cannot be read."""
    return Desk(
        load_scene(scene),
        default_board() if board is None else read_board(board),
        LabCamera() if camera is None else read_lab_camera(camera),
        validated(Arrangement, {"object_radius_m": radius_m}, "rig lab"),
        adversarial=_adversarial(texture, run, artefact),
        chart=None if chart is None else read_image(chart),
        seed=seed,
    )


def _adversarial(texture: Path | None, run: Path | None, artefact: str) -> np.ndarray | None:
    if texture is not None and run is not None:
        raise RigError("--texture and --run exclude each other")
    if texture is not None:
        return read_image(texture)
    return None if run is None else RunFolder.open(run).artefact(artefact).texture
