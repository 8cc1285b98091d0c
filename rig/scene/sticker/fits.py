"""What a sticker needs: an object larger than it, room, texels fine enough, and its own."""

import numpy as np

from rig.contracts import Mesh
from rig.errors import RigError
from rig.scene.scene import Scene
from rig.scene.sticker.bake import Samples
from rig.scene.sticker.settings import StickerSettings

LEAST_FILLED = 0.95  # of a sticker's outline that must find surface under it
LEAST_TEXELS = 8.0  # across a sticker's shorter side
MOST_SHARED = 0.02  # of a sticker's texels that other parts of the object may also show


def require_smaller(mesh: Mesh, size_m: np.ndarray, mm_per_m: float) -> None:
    longest_mm = float(np.ptp(mesh.vertices_m, axis=0).max()) * mm_per_m
    if size_m.max() * mm_per_m > longest_mm:
        got, expected = f"{size_m.max() * mm_per_m:g} mm", f"less than its longest side, {longest_mm:.0f} mm"
        hint = "--object-mm says how large the object is in reality"
        raise RigError("the patch is larger than the object", where="--size-mm", got=got, expected=expected, hint=hint)


def require_fine_enough(settings: StickerSettings, texel_mm: float) -> None:
    shortest_mm = min(settings.size_mm)
    if shortest_mm < texel_mm:
        got, expected = f"{shortest_mm:g} mm", f"at least a texel there, {texel_mm:.3g} mm"
        raise RigError("the patch is smaller than a texel", where="--size-mm", got=got, expected=expected)
    if shortest_mm < LEAST_TEXELS * texel_mm:
        got, expected = f"{shortest_mm / texel_mm:.1f} texels across", f"at least {LEAST_TEXELS:g}"
        hint = f"one texel is {texel_mm:.3g} mm there: a larger patch, or --set attack.texture_px and a finer texture"
        raise RigError(
            "the texture is too coarse for this patch", where="--size-mm", got=got, expected=expected, hint=hint
        )


def require_room(filled: float, settings: StickerSettings) -> None:
    if filled < LEAST_FILLED:
        other = "--planar, better where faces are flat" if settings.lies == "curved" else "--curved, around the surface"
        raise RigError(
            "the object has no room for the patch there", where=f"--at {settings.at_deg[0]:g},{settings.at_deg[1]:g}",
            got=f"{filled:.0%} of it on the surface", expected=f"at least {LEAST_FILLED:.0%}",
            hint=f"smaller, elsewhere, or {other}",
        )  # fmt: skip


def require_free(scene: Scene, samples: Samples, inside: np.ndarray, texels: np.ndarray) -> None:
    """Texels that may be painted, and that no other part of the object shows."""
    outside = float((~scene.paintable.ravel()[texels]).mean())
    if outside:
        raise RigError("the patch reaches outside the paintable area", where="--at", got=f"{outside:.1%} of its texels")
    rows, columns = samples.rows[inside] // samples.n, samples.columns[inside] // samples.n
    shared = float((samples.elsewhere[rows, columns] > samples.n**2 / 2).mean())
    if shared > MOST_SHARED:
        hint = "give a mesh without overlapping UVs, unwrapped in Blender or with xatlas"
        raise RigError(
            "other parts of the object share the texels of this place", got=f"{shared:.0%} of them", hint=hint
        )
