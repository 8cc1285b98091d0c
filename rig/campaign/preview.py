"""`rig scene preview`: a contact sheet."""

import math
from pathlib import Path

import numpy as np

from rig.images import encode_png
from rig.render import Renderer
from rig.runs import write_atomically
from rig.scene import load_scene
from rig.views import draw_views


def write_preview(scene_name: str, settings: tuple[str, ...], out: Path, n_views: int, size_px: int, seed: int) -> Path:
    scene = load_scene(scene_name, settings)
    renderer = Renderer(scene, (size_px, size_px))
    prepared = [renderer.prepare(view) for view in draw_views(scene.config, n_views, seed, "preview")]
    images = [frame.image for frame in renderer.frames(scene.mesh.texture, prepared)]
    return write_atomically(out, lambda partial: partial.write_bytes(encode_png(contact_sheet(images))))


def contact_sheet(images: list[np.ndarray]) -> np.ndarray:
    """Images of one size in rows, about twice as wide as high; the last row is filled up with white."""
    columns = math.ceil(math.sqrt(2 * len(images)))
    blank = [np.full_like(images[0], 255)] * (-len(images) % columns)
    filled = images + blank
    return np.vstack([np.hstack(filled[i : i + columns]) for i in range(0, len(filled), columns)])
