"""A capture from the command line's words."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from rig.calibrate.board import read_board
from rig.calibrate.profile import CameraProfile, read_profile
from rig.capture.cameras import Settings, differences, open_camera
from rig.capture.cells import STEP_DEG, Grid
from rig.capture.feed import Feed
from rig.capture.placement import placed
from rig.capture.record import CameraRecord, Pass, SessionError, require_name, rows_of
from rig.capture.session import new_header, open_session
from rig.capture.sight import Observer
from rig.capture.station import Station
from rig.capture.triggers import Continuous, OnKey, Trigger, Turntable
from rig.capture.verdicts import Judge, Watch, object_crop
from rig.model import DeployedModel, resolve
from rig.scene import Scene, load_scene

TEXTURE_PX = 64  # a session needs the scene's shape only


@dataclass(frozen=True)
class Wanted:
    """What the command line says."""

    camera: str
    board: Path
    profile: Path
    object: str
    out: Path
    scene: str | None = None
    scene_settings: tuple[str, ...] = ()
    artefact: str = "clean"
    pass_name: str | None = None
    object_at: str | None = None
    trigger: str = "turntable"
    every: int = 1
    step_deg: float = STEP_DEG
    models: tuple[str, ...] = ()
    target: str | None = None
    camera_settings: Settings | None = None


@contextlib.contextmanager
def opened(wanted: Wanted) -> Iterator[tuple[Station, Scene | None]]:
    """Everything open; closed again at the end, however it comes. Raises RigError before anything is written."""
    board, profile = read_board(wanted.board), read_profile(wanted.profile)
    scene = None if wanted.scene is None else load_scene(wanted.scene, wanted.scene_settings, TEXTURE_PX)
    grid = _grid(wanted.step_deg)
    trigger = _trigger(wanted, grid)
    require_name(wanted.object, "--object")
    require_name(wanted.artefact, "--artefact")
    one_name = require_name(wanted.pass_name or f"{wanted.artefact}-1", "--pass")
    board_from_object = placed(board, scene and scene.mesh, wanted.object_at)
    watch = _watch(wanted, scene, board_from_object, profile)
    resolved = None if scene is None else scene.config.model_dump(mode="json")
    header = new_header(wanted.object, resolved, board, profile)

    feed = Feed(open_camera(wanted.camera), _asked(wanted, profile))
    feed.start()
    try:
        session = open_session(wanted.out, header)
        try:
            camera = CameraRecord(source=feed.camera.source, asked=feed.asked, got=feed.got)
            placed_rows = rows_of(board_from_object)
            one = session.begin(
                Pass(
                    name=one_name,
                    artefact=wanted.artefact,
                    board_from_object=placed_rows,
                    camera=camera,
                    started=_now(),
                )
            )
            observer = Observer(board, profile, board_from_object)
            yield Station(feed, observer, trigger, session, one, grid, watch), scene
        finally:
            session.close()
    finally:
        watch.close()
        feed.close()


def camera_words(station: Station) -> list[str]:
    """What the camera did not do as asked."""
    return differences(station.feed.asked, station.feed.got) if station.feed.got else []


def _asked(wanted: Wanted, profile: CameraProfile) -> Settings:
    """The calibrated resolution, from a camera by its index; a stream or a file comes as it is."""
    if not wanted.camera.isdecimal():
        if wanted.camera_settings:
            raise SessionError("only a camera given by its index can be set", where="--camera-set", got=wanted.camera)
        return {}
    return {"width_px": float(profile.width_px), "height_px": float(profile.height_px)} | (wanted.camera_settings or {})


def _grid(step_deg: float) -> Grid:
    if not (1 <= step_deg <= 90 and 90 % step_deg == 0):
        raise SessionError("does not divide 90", where="--step-deg", got=f"{step_deg:g}", expected="5, 10, 15, 30, ...")
    return Grid(step_deg)


def _trigger(wanted: Wanted, grid: Grid) -> Trigger:
    made = {"continuous": lambda: Continuous(wanted.every), "key": OnKey, "turntable": lambda: Turntable(grid)}
    if wanted.trigger not in made:
        raise SessionError("unknown trigger", where="--trigger", got=wanted.trigger, expected=" or ".join(made))
    return made[wanted.trigger]()


def _watch(wanted: Wanted, scene: Scene | None, board_from_object, profile: CameraProfile) -> Watch:
    if wanted.target is not None and not wanted.models:
        raise SessionError("a target needs a model", where="--target", hint="give --model, too")
    labels = () if scene is None else scene.config.object.labels
    radius_m = None if scene is None else scene.config.object.radius_m
    models = [DeployedModel(resolve(name), threads=1) for name in wanted.models]
    judges = [Judge(model, labels, wanted.target) for model in models]
    return Watch(judges, lambda sight: object_crop(sight, board_from_object, radius_m, profile.lens))


def _now() -> datetime:
    return datetime.now(UTC)
