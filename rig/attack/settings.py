"""Everything that shapes a texture attack, frozen into the run."""

from collections.abc import Sequence
from typing import Literal

from pydantic import Field

from rig.settings import Section, override, parse_override, validated

NARROW_FRAC = 0.4


class BlackBoxSettings(Section):
    """An attack on a texture that asks for scores only."""

    method: Literal["square"] = "square"
    square_frac: float = Field(0.1, gt=0, le=1)  # share of the texture that the first squares cover


class AttackSettings(Section):
    """Defaults are the demo's, but for `narrow_frac` (see `attack_settings`); figures: README, "The attack's defaults"."""

    target: str | int | None = None
    black_box: BlackBoxSettings | None = None  # scores only; None: gradients
    objective: Literal["cross-entropy", "margin", "worst-view"] = "cross-entropy"
    max_delta_e: float | None = Field(20.0, gt=0)  # mean CIE76 over object pixels; None is unconstrained
    epsilon: float | None = Field(None, gt=0, le=255)  # Linf budget on the texture in 8-bit steps, beside or instead
    printable: bool = Field(False, exclude_if=lambda on: not on)  # only colours that offset printing can give
    steps: int = Field(600, ge=1, le=1_000_000)
    views_per_step: int = Field(16, ge=1, le=1024)
    reuse_frac: float = Field(0.0, ge=0, lt=1)  # share of a step's poses kept from the step before, rendered anew
    # share of the steps in which views widen from the middle of every range to all of it; 0, as in runs of before it
    narrow_frac: float = Field(0.0, ge=0, lt=1, exclude_if=lambda frac: frac == 0)
    scales: int = Field(6, ge=1, le=9)  # levels of the texture's mip pyramid that are optimised together
    step_size: float = Field(0.1, gt=0, le=1)
    distance_weight: float = Field(0.05, ge=0)  # lambda: where it starts with a max_delta_e, fixed without one
    texture_px: int = Field(512, ge=16, le=8192)
    validate_every: int = Field(25, ge=1)
    validation_views: int = Field(48, ge=1)
    keep_success: float | None = Field(None, gt=0, le=1)  # lower the Delta-E while so many validation views stay fooled
    stop_at: float = Field(
        1.0, gt=0, le=1
    )  # validation success, twice in a row and within budget, that ends the attack

    @property
    def narrow_steps(self) -> float:
        return self.narrow_frac * self.steps


def attack_settings(values: dict, overrides: Sequence[str] = ()) -> AttackSettings:
    """Settings from values and `attack.key=value` overrides; views start narrow unless said. Raises RigError naming the key."""
    document = {"attack": dict(values)}
    for text in overrides:
        override(document, *parse_override(text))
    settings = validated(AttackSettings, document["attack"], "[attack]")
    if settings.black_box is not None or "narrow_frac" in settings.model_fields_set:
        return settings
    return settings.model_copy(update={"narrow_frac": NARROW_FRAC})
