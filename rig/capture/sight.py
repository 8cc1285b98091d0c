"""What is seen in one frame: board, pose, angles, sharpness, exposure."""

from dataclasses import dataclass

import numpy as np

from rig.calibrate.board import Board
from rig.calibrate.detect import Detection, detect
from rig.calibrate.pose import BoardPose, PoseError, estimate_pose
from rig.calibrate.profile import CameraProfile
from rig.capture.angles import Angles, angles_of
from rig.capture.feed import Reading
from rig.capture.quality import Exposure, blur_px, exposure_of
from rig.capture.record import PoseRecord, rows_of
from rig.contracts import Transform
from rig.geometry import invert

STILL_PX = 1.0  # mean movement of the board's corners since the frame before


@dataclass(frozen=True)
class Sight:
    """`pose` and `angles` are None where `no_pose` says why. `moved_px` is infinite without a board before and now."""

    reading: Reading
    seen: Detection | None
    pose: BoardPose | None
    angles: Angles | None
    no_pose: str
    fits_profile: bool  # the image is of the size that the camera was calibrated at
    exposure: Exposure
    blur_px: float | None
    moved_px: float

    @property
    def is_good(self) -> bool:
        return self.pose is not None

    @property
    def is_still(self) -> bool:
        return self.moved_px <= STILL_PX

    def row(self) -> dict:
        """What a session's row says of it."""
        return {
            "time": self.reading.time,
            "n_corners": 0 if self.seen is None else len(self.seen.ids),
            "pose": None if self.pose is None else _record(self.pose, self.angles),
            "no_pose": self.no_pose,
            "blur_px": self.blur_px,
            "mean_frac": self.exposure.mean_frac,
            "over_frac": self.exposure.over_frac,
            "under_frac": self.exposure.under_frac,
        }


class Observer:
    """Looks at one frame after the other; it remembers the last one, to tell whether the board moved."""

    def __init__(self, board: Board, profile: CameraProfile, board_from_object: Transform):
        self.board, self.profile, self.board_from_object = board, profile, board_from_object
        self._before: Detection | None = None

    def look(self, reading: Reading) -> Sight:
        image = reading.image
        size_px = (image.shape[1], image.shape[0])
        fits = size_px == (self.profile.width_px, self.profile.height_px)
        seen = detect(self.board, image) if fits else None
        pose, no_pose = self._pose(seen, size_px, fits)
        sight = Sight(
            reading=reading,
            seen=seen,
            pose=pose,
            angles=None if pose is None else angles_of(invert(pose.camera_from_board @ self.board_from_object)),
            no_pose=no_pose,
            fits_profile=fits,
            exposure=exposure_of(image),
            blur_px=None if seen is None else blur_px(self.board, seen, image),
            moved_px=moved_px(self._before, seen),
        )
        self._before = seen
        return sight

    def _pose(self, seen: Detection | None, size_px, fits: bool) -> tuple[BoardPose | None, str]:
        if not fits:
            calibrated = f"{self.profile.width_px} x {self.profile.height_px}"
            return None, f"wrong resolution: {size_px[0]} x {size_px[1]}, calibrated at {calibrated}"
        if seen is None:
            return None, "board not seen"
        try:
            return estimate_pose(self.board, seen, self.profile, where="pose rejected"), ""
        except PoseError as error:
            return None, str(error)


def moved_px(before: Detection | None, now: Detection | None) -> float:
    """Mean distance between corners seen in both."""
    if before is None or now is None or before.size_px != now.size_px:
        return np.inf
    _, here, there = np.intersect1d(now.ids, before.ids, return_indices=True)
    if not len(here):
        return np.inf
    return float(np.linalg.norm(now.corners_px[here] - before.corners_px[there], axis=1).mean())


def _record(pose: BoardPose, angles: Angles) -> PoseRecord:
    return PoseRecord(
        camera_from_board=rows_of(pose.camera_from_board),
        rms_px=pose.rms_px,
        azimuth_deg=angles.azimuth_deg,
        elevation_deg=angles.elevation_deg,
        roll_deg=angles.roll_deg,
        distance_m=angles.distance_m,
    )
