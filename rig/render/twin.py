"""A captured frame's digital twin: the scene rendered from the recovered pose, through the camera's own lens."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from rig.calibrate.profile import CameraProfile
from rig.contracts import Frame, Transform, View
from rig.geometry import invert
from rig.render.dot import Dot, Footprints
from rig.render.lens import LensMap, lens_map
from rig.render.renderer import PreparedView, Renderer, surface
from rig.render.texture import MipAtlas
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

    def colors(self, texture: MipAtlas, prepared: PreparedView) -> np.ndarray:
        """(P, 3) float32 in [0, 1], what an ideal sensor would say of the covered pixels, before the lens bends them."""
        with torch.no_grad():
            looked_up = texture.sample(*surface([prepared]))
            return self._renderer.lit(looked_up, [prepared]).clamp(0, 1).numpy()

    def bent(self, values: np.ndarray, prepared: PreparedView) -> np.ndarray:
        """(H, W, C) float32 of the camera's frame: values (P, C) of the covered pixels, 0 beside the object."""
        pinhole = self._lens.pinhole
        flat = np.zeros((pinhole.height_px * pinhole.width_px, values.shape[1]), np.float32)
        flat[prepared.pixels.numpy()] = values
        bent = self._lens.bend(flat.reshape(pinhole.height_px, pinhole.width_px, -1))
        return bent.reshape(*bent.shape[:2], -1)  # OpenCV drops a single channel

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
