"""The nouns that cross stages. Units end the name; frames are world, camera, object, board."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

Transform = np.ndarray  # (4, 4) float64, named into_from_of: p_world = world_from_camera @ p_camera

POSE_DIMENSIONS = (
    "azimuth_deg",
    "elevation_deg",
    "roll_deg",
    "distance_m",
    "offset_x_frac",
    "offset_y_frac",
    "fov_deg",
)


@dataclass(frozen=True)
class Intrinsics:
    """A pinhole camera. Pixel (u, v) = (column, row); integers are pixel centres."""

    width_px: int
    height_px: int
    fx_px: float
    fy_px: float
    cx_px: float
    cy_px: float


@dataclass(frozen=True)
class Mesh:
    """A triangle mesh with one texture, in the object frame.

    vertices_m (N, 3) float64; faces (M, 3) int32, counter-clockwise seen from outside;
    uv (N, 2) float64, v up (uv (0, 0) is the texture image's bottom left corner);
    normals (N, 3) float64, unit; texture (H, W, 3) uint8 sRGB; materials (M,) str, each face's, where they have names.
    """

    vertices_m: np.ndarray
    faces: np.ndarray
    uv: np.ndarray
    normals: np.ndarray
    texture: np.ndarray
    materials: np.ndarray | None = None


@dataclass(frozen=True)
class View:
    """One draw of everything that varies between frames: camera pose, light, background, sensor, print.

    `values` maps a dimension's name (POSE_DIMENSIONS and whatever else the scene declares) to its number;
    `seed` drives what is left random once those are fixed (pixel noise).
    """

    id: str
    split: str  # "attack", "validation" or "eval"
    values: Mapping[str, float]
    seed: int


@dataclass(frozen=True)
class Frame:
    """What a camera gives: 8-bit RGB, and where it came from."""

    image: np.ndarray  # (H, W, 3) uint8 sRGB
    view: View
    source: str  # "render" or "capture"
    session: str = ""


@dataclass(frozen=True)
class Artefact:
    """What is put on the object. `texture` is always what the saved 8-bit file says."""

    name: str
    texture: np.ndarray  # (H, W, 3) uint8 sRGB
    details: Mapping = field(default_factory=dict)


TRIAL_COLUMNS = {
    "object": "string",
    "artefact": "string",
    "model": "string",
    "view": "string",
    "split": "string",
    "source": "string",
    "session": "string",
    **dict.fromkeys(POSE_DIMENSIONS, "float64"),
    # ... then every other dimension the scene samples, float64
    "true_label": "string",
    "target_label": "string",
    "predicted": "string",
    "predicted_prob": "float64",
    "true_prob": "float64",
    "target_prob": "float64",
    "top5": "string",
    "outcome": "string",  # correct | target | other_wrong
    "frame_hash": "string",
}
