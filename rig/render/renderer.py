"""A view of a scene becomes a frame: geometry once per view, everything that depends on the texture in torch."""

from dataclasses import dataclass

import numpy as np
import torch

from rig.contracts import Frame, Intrinsics, Transform, View
from rig.geometry import direction, intrinsics_from_fov, orbit_camera
from rig.images import images_from_batch, linear_to_srgb, srgb_to_linear
from rig.render.background import background
from rig.render.gbuffer import rasterize
from rig.render.sensor import expose
from rig.render.texture import MipAtlas
from rig.scene import Scene
from rig.views import CHANNELS


@dataclass(frozen=True)
class PreparedView:
    """All of a view that does not depend on the texture; P covered pixels."""

    view: View
    pixels: torch.Tensor  # (P,) int64, v * width + u
    uv: torch.Tensor  # (P, 2) float32
    lod: torch.Tensor  # (P,) float32
    irradiance: torch.Tensor | None  # (P, 1) float32, linear; None where it is 1 everywhere
    background: torch.Tensor  # (3, H, W) or (3, 1, 1) float32, sRGB in [0, 1]


class Renderer:
    """Renders one scene at one frame size."""

    def __init__(self, scene: Scene, size_px: tuple[int, int], device: str = "cpu"):
        self.scene = scene
        self.height_px, self.width_px = size_px
        self.device = device
        light = scene.config.light
        self._unlit = light.ambient == (1.0, 1.0) and light.directional == (0.0, 0.0)

    def prepare(self, view: View) -> PreparedView:
        camera = intrinsics_from_fov(self.width_px, self.height_px, view.values["fov_deg"])
        return self.prepare_from(view, camera, self.world_from_camera(view))

    def prepare_from(self, view: View, camera: Intrinsics, world_from_camera: Transform) -> PreparedView:
        """A view from elsewhere than its own values say, by a camera of the frame's size; light and all else are its own."""
        seen = rasterize(self.scene.mesh, camera, world_from_camera, normals=not self._unlit)
        behind = background(self.scene, view, camera, world_from_camera)
        return PreparedView(
            view,
            self._tensor(seen.pixels),
            self._tensor(seen.uv),
            self._tensor(seen.lod),
            None if self._unlit else self._tensor(_irradiance(seen.normals, view)),
            self._tensor(behind.transpose(2, 0, 1)),
        )

    def world_from_camera(self, view: View) -> Transform:
        values, radius_m = view.values, self.scene.config.object.radius_m
        offset_m = values["offset_x_frac"] * radius_m, values["offset_y_frac"] * radius_m
        angles_deg = values["azimuth_deg"], values["elevation_deg"], values["roll_deg"]
        return orbit_camera(*angles_deg, values["distance_m"], offset_m)

    def _tensor(self, array: np.ndarray) -> torch.Tensor:
        return torch.from_numpy(np.ascontiguousarray(array)).to(self.device)

    def render(self, texture: torch.Tensor, prepared: list[PreparedView]) -> torch.Tensor:
        """A batch (B, 3, H, W) with 8-bit values, differentiable in the texture (3, h, w) in [0, 1]."""
        return self.expose(self.look_up(texture, prepared), prepared)

    def look_up(self, texture: torch.Tensor, prepared: list[PreparedView]) -> torch.Tensor:
        """Surface colours (N, 3) that the covered pixels of all views see, before print, light and sensor."""
        return MipAtlas(texture).sample(*surface(prepared))

    def expose(self, colors: torch.Tensor, prepared: list[PreparedView]) -> torch.Tensor:
        """Frames of looked-up colours: print (a measured response, then errors), light, background, sensor."""
        return expose(self._composite(self.lit(colors, prepared), prepared), [p.view for p in prepared])

    def lit(self, colors: torch.Tensor, prepared: list[PreparedView]) -> torch.Tensor:
        """Looked-up colours (N, 3) printed and in their light, sRGB-encoded: what reaches the sensor, not clipped."""
        response = self.scene.config.print.response
        return _shade(_print(colors if response is None else response(colors), prepared), prepared)

    def _composite(self, colors: torch.Tensor, prepared: list[PreparedView]) -> torch.Tensor:
        n_pixels = self.height_px * self.width_px
        canvas = colors.new_empty(len(prepared), self.height_px, self.width_px, 3)
        for row, p in zip(canvas, prepared, strict=True):
            row.copy_(p.background.permute(1, 2, 0).expand_as(row))
        index = torch.cat([i * n_pixels + p.pixels for i, p in enumerate(prepared)])
        canvas.view(-1, 3).index_copy_(0, index, colors)
        return canvas.permute(0, 3, 1, 2)

    def frames(self, texture: np.ndarray, prepared: list[PreparedView]) -> list[Frame]:
        """Frames of an 8-bit texture (h, w, 3), as a camera would give them."""
        with torch.no_grad():
            batch = self.render(texture_tensor(texture).to(self.device), prepared)
        return [Frame(image, p.view, "render") for image, p in zip(images_from_batch(batch), prepared, strict=True)]


def texture_tensor(texture: np.ndarray) -> torch.Tensor:
    """(3, h, w) float32 in [0, 1] of an 8-bit texture (h, w, 3)."""
    return torch.from_numpy(np.ascontiguousarray(texture.transpose(2, 0, 1))).float() / 255


def surface(prepared: list[PreparedView]) -> tuple[torch.Tensor, torch.Tensor]:
    """uv (N, 2) and level of detail (N,) of the covered pixels of all views."""
    return torch.cat([p.uv for p in prepared]), torch.cat([p.lod for p in prepared])


def _owners(prepared: list[PreparedView]) -> torch.Tensor:
    """(N,) the view that each covered pixel belongs to."""
    counts = torch.tensor([len(p.pixels) for p in prepared])
    return torch.repeat_interleave(torch.arange(len(prepared)), counts).to(prepared[0].pixels.device)


def _irradiance(normals: np.ndarray, view: View) -> np.ndarray:
    """Ambient plus one directional Lambert light, (P, 1)."""
    values = view.values
    to_light = direction(values["light_azimuth_deg"], values["light_elevation_deg"]).astype(np.float32)
    facing = np.clip(normals @ to_light, 0, None)
    return (values["light_ambient"] + values["light_directional"] * facing)[:, None].astype(np.float32)


def _print(colors: torch.Tensor, prepared: list[PreparedView]) -> torch.Tensor:
    """Per-channel print error on the texture's colours, clipped to what a printer can lay down."""
    values = [p.view.values for p in prepared]
    gain = colors.new_tensor([[value[f"print_gain_{channel}"] for channel in CHANNELS] for value in values])
    offset = colors.new_tensor([[value[f"print_offset_{channel}"] for channel in CHANNELS] for value in values])
    if bool((gain == 1).all() and (offset == 0).all()):
        return colors
    owner = _owners(prepared)
    return (colors * gain[owner] + offset[owner]).clamp(0, 1)


def _shade(colors: torch.Tensor, prepared: list[PreparedView]) -> torch.Tensor:
    if prepared[0].irradiance is None:
        return colors
    irradiance = torch.cat([p.irradiance for p in prepared])
    return linear_to_srgb(srgb_to_linear(colors) * irradiance)
