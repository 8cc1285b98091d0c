"""Scene files: TOML in, one frozen and fully resolved `SceneConfig` out."""

import math
import re
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from rig.errors import SceneError
from rig.scene.areas import Area, Paintable
from rig.scene.response import ColorResponse, read_response
from rig.settings import Section, override, parse_override, read_toml, validated


def _as_range(value: Any) -> tuple[float, float]:
    pair = value if isinstance(value, list | tuple) else [value, value]
    if len(pair) != 2 or not all(isinstance(x, int | float) and not isinstance(x, bool) for x in pair):
        raise ValueError("expected a number or [low, high]")
    low, high = map(float, pair)
    if not (math.isfinite(low) and math.isfinite(high)):
        raise ValueError("expected finite numbers")
    if low > high:
        raise ValueError(f"range is reversed; expected [{value[1]}, {value[0]}]")
    return low, high


def _within(low: float, high: float):
    def check(pair: tuple[float, float]) -> tuple[float, float]:
        if not low <= pair[0] <= pair[1] <= high:
            raise ValueError(f"expected values within {low:g} .. {high:g}")
        return pair

    return check


def _range(low: float = -math.inf, high: float = math.inf):
    return Annotated[tuple[float, float], BeforeValidator(lambda value: _within(low, high)(_as_range(value)))]


class ObjectSection(Section):
    """`builtin` or `mesh` (OBJ, GLB, PLY); the object is centred and scaled to a bounding sphere of `radius_m`."""

    builtin: str | None = None
    mesh: Path | None = None
    texture: Path | None = None
    labels: tuple[str | int, ...] = Field(min_length=1)
    paintable: Paintable = "all"  # what may be changed
    protected: Area | None = None  # what never is, a logo for instance
    radius_m: float = Field(1.0, gt=0)
    up: Literal["y", "z"] = "y"


class ViewsSection(Section):
    """Numbers are fixed, [low, high] is uniform; elevation is uniform over the sphere's area."""

    azimuth_deg: _range(-360, 360) = (0.0, 0.0)
    elevation_deg: _range(-90, 90) = (0.0, 0.0)
    roll_deg: _range(-360, 360) = (0.0, 0.0)
    distance_m: _range(1e-3, 1e4) = (2.5, 3.0)
    offset_frac: _range(-1, 1) = (0.0, 0.0)  # image-plane shift, in bounding radii
    fov_deg: _range(1, 150) = (45.0, 45.0)  # vertical


class LightSection(Section):
    """Reflected light = albedo x (ambient + directional x cosine to the light); 1 and 0 is an unlit, flat render."""

    ambient: _range(0, 10) = (1.0, 1.0)
    directional: _range(0, 10) = (0.0, 0.0)
    azimuth_deg: _range(-360, 360) = (0.0, 0.0)
    elevation_deg: _range(-90, 90) = (90.0, 90.0)


class BackgroundSection(Section):
    kind: Literal["color", "photo", "panorama"] = "color"
    color: _range(0, 1) = (0.5, 0.5)  # each of red, green and blue on its own
    files: tuple[Path, ...] = ()  # photographs, or equirectangular panoramas (.hdr or 8-bit)


class SensorSection(Section):
    """Photo errors act on the image: x gain, + offset, + noise, clipped; after blur, before JPEG and 8 bits."""

    size_px: Literal["model"] | Annotated[int, Field(ge=16, le=8192)] = "model"  # height and width
    gain: _range(0, 100) = (1.0, 1.0)
    offset: _range(-1, 1) = (0.0, 0.0)
    noise_std: _range(0, 1) = (0.0, 0.0)
    blur_px: _range(0, 50) = (0.0, 0.0)  # standard deviation
    resolution_frac: _range(0.05, 1) = (1.0, 1.0)
    jpeg_quality: _range(1, 100) | None = None


class PrintSection(Section):
    """Print errors act on the texture, each channel on its own; before them, a measured response.

    In a scene file `response` names a file of `rig calibrate color`, which also fills what varies about it, here and in
    [sensor]; resolved, it is the response itself.
    """

    response: ColorResponse | None = None
    gain: _range(0, 100) = (1.0, 1.0)
    offset: _range(-1, 1) = (0.0, 0.0)


NAME = r"^\w[\w .()-]{0,99}$"  # run folders hold files of this name


class SceneConfig(Section):
    name: str = Field("scene", pattern=NAME)
    preset: str | None = None
    object: ObjectSection
    views: ViewsSection = ViewsSection()
    light: LightSection = LightSection()
    background: BackgroundSection = BackgroundSection()
    sensor: SensorSection = SensorSection()
    print: PrintSection = PrintSection()


PATH_KEYS = {
    ("object", "mesh"),
    ("object", "texture"),
    ("object", "paintable"),
    ("object", "protected"),
    ("background", "files"),
    ("print", "response"),
}
ANY_ROTATION = {"azimuth_deg": [-180, 180], "elevation_deg": [-90, 90], "roll_deg": [-180, 180]}

# Athalye et al., ICML 2018 (arXiv 1707.07397v3), supplementary: the 3D simulation, and what the physical attack adds.
# The field of view is ours: the paper does not give it; at 45 degrees a unit sphere at 2.5-3.0 fills the frame.
_EOT_SIM = {
    "views": {"rotation": "any", "distance_m": [2.5, 3.0], "offset_frac": [-0.05, 0.05], "fov_deg": 45},
    "background": {"kind": "color", "color": [0.1, 1.0]},
}
PRESETS = {
    "eot-sim": _EOT_SIM,
    "eot-physical": _EOT_SIM
    | {
        "sensor": {"gain": [0.5, 2.0], "offset": [-0.15, 0.15], "noise_std": [0.0, 0.1]},
        "print": {"gain": [0.7, 1.3], "offset": [-0.15, 0.15]},
    },
}


def read_config(path: Path, settings: tuple[str, ...] = ()) -> SceneConfig:
    """A scene file with its preset filled in and `a.b=c` settings applied. Raises SceneError naming the key."""
    document = read_toml(path, "scene file", SceneError)
    document.setdefault("name", _name_of(path))
    _anchor_paths(document, path)
    for setting in settings:
        _apply_setting(document, setting)
    return resolve_scene(document, where=str(path))


def _anchor_paths(document: dict, scene_path: Path) -> None:
    """Make the document's file paths absolute, refusing any that leaves the scene's own folder.

    A scene file may come from a stranger; the user's own `--set object.mesh=...` may point anywhere.
    """
    folder = scene_path.absolute().parent
    for section, key in PATH_KEYS:
        named = document.get(section, {}).get(key) if isinstance(document.get(section), dict) else None
        if named is None or named == "all" or isinstance(named, dict):  # a table names no file
            continue
        for name in named if isinstance(named, list) else [named]:
            if not isinstance(name, str) or Path(name).is_absolute() or ".." in Path(name).parts:
                raise SceneError(
                    "path leaves the scene's folder",
                    where=f"{scene_path} [{section}] {key}",
                    got=name,
                    expected=f"a path below {folder}",
                    hint=f"or give it on the command line: --set {section}.{key}=PATH",
                )
        anchored = [str(folder / name) for name in (named if isinstance(named, list) else [named])]
        document[section][key] = anchored if isinstance(named, list) else anchored[0]


def _name_of(path: Path) -> str:
    name = path.absolute().parent.name if path.name == "scene.toml" else path.stem
    return re.sub(r"[^\w .()-]", "_", name)[:100] or "scene"


def resolve_scene(document: dict, where: str) -> SceneConfig:
    """A validated config from a parsed document; keys beside a preset override it one by one."""
    merged = _with_preset(document, where)
    views = merged.get("views", {})
    if isinstance(views, dict) and "rotation" in views:
        if views["rotation"] != "any":
            raise SceneError("unknown rotation", where=f"{where} [views]", got=views["rotation"], expected='"any"')
        given = {key: value for key, value in views.items() if key != "rotation"}
        merged["views"] = ANY_ROTATION | given
    return validated(SceneConfig, merged, where, SceneError, also_known=("rotation",))


def _with_preset(document: dict, where: str) -> dict:
    preset = document.get("preset")
    if preset is not None and preset not in PRESETS:
        raise SceneError("unknown preset", where=where, got=preset, expected=" or ".join(PRESETS))
    merged = {key: dict(value) for key, value in PRESETS.get(preset, {}).items()}
    measured = _measured(document)
    for key, value in [*measured.items(), *document.items()]:
        merged[key] = merged.get(key, {}) | value if isinstance(value, dict) else value
    if measured:
        merged["print"]["response"] = measured["print"]["response"]
    return merged


def _measured(document: dict) -> dict:
    """What the response file that a scene names puts in the place of the preset's print and photo errors."""
    section = document.get("print")
    named = section.get("response") if isinstance(section, dict) else None
    return read_response(Path(named)).for_scene() if isinstance(named, str) else {}


def _apply_setting(document: dict, setting: str) -> None:
    path, value = parse_override(setting)
    if tuple(path) in PATH_KEYS and value != "all":
        value = [_absolute(name) for name in value] if isinstance(value, list) else _absolute(value)
    override(document, path, value)
    given = document.get("object")
    if path in (["object", "mesh"], ["object", "builtin"]) and isinstance(given, dict):  # another object in this scene
        given.pop("builtin" if path[1] == "mesh" else "mesh", None)


def _absolute(name: Any) -> Any:
    return str(Path(name).absolute()) if isinstance(name, str) else name  # what is no name is refused by the schema
