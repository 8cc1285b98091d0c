"""What follows a pixel attack on a scene's frames: EOT search, printed dots, views beside, decision maps."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, TypeVar

from pydantic import Field

from rig.errors import RigError
from rig.scene.scene import builtin_scenes
from rig.settings import Section, override, parse_override, validated
from rig.sweep.looks import N_LOOKS, REACH_DEG
from rig.sweep.pixel_persistence import ANGLES_DEG, BEARINGS

ITEMS = 12  # frames attacked
MAX_QUERIES = 2000  # of each search on each frame

DotSize = Annotated[float, Field(gt=0, le=64)]
Angle = Annotated[float, Field(ge=0, le=180)]
Kind = TypeVar("Kind", bound=Section)


class PersistenceSettings(Section):
    """`--set persistence.key=value`."""

    looks: int = Field(N_LOOKS, ge=0, le=64)  # frames that judge a candidate of the EOT search; 0: no EOT search
    reach_deg: float = Field(REACH_DEG, gt=0, le=90)  # within which the views of the EOT search lie
    dots_px: tuple[DotSize, ...] = Field((1.0, 3.0), min_length=1)  # sides in pixels; the EOT search prints the last
    angles_deg: tuple[Angle, ...] = Field(ANGLES_DEG, min_length=1)
    bearings: int = Field(BEARINGS, ge=1, le=64)  # views at each angle
    map_side: int = Field(48, ge=0, le=512)  # answers along each side of a decision map; 0: none


def persistence_settings(overrides: Sequence[str], kind: type[Kind] = PersistenceSettings) -> Kind:
    """Raises RigError naming the key."""
    document: dict = {"persistence": {}}
    for text in overrides:
        override(document, *parse_override(text))
    return validated(kind, document["persistence"], "[persistence]")


def is_scene(given: Path) -> bool:
    """Whether a path or name means a scene rather than a set of images."""
    is_file = given.suffix == ".toml" or (given / "scene.toml").is_file()
    return is_file or (not given.exists() and str(given) in builtin_scenes())


def only(values: Sequence, option: str, what: str = "scene"):
    """The one value of an option that images may have several of."""
    if len(values) != 1:
        raise RigError(f"a {what} takes one {option}", got=", ".join(map(str, values)), expected="one")
    return values[0]
