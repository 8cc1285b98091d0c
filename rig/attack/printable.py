"""Colours that a printer can give, as a constraint on what an attack paints: cheap in its loop, exact in its file."""

from collections.abc import Iterable
from functools import cache

import numpy as np
import torch
import torch.nn.functional as F

from rig.attack.settings import AttackSettings
from rig.errors import RigError
from rig.scene.gamut import TOLERANCE_DELTA_E, Gamut, gamut_of

GRID_STEP = 5  # of a channel's 255, between the colours whose answers the loop interpolates


class Printable:
    """A gamut, and a grid over sRGB of how far each colour has to move into it."""

    def __init__(self, gamut: Gamut):
        self.gamut = gamut
        levels = np.arange(0, 256, GRID_STEP, dtype=np.uint8)
        sent = np.stack(np.meshgrid(levels, levels, levels, indexing="ij"), axis=-1)
        flat = sent.reshape(len(levels), -1, 3)
        moves = (gamut.within(flat).astype(np.float32) - flat).reshape(sent.shape) / 255
        self._moves = torch.from_numpy(moves).permute(3, 0, 1, 2)[None]  # (1, 3, red, green, blue)

    @property
    def in_words(self) -> str:
        return f"within Delta-E {TOLERANCE_DELTA_E:g} of a colour of {self.gamut.name}"

    def near(self, texture: torch.Tensor) -> torch.Tensor:
        """A texture (3, h, w) in or near the gamut: the grid's answers, interpolated."""
        colors = texture.clamp(0, 1)
        at = 2 * colors.flip(0).permute(1, 2, 0)[None, None] - 1  # blue varies fastest; (1, 1, h, w, 3)
        return colors + F.grid_sample(self._moves.to(texture), at, align_corners=True)[0, :, 0]

    def painted(self, texture: np.ndarray, clean: np.ndarray, epsilon: float | None) -> np.ndarray:
        """An 8-bit texture (h, w, 3) that is printable wherever it differs from the clean one.

        A texel that cannot be both printable and within epsilon of the clean one is left unpainted.
        """
        found = self.gamut.within(texture)
        unpainted = (texture == clean).all(axis=2)
        if epsilon is not None:
            most, middle = int(epsilon), clean.astype(int)
            found = np.clip(found, middle - most, middle + most).astype(np.uint8)
            unpainted |= self.gamut.outside(found)
        return np.where(unpainted[..., None], clean, found)


def printable_of(settings: AttackSettings) -> Printable | None:
    """None where any colour may be painted."""
    return _coated_offset() if settings.printable else None


@cache
def _coated_offset() -> Printable:
    return Printable(gamut_of(None))


def require_no_response(settings: AttackSettings, scenes: Iterable[dict]) -> None:
    """A measured response makes of any colour one that its printer gives. Raises RigError."""
    measured = [scene["name"] for scene in scenes if (scene.get("print") or {}).get("response")]
    if settings.printable and measured:
        raise RigError(
            "says what its printer makes of every colour, and the attack optimises through it",
            where=f"attack.printable: [print] response of {measured[0]}",
            hint="leave attack.printable out",
        )


def require_within(budget: float, least_delta_e: float) -> None:
    """`least_delta_e`: of the object with its own colours brought into the gamut. Raises RigError."""
    if least_delta_e > budget:
        raise RigError(
            "less than it takes to bring the object's own colours into the printer's gamut",
            where="attack.max_delta_e",
            got=f"{budget:g}",
            expected=f"more than {least_delta_e:.1f}, or attack.printable=false",
        )
