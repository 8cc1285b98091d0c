"""A scene: what is there, loaded and ready to be looked at."""

import dataclasses
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import cv2
import numpy as np

from rig.contracts import Mesh
from rig.errors import SceneError
from rig.images import read_image, read_panorama
from rig.scene.areas import fitted, mask_of
from rig.scene.builtin import BUILTINS, builtin_mesh
from rig.scene.config import ObjectSection, SceneConfig, read_config, resolve_scene
from rig.scene.mesh import normalized, read_mesh

SCENES_FOLDERS = (Path(__file__).parents[2] / "scenes", Path(__file__).parents[1] / "_scenes")  # checkout, wheel


@dataclass(frozen=True)
class Scene:
    config: SceneConfig
    mesh: Mesh
    mask: np.ndarray | None = None  # (H, W) bool over the object's own texture: what may be changed; None: all of it

    @property
    def name(self) -> str:
        return self.config.name

    @cached_property
    def paintable(self) -> np.ndarray:
        """(H, W) bool over the texture: what an attack may change."""
        size = self.mesh.texture.shape[:2]
        return np.ones(size, bool) if self.mask is None else fitted(self.mask, size)

    @cached_property
    def backgrounds(self) -> tuple[np.ndarray, ...]:
        """Photographs (uint8 sRGB) or panoramas (float32 linear), in the order of the scene file."""
        background = self.config.background
        read = read_panorama if background.kind == "panorama" else read_image
        return tuple(read(path) for path in background.files)

    def with_texture(self, texture: np.ndarray) -> "Scene":
        return dataclasses.replace(self, mesh=dataclasses.replace(self.mesh, texture=texture))


def load_scene(path_or_name: str | Path, settings: tuple[str, ...] = (), texture_px: int | None = None) -> Scene:
    """Load a scene by file, folder with a scene.toml, or name of a built-in one. Raises SceneError."""
    return build_scene(load_config(path_or_name, settings), str(path_or_name), texture_px)


def load_config(path_or_name: str | Path, settings: tuple[str, ...] = ()) -> SceneConfig:
    return read_config(_scene_path(path_or_name), settings)


def rebuilt(document: dict, texture_px: int | None = None) -> Scene:
    """The scene of a resolved config that a run keeps."""
    where = f"scene {document['name']}"
    return build_scene(resolve_scene(document, where), where, texture_px)


def build_scene(config: SceneConfig, where: str, texture_px: int | None = None) -> Scene:
    """Load what a resolved config names; `texture_px` shrinks its texture to that many texels on the longer side."""
    if config.background.kind != "color" and not config.background.files:
        raise SceneError("no background files", where=f"{where} [background]", expected='files = ["..."]')
    nearest_m, radius_m = config.views.distance_m[0], config.object.radius_m
    if nearest_m <= radius_m:
        expected = f"more than object.radius_m, {radius_m:g}"
        where = f"{where} [views] distance_m"
        raise SceneError("the camera may be inside the object", where=where, got=nearest_m, expected=expected)
    mesh = normalized(_mesh_of(config.object, where), config.object.radius_m)
    scene = Scene(config, mesh, mask_of(config.object.paintable, config.object.protected, mesh, where))
    scene = scene if texture_px is None else scene.with_texture(shrink(mesh.texture, texture_px))
    _ = scene.paintable  # a mask of which this size leaves nothing is found here, before anything is made
    return scene


def builtin_scenes() -> list[str]:
    return sorted({found.parent.name for folder in SCENES_FOLDERS for found in folder.glob("*/scene.toml")})


def _scene_path(path_or_name: str | Path) -> Path:
    given = Path(path_or_name)
    candidates = [given, given / "scene.toml", *(folder / given / "scene.toml" for folder in SCENES_FOLDERS)]
    for candidate in candidates:
        if candidate.is_file():
            return candidate
    expected = f"a scene file, its folder, or one of: {', '.join(builtin_scenes())}"
    raise SceneError("no such scene", got=path_or_name, expected=expected)


def shrink(texture: np.ndarray, longest_px: int) -> np.ndarray:
    """The texture with its longer side at most `longest_px`, area-averaged."""
    factor = longest_px / max(texture.shape[:2])
    if factor >= 1:
        return texture
    height_px, width_px = (max(1, round(side * factor)) for side in texture.shape[:2])
    return cv2.resize(texture, (width_px, height_px), interpolation=cv2.INTER_AREA)


def _mesh_of(section: ObjectSection, where: str) -> Mesh:
    place = f"{where} [object]"
    if (section.builtin is None) == (section.mesh is None):
        raise SceneError("expected either builtin or mesh", where=place)
    if section.mesh is not None:
        return read_mesh(section.mesh, section.texture, section.up)
    if section.builtin not in BUILTINS:
        raise SceneError("unknown built-in object", where=place, got=section.builtin, expected=" or ".join(BUILTINS))
    mesh = builtin_mesh(section.builtin)
    return dataclasses.replace(mesh, texture=read_image(section.texture)) if section.texture else mesh
