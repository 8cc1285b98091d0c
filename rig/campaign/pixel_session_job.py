"""All that was asked of a pixel attack on a session; frozen into run.json, so that `rig resume` needs nothing else."""

from dataclasses import dataclass
from pathlib import Path

from pydantic import Field

from rig.attack.pixel.settings import SearchSettings
from rig.campaign.pixel_scene_settings import DotSize
from rig.capture.read import HEADER
from rig.report.write import PIXEL_SESSION_JOB
from rig.settings import Section


class DotSettings(Section):
    """`--set persistence.key=value`."""

    dots_px: tuple[DotSize, ...] = Field((1.0, 3.0), min_length=1)  # sides in pixels of the frame they were found on


@dataclass(frozen=True)
class PixelSessionJob:
    """All that was asked. `items`: frames attacked, spread evenly over the clean ones that the model gets right."""

    session: str
    model: str
    n_pixels: int
    search: SearchSettings
    target: str | int | None
    items: int
    crop: str
    persistence: DotSettings
    threads: int | None
    seed: int

    def config(self) -> dict:
        return {
            "job": PIXEL_SESSION_JOB,
            "session": self.session,
            "models": [self.model],
            "pixels": [self.n_pixels],
            "search": self.search.model_dump(mode="json"),
            "target": self.target,
            "items": self.items,
            "crop": self.crop,
            "persistence": self.persistence.model_dump(mode="json"),
            "threads": self.threads,
        }


def is_session(given: Path) -> bool:
    return (given / HEADER).is_file()
