"""Everything that shapes a pixel search, and the named searches: presets that `--set search.key=value` overrides."""

from collections.abc import Sequence
from typing import Literal

from pydantic import Field, model_validator

from rig.errors import RigError
from rig.settings import Section, override, parse_override, validated


class SearchSettings(Section):
    """`max_queries` and `max_seconds` are each image's own, for each number of pixels; seconds are its share of a batch."""

    method: Literal["evolution", "pixelwise", "random", "white-box", "exhaustive"]
    fitness: Literal["probability", "margin"] = "margin"
    stop: Literal["success", "confident"] = "success"  # "confident": success does not end it, the two below do
    confident_true_prob: float = Field(0.05, gt=0, lt=1)  # untargeted: the true classes fall below
    confident_target_prob: float = Field(0.90, gt=0, lt=1)  # targeted: the target rises above
    use_start: bool = True  # whether a search with more pixels begins from what fewer have found
    max_queries: int | None = Field(None, ge=1)
    max_seconds: float | None = Field(None, gt=0)
    population: int = Field(400, ge=4, le=1_000_000)  # differential evolution: members; others: candidates a step
    generations: int = Field(100, ge=0, le=1_000_000)  # differential evolution, after the first population
    scale: float = Field(0.5, gt=0, le=2)  # F of differential evolution
    screen: int = Field(192, ge=0)  # pixelwise: single pixels tried evenly over the image before any is varied
    elite: int = Field(24, ge=1)  # pixelwise: candidates that are varied
    levels: int = Field(2, ge=2, le=256)  # exhaustive: of each colour channel, from 0 to 255
    explore_frac: float = Field(0.3, ge=0, le=1)  # pixelwise: share of children with a pixel from anywhere

    @model_validator(mode="after")
    def _is_consistent(self):
        if self.method == "evolution" and self.stop == "confident" and self.fitness != "probability":
            raise ValueError('stop "confident" compares probabilities; set fitness to "probability" too')
        return self


SEARCHES = {
    # Su, Vargas, Sakurai 2019 (arXiv 1710.08864): population 400, rand/1, F 0.5, no crossover, at most 100 generations,
    # ended early by a target above 90 % or a true class below 5 %: at most 40,400 queries
    "su2019": {"method": "evolution", "fitness": "probability", "stop": "confident", "use_start": False},
    "rig": {"method": "pixelwise", "population": 64, "max_queries": 40_400},
    "random": {"method": "random", "use_start": False, "max_queries": 40_400},
    "white-box": {"method": "white-box", "population": 64, "max_queries": 40_400},
    "exhaustive": {"method": "exhaustive", "use_start": False},  # one pixel only
}


def search_settings(name: str, values: dict, overrides: Sequence[str] = ()) -> SearchSettings:
    """A preset with `values` and `search.key=value` overrides. Raises RigError naming the key.

    The exhaustive search is a reference, not a competitor: a budget of queries meant for all does not cut it short.
    """
    if name not in SEARCHES:
        raise RigError("unknown search", got=name, expected=" or ".join(SEARCHES))
    unbounded = {"max_queries"} if name == "exhaustive" else set()
    document = {"search": SEARCHES[name] | {key: value for key, value in values.items() if key not in unbounded}}
    for text in overrides:
        override(document, *parse_override(text))
    if strange := [key for key in document if key != "search"]:
        raise RigError("not a setting of a pixel search", where="--set", got=strange[0], expected="search.key=value")
    return validated(SearchSettings, document["search"], "[search]")
