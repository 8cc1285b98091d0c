"""All that was asked of a viewpoint search; frozen into run.json, so that `rig resume` needs nothing else."""

from dataclasses import dataclass

from rig.metrics.pose import POSE_JOB

TEXTURE_PX = 512  # as a sweep's


@dataclass(frozen=True)
class PoseJob:
    """`max_queries` of each search, in `runs` independent runs of equal length; `views` drawn afresh for all shares."""

    scene: dict  # a resolved scene config
    model: str
    target: str | int | None
    search: str
    over: tuple[str, ...]  # () for pose and light, as far as they vary
    max_queries: int
    runs: int
    views: int
    regions: int  # distinct failures that are measured, the deepest ones
    around: int  # draws at each radius about each of them
    threads: int | None
    seed: int

    def config(self) -> dict:
        return {
            "job": POSE_JOB,
            "scenes": {self.scene["name"]: self.scene},
            "models": [self.model],
            "target": self.target,
            "search": self.search,
            "over": list(self.over),
            "max_queries": self.max_queries,
            "runs": self.runs,
            "regions": self.regions,
            "around": self.around,
            "threads": self.threads,
            "sweep": {"views": self.views, "policy": "random", "texture_px": TEXTURE_PX},
        }
