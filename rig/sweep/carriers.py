"""Two physical readings of a pixel change: fixed to the sensor, or fixed to the object's surface."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from rig.attack.pixel.change import PixelChange
from rig.contracts import View
from rig.geometry import intrinsics_from_fov
from rig.render import PreparedView, Renderer
from rig.render.dot import Dot, Footprints, albedo
from rig.render.twin import BentFootprints

SENSOR_FIXED, SURFACE_FIXED = READINGS = ("sensor-fixed", "surface-fixed")


@dataclass(frozen=True, eq=False)
class Carrier:
    """One reading of one change. `frames` gives what a camera sees of it (V, H, W, 3), from views and their clean frames.

    `dot_px`: side of a printed dot in pixels of the frame it was found on; `dots` are those that lie on the object.
    """

    attack: str
    reading: str
    n_pixels: int
    frames: Callable[[list[PreparedView], np.ndarray], np.ndarray]
    dot_px: float | None = None
    dots: tuple[Dot, ...] = ()


def sensor_fixed(change: PixelChange, attack: str) -> Carrier:
    """The same image coordinates in every frame: a hot pixel, dust on the sensor."""

    def frames(prepared: list[PreparedView], clean: np.ndarray) -> np.ndarray:
        return np.stack([change.applied(image) for image in clean])

    return Carrier(attack, SENSOR_FIXED, len(change), frames)


def surface_fixed(
    change: PixelChange, attack: str, renderer: Renderer, found_on: PreparedView, dot_px: float = 1.0
) -> Carrier | None:
    """The same spot of the object: a dot printed on its texture, then rendered. None where no pixel is on the object."""
    texture, dots = paint(change.pixels, renderer, found_on, footprints_of(renderer, found_on.view), dot_px)
    if not dots:
        return None

    def frames(prepared: list[PreparedView], clean: np.ndarray) -> np.ndarray:
        return np.stack([frame.image for frame in renderer.frames(texture, prepared)])

    return Carrier(attack, SURFACE_FIXED, len(change), frames, dot_px, tuple(dots))


def footprints_of(renderer: Renderer, view: View) -> Footprints:
    camera = intrinsics_from_fov(renderer.width_px, renderer.height_px, view.values["fov_deg"])
    return Footprints(renderer.scene.mesh, camera, renderer.world_from_camera(view))


def paint(
    pixels: np.ndarray, renderer: Renderer, found_on: PreparedView, footprints: Footprints, dot_px: float
) -> tuple[np.ndarray, list[Dot]]:
    """The scene's texture with pixels (K, 5) printed as dots, and those dots; pixels beside the object print nothing."""
    covered = found_on.pixels.numpy()

    def light_at(row: int, column: int) -> float | None:
        index = int(np.searchsorted(covered, row * renderer.width_px + column))
        if index == len(covered) or covered[index] != row * renderer.width_px + column:
            return None
        return 1.0 if found_on.irradiance is None else float(found_on.irradiance[index])

    return print_dots(renderer.scene.mesh.texture, pixels, footprints, dot_px, light_at)


def print_dots(
    texture: np.ndarray,
    pixels: np.ndarray,
    footprints: Footprints | BentFootprints,
    dot_px: float,
    light_at: Callable[[int, int], float | None],
) -> tuple[np.ndarray, list[Dot]]:
    """`light_at` gives a pixel's irradiance, 1 where printed colours appear as they are; None where no object is seen."""
    dots = []
    for row, column, *color in pixels.tolist():
        light = light_at(row, column)
        dot = None if light is None else footprints.dot(row, column, dot_px)
        if dot is not None:
            texture = dot.painted(texture, albedo(color, light))
            dots.append(dot)
    return texture, dots
