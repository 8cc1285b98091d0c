"""Dots printed on an object that a camera saw clean: a captured frame plus what they change in its rendered twin."""

import dataclasses

import numpy as np
import torch

from rig.attack.pixel.change import PixelChange
from rig.calibrate.profile import CameraProfile
from rig.contracts import Transform, View
from rig.images import srgb_to_linear
from rig.render import PreparedView
from rig.render.renderer import texture_tensor
from rig.render.texture import MipAtlas
from rig.render.twin import TwinRenderer
from rig.scene import Scene
from rig.sweep.carriers import SURFACE_FIXED, Carrier, print_dots
from rig.views import CHANNELS, draw_views

KEPT = ("background_", "light_")  # of a drawn view: what the renderer needs; sensor and print errors stay out
ONLY_OBJECT = 0.999  # of a pixel that shows nothing beside the object


class DotPrinter:
    """Twins for one purpose: the difference of two renders, which must hold dots and nothing else.

    Sensor and print errors are therefore left out, and the light is one number a frame: as much as makes the clean twin
    as bright, on the object, as the captured frame.
    """

    def __init__(self, scene: Scene, profile: CameraProfile):
        self._texture, self._twins = scene.mesh.texture, TwinRenderer(scene, profile)
        self._clean = MipAtlas(texture_tensor(self._texture))
        (drawn,) = draw_views(scene.config, 1, 0, "dots")
        values = {name: value for name, value in drawn.values.items() if name.startswith(KEPT)}
        values |= {f"print_gain_{channel}": 1.0 for channel in CHANNELS}
        self._view = View("", "eval", values | {f"print_offset_{channel}": 0.0 for channel in CHANNELS}, 0)

    def prepare(self, image: np.ndarray, camera_from_object: Transform) -> PreparedView:
        """The twin of a captured frame (H, W, 3), in the light of that frame."""
        even = _lit(self._twins.prepare(self._view, camera_from_object), 1.0)
        covered = self._twins.bent(np.ones((len(even.pixels), 1), np.float32), even)[..., 0] > ONLY_OBJECT
        if not covered.any():
            return even
        seen, rendered = _mean_light(image[covered] / 255), _mean_light(self._twins.colors(self._clean, even))
        return _lit(even, seen / rendered if rendered > 0 else 1.0)

    def surface_fixed(
        self, change: PixelChange, attack: str, found_on: PreparedView, camera_from_object: Transform, dot_px: float
    ) -> Carrier | None:
        """The change of a captured frame as dots, printed for the light of that frame; None where all miss the object."""
        light = float(found_on.irradiance[0]) if len(found_on.irradiance) else None
        footprints = self._twins.footprints(camera_from_object)
        texture, dots = print_dots(self._texture, change.pixels, footprints, dot_px, lambda row, column: light)
        if not dots:
            return None

        printed = MipAtlas(texture_tensor(texture))

        def frames(prepared: list[PreparedView], clean: np.ndarray) -> np.ndarray:
            return np.stack([self._added(image, printed, twin) for image, twin in zip(clean, prepared, strict=True)])

        return Carrier(attack, SURFACE_FIXED, len(change), frames, dot_px, tuple(dots))

    def _added(self, captured: np.ndarray, printed: MipAtlas, twin: PreparedView) -> np.ndarray:
        """A captured frame (H, W, 3) with what a texture changes in its twin; rounded to 8 bits and clipped, once."""
        change = self._twins.colors(printed, twin) - self._twins.colors(self._clean, twin)
        return np.clip(np.rint(captured + 255 * self._twins.bent(change, twin)), 0, 255).astype(np.uint8)


def _lit(prepared: PreparedView, irradiance: float) -> PreparedView:
    return dataclasses.replace(prepared, irradiance=torch.full((len(prepared.pixels), 1), irradiance))


def _mean_light(colors: np.ndarray) -> float:
    """Of colours (N, 3) in [0, 1], in linear light."""
    return float(srgb_to_linear(torch.from_numpy(colors.astype(np.float32))).mean())
