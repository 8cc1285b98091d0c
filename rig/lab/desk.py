"""The desk: what lies on it, and photographs of it with their truth."""

import dataclasses
import math
from dataclasses import dataclass, field

import numpy as np

from rig.calibrate.board import Board
from rig.contracts import Transform
from rig.errors import RigError
from rig.geometry import apply
from rig.lab.control import Control
from rig.lab.optics import Optics
from rig.lab.placement import Placement, State, chart_on_the_wall, held, on_the_plate
from rig.lab.sensor import develop
from rig.lab.settings import Arrangement, LabCamera
from rig.lab.surface import Surface
from rig.lab.things import board_surface, chart_surface, mat_surface, object_surface, standing_in_the_middle
from rig.lab.turntable import Turntable
from rig.scene import Scene
from rig.scene.mesh import normalized
from rig.views import derive_seed

NEAREST_M = 0.03  # of anything to the camera
MAX_EXPOSURES = 8  # summed in one frame while the plate turns
SET_BY_CONTROL = ("show", "texture", "elevation_deg", "distance_m", "exposure", "board_pose")


@dataclass(frozen=True)
class Photo:
    """`truth` is JSON-ready; see rig.lab."""

    image: np.ndarray  # (H, W, 3) uint8 RGB, before JPEG
    truth: dict = field(repr=False)


class Desk:
    """Time is the caller's: seconds of any clock that runs forwards. The same calls give the same pixels."""

    def __init__(
        self,
        scene: Scene,
        board: Board,
        camera: LabCamera = LabCamera(),
        arrangement: Arrangement = Arrangement(),
        adversarial: np.ndarray | None = None,
        chart: np.ndarray | None = None,
        seed: int = 0,
    ):
        self.object, self.board, self.camera, self.arrangement, self.seed = scene.name, board, camera, arrangement, seed
        self.state, self.turntable, self.frames = State(arrangement.light), Turntable(), 0
        self._optics, self._seen = Optics(camera), None
        mesh, printer = normalized(scene.mesh, arrangement.object_radius_m), arrangement.printer
        self.board_from_object = standing_in_the_middle(board, mesh)
        self._board, has_mat = board_surface(board), arrangement.mat_radius_m > 0
        self._mat = mat_surface(arrangement.mat_radius_m, arrangement.mat) if has_mat else None
        textures = {"clean": scene.mesh.texture, "adversarial": adversarial}
        self._painted = {n: object_surface(mesh, t, printer) for n, t in textures.items() if t is not None}
        self._chart = None if chart is None else chart_surface(chart, printer)

    def control(self, control: Control, time_s: float = 0.0) -> None:
        """Raises RigError, and changes nothing, where it cannot be done."""
        if control.texture is not None and control.texture not in self._painted:
            raise RigError("this lab has no such texture", where="control texture", got=control.texture)
        if control.show == "chart" and self._chart is None:
            raise RigError("this lab has no chart", where="control show")
        asked = {name: getattr(control, name) for name in SET_BY_CONTROL if name in control.model_fields_set}
        given = {name: value for name, value in asked.items() if value is not None}
        light = self.state.light.model_copy(update=control.light.model_dump(exclude_none=True))
        state = dataclasses.replace(self.state, light=light, **given)
        self._require_in_front(state)
        self.state = state
        if control.turn_to_deg is not None or control.turn_deg_per_s is not None:
            self.turntable = self.turntable.told(time_s, control.turn_to_deg, control.turn_deg_per_s)

    def photograph(self, time_s: float = 0.0) -> Photo:
        """The next frame, the middle of its exposure at `time_s`."""
        self.frames += 1
        rng = np.random.default_rng(derive_seed(self.seed, "lab", self.frames))
        light = self._light(time_s)
        image = develop(light, self.state.exposure, self.camera.noise_std, rng)
        return Photo(image, self._truth(time_s))

    def placed(self, state: State, azimuth_deg: float) -> Placement:
        """Where things are, seen from the camera."""
        if state.show == "board":
            return held(state, self.board, self.camera)
        if state.show == "chart":
            return chart_on_the_wall(np.ptp(self._chart.mesh.vertices_m, axis=0)[:2], self.camera)
        return on_the_plate(state, azimuth_deg, self.board_from_object)

    def _light(self, time_s: float) -> np.ndarray:
        """(H, W, 3) on the sensor, the mean over the shutter's time; the last one again where nothing has changed."""
        azimuths_deg = [self.turntable.azimuth_at(at_s) for at_s in self._exposed_at(time_s)]
        if self._seen is None or self._seen[0] != (self.state, azimuths_deg):
            mean = sum(map(self._glance, azimuths_deg)) / np.float32(len(azimuths_deg))
            self._seen = (self.state, azimuths_deg), self._optics.blurred(mean)
        return self._seen[1]

    def _exposed_at(self, time_s: float) -> np.ndarray:
        """Evenly over the shutter's time, so often that nothing on the board moves by more than a pixel between."""
        shutter_s, state = self.camera.shutter_s, self.state
        swept_rad = math.radians(abs(self.turntable.speed_at(time_s))) * shutter_s
        reach_m = math.hypot(*self.board.size_mm) / 2000
        swept_px = swept_rad * reach_m * self.camera.lens.fx_px / state.distance_m if state.show == "object" else 0.0
        n = min(MAX_EXPOSURES, max(1, math.ceil(swept_px)))
        return time_s + shutter_s * ((np.arange(n) + 0.5) / n - 0.5)

    def _glance(self, azimuth_deg: float) -> np.ndarray:
        placement, camera = self.placed(self.state, azimuth_deg), self.camera
        lamp = placement.lamp
        desk = self.arrangement.desk * (lamp.ambient + lamp.directional)
        canvas = np.full((camera.height_px, camera.width_px, 3), desk, np.float32)
        for surface, camera_from_surface in self._in_sight(placement):  # what lies below comes first
            surface.shine(canvas, self._optics, camera_from_surface, lamp)
        return canvas

    def _in_sight(self, placement: Placement) -> list[tuple[Surface, Transform]]:
        every = (
            (self._board, placement.camera_from_board),
            (self._mat, placement.camera_from_mat),
            (self._painted[self.state.texture], placement.camera_from_object),
            (self._chart, placement.camera_from_chart),
        )
        return [(surface, transform) for surface, transform in every if surface and transform is not None]

    def _require_in_front(self, state: State) -> None:
        """All round the plate."""
        for azimuth_deg in range(0, 360, 15) if state.show == "object" else (0,):
            for surface, camera_from_surface in self._in_sight(self.placed(state, azimuth_deg)):
                nearest_m = apply(camera_from_surface, surface.mesh.vertices_m)[:, 2].min()
                if nearest_m < NEAREST_M:
                    raise RigError(
                        "something would be behind the camera or touch it",
                        where="control",
                        got=f"{nearest_m:.3f} m before it",
                        expected=f"at least {NEAREST_M:g} m",
                        hint="increase distance_m",
                    )

    def _truth(self, time_s: float) -> dict:
        placement, state, camera = self.placed(self.state, self.turntable.azimuth_at(time_s)), self.state, self.camera
        on_plate = state.show == "object"
        return {
            "frame": self.frames,
            "time_s": time_s,
            "show": state.show,
            "object": self.object if on_plate else None,
            "artefact": state.texture if on_plate else None,
            "azimuth_deg": self.turntable.azimuth_at(time_s) if on_plate else None,
            "elevation_deg": state.elevation_deg if on_plate else None,
            "distance_m": state.distance_m if on_plate else None,
            "moving": on_plate and self.turntable.speed_at(time_s) != 0,
            "camera_from_board": _rows(placement.camera_from_board),
            "camera_from_object": _rows(placement.camera_from_object),
            "board_from_object": _rows(self.board_from_object),
            "mat_radius_m": self.arrangement.mat_radius_m,
            "object_radius_m": self.arrangement.object_radius_m,
            "size_px": [camera.width_px, camera.height_px],
            "lens": camera.lens.model_dump(),
            "lens_size_px": [camera.width_px, camera.height_px],
            "exposure": state.exposure,
            "light": state.light.model_dump(),
            "printer": self.arrangement.printer.model_dump(mode="json"),
            "chart_corners_px": self._chart_corners_px(placement),
            "faults": [],
        }

    def _chart_corners_px(self, placement: Placement) -> list | None:
        if placement.camera_from_chart is None:
            return None
        right_m, top_m = self._chart.mesh.vertices_m[:, :2].max(axis=0)
        corners_m = np.array([[-right_m, top_m, 0], [right_m, top_m, 0], [right_m, -top_m, 0], [-right_m, -top_m, 0]])
        return self.camera.lens.project(corners_m, placement.camera_from_chart).tolist()


def _rows(transform: Transform | None) -> list | None:
    return None if transform is None else transform.tolist()
