"""Dots printed on an object that a camera saw clean: a captured frame plus what they change in its rendered twin."""

import dataclasses

import numpy as np
import torch

from rig.attack.pixel.change import PixelChange
from rig.calibrate.profile import CameraProfile
from rig.contracts import Transform, View
from rig.images import srgb_to_linear
from rig.render import PreparedView
from rig.render.twin import TwinRenderer
from rig.scene import Scene
from rig.sweep.carriers import SURFACE_FIXED, Carrier, print_dots
from rig.views import CHANNELS, draw_views

KEPT = ("background_", "light_")  # of a drawn view: what the renderer needs; sensor and print errors stay out


class DotPrinter:
    """Twins for one purpose: the difference of two renders, which must hold dots and nothing else.

    Noise, JPEG and print errors are therefore left out, and the light is one number a frame: as much as makes the clean
    twin as bright on the object as the captured frame.
    """

    def __init__(self, scene: Scene, profile: CameraProfile):
        self._texture, self._twins = scene.mesh.texture, TwinRenderer(scene, profile)
        (drawn,) = draw_views(scene.config, 1, 0, "dots")
        values = {name: value for name, value in drawn.values.items() if name.startswith(KEPT)}
        values |= {f"print_gain_{channel}": 1.0 for channel in CHANNELS}
        self._values = values | {f"print_offset_{channel}": 0.0 for channel in CHANNELS}

    def prepare(self, image: np.ndarray, camera_from_object: Transform) -> PreparedView:
        """The twin of a captured frame (H, W, 3), in the light of that frame."""
        bare = self._twins.prepare(View("", "eval", self._values, 0), camera_from_object)
        even = self._lit(bare, 1.0)
        covered = self._twins.covered(even)
        if not covered.any():
            return even
        (twin,) = self._twins.frames(self._texture, [even])
        seen, rendered = (_mean_light(one[covered]) for one in (image, twin.image))
        return self._lit(bare, seen / rendered if rendered > 0 else 1.0)

    def _lit(self, prepared: PreparedView, irradiance: float) -> PreparedView:
        return dataclasses.replace(prepared, irradiance=torch.full((len(prepared.pixels), 1), irradiance))

    def surface_fixed(
        self, change: PixelChange, attack: str, found_on: PreparedView, camera_from_object: Transform, dot_px: float
    ) -> Carrier | None:
        """The change of a captured frame as dots, printed for the light of that frame; None where all miss the object."""
        light = float(found_on.irradiance[0]) if len(found_on.irradiance) else None
        footprints = self._twins.footprints(camera_from_object)
        texture, dots = print_dots(self._texture, change.pixels, footprints, dot_px, lambda row, column: light)
        if not dots:
            return None

        def frames(prepared: list[PreparedView], clean: np.ndarray) -> np.ndarray:
            return self._added(clean, texture, prepared)

        return Carrier(attack, SURFACE_FIXED, len(change), frames, dot_px, tuple(dots))

    def _added(self, captured: np.ndarray, texture: np.ndarray, prepared: list[PreparedView]) -> np.ndarray:
        """Captured frames (V, H, W, 3) with what a texture changes in their twins; 8 bits, clipped."""
        painted, clean = (self._twins.frames(one, prepared) for one in (texture, self._texture))
        changes = [a.image.astype(np.int16) - b.image for a, b in zip(painted, clean, strict=True)]
        return np.clip(captured + np.stack(changes), 0, 255).astype(np.uint8)


def _mean_light(colors: np.ndarray) -> float:
    """Of 8-bit colours (N, 3), in linear light."""
    return float(srgb_to_linear(torch.from_numpy(colors.astype(np.float32) / 255)).mean())
