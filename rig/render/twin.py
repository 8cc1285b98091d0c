"""A captured frame's digital twin: the scene rendered from the recovered pose, through the camera's own lens."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from rig.calibrate.profile import CameraProfile
from rig.contracts import Frame, Transform, View
from rig.geometry import invert
from rig.render.dot import Dot, Footprints
from rig.render.lens import LensMap, lens_map
from rig.render.renderer import PreparedView, Renderer
from rig.scene import Scene


class TwinRenderer:
    """Renders what a calibrated camera would have seen. Light, background, print and sensor are the scene's, by view.

    The sensor's part (blur, noise, JPEG) comes before the lens bends the frame, which softens noise a little.
    """

    def __init__(self, scene: Scene, profile: CameraProfile):
        self._lens = lens_map(profile)
        self._renderer = Renderer(scene, (self._lens.pinhole.height_px, self._lens.pinhole.width_px))

    def prepare(self, view: View, camera_from_object: Transform) -> PreparedView:
        """The object's frame is the scene's world."""
        return self._renderer.prepare_from(view, self._lens.pinhole, invert(camera_from_object))

    def frames(self, texture: np.ndarray, prepared: Sequence[PreparedView]) -> list[Frame]:
        """Frames of the camera's size, of an 8-bit texture (h, w, 3)."""
        flat = self._renderer.frames(texture, list(prepared))
        return [Frame(self._lens.bend(frame.image), frame.view, frame.source) for frame in flat]

    def covered(self, prepared: PreparedView) -> np.ndarray:
        """(H, W) bool, where the camera sees nothing but the object."""
        mask = np.zeros((self._lens.pinhole.height_px, self._lens.pinhole.width_px), np.uint8)
        mask.ravel()[prepared.pixels.numpy()] = 255
        return self._lens.bend(mask) == 255

    def footprints(self, camera_from_object: Transform) -> "BentFootprints":
        return BentFootprints(
            Footprints(self._renderer.scene.mesh, self._lens.pinhole, invert(camera_from_object)), self._lens
        )


@dataclass(frozen=True, eq=False)
class BentFootprints:
    """What a pixel's square of a real camera covers on the object: the lens is undone first."""

    flat: Footprints  # of the lens's pinhole
    lens: LensMap

    def dot(self, row: int, column: int, size_px: float = 1.0) -> Dot | None:
        """As Footprints.dot, of a pixel and a size of the camera's own frame."""
        straight_row, straight_column, times = self.lens.straight(row, column)
        return self.flat.dot(straight_row, straight_column, size_px * times)
