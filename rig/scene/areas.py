"""Parts of an object's surface, as texels: by mask image, by material, or within a ball."""

from pathlib import Path
from typing import Annotated, Any, Literal

import cv2
import numpy as np
from pydantic import BeforeValidator, Field, FiniteFloat, ValidationError

from rig.contracts import Mesh
from rig.errors import SceneError
from rig.images import read_image
from rig.scene.layout import Layout, drawn_by_face, layout_of
from rig.settings import Section

GUTTER_PX = 2  # around an area, where no face lies: filtering at its border looks there
FORMS = '"all", a mask image, {material = "NAME"} or {center_m = [x, y, z], radius_m = r}'


def _as_names(value: Any) -> Any:
    return (value,) if isinstance(value, str) else value


class MaterialArea(Section):
    """The faces of one material of the mesh file, or of several."""

    material: Annotated[tuple[str, ...], BeforeValidator(_as_names), Field(min_length=1)]


class BallArea(Section):
    """The surface within a ball, in the object frame of the scene: scaled to `radius_m`, +z up."""

    center_m: tuple[FiniteFloat, FiniteFloat, FiniteFloat]
    radius_m: Annotated[FiniteFloat, Field(gt=0)]


def _as_area(value: Any) -> Any:
    if not isinstance(value, dict):
        if isinstance(value, str | Path | Section | None):
            return value
        raise ValueError(f"expected {FORMS}")
    for kind in (MaterialArea, BallArea):
        if set(value) == set(kind.model_fields):
            try:
                return kind.model_validate(value)
            except ValidationError as error:  # of several forms, a union would tell of the first
                found = error.errors()[0]
                raise ValueError(f"{found['loc'][0]}: {found['msg']}") from error
    raise ValueError(f"expected {FORMS}")


Area = Annotated[MaterialArea | BallArea | Path, BeforeValidator(_as_area)]
Paintable = Annotated[Literal["all"] | MaterialArea | BallArea | Path, BeforeValidator(_as_area)]
"""A file is a black and white image of the texture's size; white is the area."""


def mask_of(paintable: Paintable, protected: Area | None, mesh: Mesh, where: str) -> np.ndarray | None:
    """(H, W) bool: texels all of which may be changed and no part of which is protected; None for all of them.

    Raises SceneError where an area has no texel, names what the mesh does not have, or nothing is left to change.
    """
    if paintable == "all" and protected is None:
        return None
    found = np.ones(mesh.texture.shape[:2], bool)
    if paintable != "all":
        found &= _texels(paintable, mesh, f"{where} [object] paintable")[1]
    if protected is not None:
        found &= ~_texels(protected, mesh, f"{where} [object] protected")[0]
    if not (found & layout_of(mesh).used).any():
        raise SceneError("nothing is left that may be changed", where=f"{where} [object] paintable, protected")
    return found


def fitted(mask: np.ndarray, size_px: tuple[int, int]) -> np.ndarray:
    """The mask (H, W) over a texture of another size: a texel may be changed where all that it stands for may be."""
    if mask.shape == size_px:
        return mask
    finer = size_px[0] > mask.shape[0]
    how = cv2.INTER_NEAREST if finer else cv2.INTER_AREA
    found = cv2.resize(mask.astype(np.float32), size_px[::-1], interpolation=how) > 1 - 1e-4
    if not found.any():
        got, hint = f"{size_px[1]} x {size_px[0]} texels", "a larger area, or a larger texture_px"
        raise SceneError("no whole texel is left that may be changed", got=got, hint=hint)
    return found


def _texels(area: Area, mesh: Mesh, where: str) -> tuple[np.ndarray, np.ndarray]:
    """Texels (H, W) bool that have any part in the area, and those that lie in it only."""
    if isinstance(area, Path):
        image = _image(area, mesh.texture.shape[:2])
        return image, image
    layout = layout_of(mesh)
    if isinstance(area, MaterialArea):
        any_part, only = layout.of(_faces(area, mesh, where))
    else:
        any_part, only = _within(area, mesh, layout)
    if not any_part.any():
        raise SceneError("no texel lies in the area", where=where, got=area.model_dump(mode="json"))
    return _grown(any_part, 1), only | (_grown(only, GUTTER_PX) & ~layout.used)


def _image(path: Path, size_px: tuple[int, int]) -> np.ndarray:
    mask = read_image(path)[..., 0] >= 128
    if mask.shape != size_px:
        (height, width), (wanted_height, wanted_width) = mask.shape, size_px
        got, expected = f"{width} x {height}", f"the texture's, {wanted_width} x {wanted_height}"
        raise SceneError("mask and texture differ in size", where=path, got=got, expected=expected)
    return mask


def _faces(area: MaterialArea, mesh: Mesh, where: str) -> np.ndarray:
    """(M,) bool"""
    known = sorted(set(mesh.materials)) if mesh.materials is not None else []
    if missing := [name for name in area.material if name not in known]:
        expected = " or ".join(known) or "a mask image: this object's materials have no names"
        raise SceneError("no such material", where=where, got=missing[0], expected=expected)
    return np.isin(mesh.materials, area.material)


def _within(area: BallArea, mesh: Mesh, layout: Layout) -> tuple[np.ndarray, np.ndarray]:
    size_px, corners = layout.first.shape, mesh.vertices_m[mesh.faces]
    places_m = (drawn_by_face(mesh, corners, size_px, first) for first in (True, False))
    first, last = (
        layout.used & (np.linalg.norm(place - np.array(area.center_m), axis=-1) <= area.radius_m) for place in places_m
    )
    return first | last, first & last


def _grown(texels: np.ndarray, by_px: int) -> np.ndarray:
    square = np.ones((2 * by_px + 1, 2 * by_px + 1), np.uint8)
    return cv2.dilate(texels.astype(np.uint8), square) > 0
