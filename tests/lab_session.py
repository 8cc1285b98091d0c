"""A camera session made in process: the virtual lab's desk, looked at and written by the capture stage's own code."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import cv2
import numpy as np

import rig
from rig.calibrate.board import read_board
from rig.calibrate.lens import Lens
from rig.calibrate.profile import CameraProfile, Quality
from rig.capture.feed import Reading
from rig.capture.record import CameraRecord, Pass, rows_of
from rig.capture.session import new_header, open_session
from rig.capture.sight import Observer
from rig.images import content_hash
from rig.lab import Desk
from rig.lab.control import Control
from rig.lab.settings import Arrangement, LabCamera
from rig.scene import Scene

BOARD = Path(__file__).parents[1] / "calibration" / "a4-8x11.toml"
NONE = Lens(fx_px=1, fy_px=1, cx_px=1, cy_px=1)
STARTED = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
STAND_S = 10.0  # long enough for the plate to stand still


def true_profile(camera: LabCamera = LabCamera()) -> CameraProfile:
    """The lab camera's own numbers, as if calibration had found them exactly."""
    quality = Quality(rms_px=0.2, held_out_rms_px=0.2, views=10, dropped_views=0, corners=700)
    values = {"date": STARTED, "rig": rig.__version__, "opencv": cv2.__version__, "quality": quality, "views": ()}
    lenses = {"lens": camera.lens, "standard_deviation": NONE, "board": read_board(BOARD)}
    return CameraProfile(schema=1, width_px=camera.width_px, height_px=camera.height_px, **values, **lenses)


def write_session(
    path: Path, scene: Scene, azimuths_deg, adversarial: np.ndarray | None = None, lost: tuple[int, ...] = ()
) -> Path:
    """One pass an artefact, a frame each STAND_S at every azimuth; the board of the frames in `lost` is out of sight."""
    board, profile = read_board(BOARD), true_profile()
    arrangement = Arrangement(object_radius_m=scene.config.object.radius_m)
    desk = Desk(scene, board, arrangement=arrangement, adversarial=adversarial)
    observer = Observer(board, profile, desk.board_from_object)
    session = open_session(path, new_header(scene.name, scene.config.model_dump(mode="json"), board, profile))
    time_s, number = 0.0, 0
    for artefact in ("clean",) if adversarial is None else ("clean", "adversarial"):
        placed, camera = rows_of(desk.board_from_object), CameraRecord(source="lab", asked={}, got={})
        session.begin(
            Pass(name=f"{artefact}-1", artefact=artefact, board_from_object=placed, camera=camera, started=STARTED)
        )
        desk.control(Control(texture=artefact), time_s)
        for azimuth_deg in azimuths_deg:
            desk.control(Control(turn_to_deg=float(azimuth_deg)), time_s)
            time_s += STAND_S
            image = desk.photograph(time_s).image
            image = np.zeros_like(image) if number in lost else image
            sight = observer.look(Reading(number, STARTED + timedelta(seconds=time_s), image))
            row = {"pass": f"{artefact}-1", "artefact": artefact, "trigger": "turntable", "hash": content_hash(image)}
            session.append(image, **row, **sight.row())
            number += 1
    session.close()
    return path
