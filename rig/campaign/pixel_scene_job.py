"""All that was asked of a pixel attack on a scene; frozen into run.json, so that `rig resume` needs nothing else."""

from dataclasses import dataclass

from rig.attack.pixel.settings import SearchSettings
from rig.campaign.pixel_scene_settings import PersistenceSettings
from rig.report.write import PIXEL_SCENE_JOB


@dataclass(frozen=True)
class PixelSceneJob:
    """All that was asked. `items`: frames attacked, the first of the scene's views that the model gets right."""

    scene: dict  # a resolved scene config
    model: str
    n_pixels: int
    search: SearchSettings
    target: str | int | None
    items: int
    persistence: PersistenceSettings
    threads: int | None
    seed: int

    def config(self) -> dict:
        return {
            "job": PIXEL_SCENE_JOB,
            "scenes": {self.scene["name"]: self.scene},
            "models": [self.model],
            "pixels": [self.n_pixels],
            "search": self.search.model_dump(mode="json"),
            "target": self.target,
            "items": self.items,
            "persistence": self.persistence.model_dump(mode="json"),
            "threads": self.threads,
        }
