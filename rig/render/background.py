"""What stands behind the object: a flat colour, a photograph's crop, or a panorama seen by the same camera."""

import cv2
import numpy as np
import torch

from rig.contracts import Intrinsics, Transform, View
from rig.geometry import panorama_pixels, pixel_rays
from rig.images import linear_to_srgb
from rig.scene import Scene
from rig.views import CHANNELS


def background(scene: Scene, view: View, camera: Intrinsics, world_from_camera: Transform) -> np.ndarray:
    """(H, W, 3) float32 sRGB in [0, 1]; (1, 1, 3) where it is one colour."""
    kind = scene.config.background.kind
    if kind == "color":
        return np.array([[[view.values[f"background_{channel}"] for channel in CHANNELS]]], np.float32)
    index = min(int(view.values["background_index"]), len(scene.backgrounds) - 1)
    if kind == "photo":
        return _photo_crop(scene.backgrounds[index], view, camera)
    return _panorama_crop(scene.backgrounds[index], view, camera, world_from_camera)


def _photo_crop(photo: np.ndarray, view: View, camera: Intrinsics) -> np.ndarray:
    """The largest window of the frame's aspect, at 2/3 of the photograph's size so that it can be anywhere in it."""
    height, width = photo.shape[:2]
    scale = min(height / camera.height_px, width / camera.width_px) * 2 / 3
    crop_height, crop_width = max(1, round(scale * camera.height_px)), max(1, round(scale * camera.width_px))
    top = round(view.values["background_top_frac"] * (height - crop_height))
    left = round(view.values["background_left_frac"] * (width - crop_width))
    crop = photo[top : top + crop_height, left : left + crop_width]
    filtering = cv2.INTER_AREA if scale > 1 else cv2.INTER_LINEAR
    return cv2.resize(crop, (camera.width_px, camera.height_px), interpolation=filtering).astype(np.float32) / 255


def _panorama_crop(linear_panorama, view: View, camera: Intrinsics, world_from_camera: Transform) -> np.ndarray:
    """Exposed so that the panorama's median luminance becomes middle grey (0.18), then clipped as a sensor would."""
    directions = pixel_rays(camera) @ world_from_camera[:3, :3].T
    height, width = linear_panorama.shape[:2]
    pixels = panorama_pixels(directions, width, height, view.values["background_yaw_deg"]).astype(np.float32)
    linear = cv2.remap(linear_panorama, pixels[..., 0], pixels[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP)
    exposure = 0.18 / max(float(np.median(linear_panorama.mean(axis=-1))), 1e-6)
    return linear_to_srgb(torch.from_numpy(linear * exposure)).clamp(0, 1).numpy()
