"""A captured frame's digital twin: the scene rendered from the recovered pose, through the camera's own lens."""

from collections.abc import Sequence

import numpy as np

from rig.calibrate.profile import CameraProfile
from rig.contracts import Frame, Transform, View
from rig.geometry import invert
from rig.render.lens import lens_map
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
