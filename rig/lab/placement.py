"""Where things are, seen from the camera, for a state of the lab and an azimuth of its plate."""

from dataclasses import dataclass

import numpy as np

from rig.calibrate.board import Board
from rig.calibrate.simulated import pose_of
from rig.contracts import Transform
from rig.geometry import direction, invert, orbit_camera
from rig.lab.control import BoardPose, Show, Texture
from rig.lab.settings import LabCamera, Light
from rig.lab.surface import Lamp

CHART_FRAC = 0.9  # of the frame's height or width, whichever it fills first


@dataclass(frozen=True)
class State:
    """All that a control sets, but for the plate's turning."""

    light: Light
    show: Show = "object"
    texture: Texture = "clean"
    elevation_deg: float = 40.0
    distance_m: float = 0.38
    exposure: float = 1.0
    board_pose: BoardPose = BoardPose(tilt_deg=20.0)


@dataclass(frozen=True)
class Placement:
    """What is not there has no transform."""

    lamp: Lamp
    camera_from_board: Transform | None = None
    camera_from_mat: Transform | None = None
    camera_from_object: Transform | None = None
    camera_from_chart: Transform | None = None


def on_the_plate(state: State, azimuth_deg: float, board_from_object: Transform) -> Placement:
    """The camera looks at the object's centre; in the object's frame it is the camera that goes round."""
    world_from_camera = orbit_camera(azimuth_deg, state.elevation_deg, 0.0, state.distance_m)
    camera_from_object = invert(world_from_camera)
    camera_from_board = camera_from_object @ invert(board_from_object)
    board_from_mat = board_from_object.copy()
    board_from_mat[2, 3] = 0.0
    return Placement(_lamp(state), camera_from_board, camera_from_board @ board_from_mat, camera_from_object)


def held(state: State, board: Board, camera: LabCamera) -> Placement:
    pose, lens = state.board_pose, camera.lens
    u, v = pose.x_frac * camera.width_px - 0.5, pose.y_frac * camera.height_px - 0.5
    ray = np.array([(u - lens.cx_px) / lens.fx_px, (v - lens.cy_px) / lens.fy_px])
    camera_from_board = pose_of(board, pose.tilt_deg, pose.towards_deg, pose.roll_deg, ray, pose.distance_m)
    return Placement(_lamp(state), camera_from_board)


def chart_on_the_wall(size_m: tuple[float, float], camera: LabCamera) -> Placement:
    """Parallel to the image, upright, in light that is 1 everywhere."""
    lens = camera.lens
    fills = max(size_m[0] * lens.fx_px / camera.width_px, size_m[1] * lens.fy_px / camera.height_px)
    distance_m = fills / CHART_FRAC
    u, v = (camera.width_px - 1) / 2, (camera.height_px - 1) / 2
    camera_from_chart = np.diag([1.0, -1.0, -1.0, 1.0])
    camera_from_chart[:3, 3] = (
        distance_m * (u - lens.cx_px) / lens.fx_px,
        distance_m * (v - lens.cy_px) / lens.fy_px,
        distance_m,
    )
    return Placement(Lamp(1.0, 0.0, np.array([0.0, 0.0, -1.0])), camera_from_chart=camera_from_chart)


def _lamp(state: State) -> Lamp:
    """The lamp stands in the room, where the camera is at azimuth 0."""
    light = state.light
    camera_from_room = invert(orbit_camera(0.0, state.elevation_deg, 0.0, state.distance_m))
    towards = camera_from_room[:3, :3] @ direction(light.azimuth_deg, light.elevation_deg)
    return Lamp(light.ambient, light.directional, towards)
